# ruff: noqa: N999
"""In the place of gunicorn.conf.py, which then is called own.conf.py: the same, with parts that raise.

While the file `engine raises` is there, every call of the ONNX backend does; with `source raises`, every read of the
simulator does.
"""

from pathlib import Path

_conf = Path("own.conf.py")
exec(compile(_conf.read_text(encoding="utf-8"), str(_conf), "exec"))

_forget_code = forget_code  # noqa: F821  of the file above


def forget_code():
    """The last that is done in a worker before it opens its engine."""
    _forget_code()
    from app.emg.simulator import Simulator
    from app.inference.onnx_backend import OnnxBackend

    raising(OnnxBackend, "infer", Path("engine raises"))
    raising(Simulator, "read", Path("source raises"))


def raising(owner, name, flag):
    usual = getattr(owner, name)

    def call(*args, **named):
        if flag.exists():
            raise RuntimeError("the driver lost its way")
        return usual(*args, **named)

    setattr(owner, name, call)
