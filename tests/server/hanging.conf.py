# ruff: noqa: N999
"""In the place of gunicorn.conf.py, which then is called own.conf.py: the same, with an engine that hangs.

The ONNX backend's calls do not return while a file is there; they hang natively, as in a driver.
"""

from pathlib import Path

_conf = Path("own.conf.py")
exec(compile(_conf.read_text(encoding="utf-8"), str(_conf), "exec"))

_forget_code = forget_code  # noqa: F821  of the file above


def forget_code():
    """The last that is done in a worker before it opens its engine."""
    _forget_code()
    import os

    from app.inference.onnx_backend import OnnxBackend

    flag, infer = Path(os.environ["HANGS_WHILE"]), OnnxBackend.infer
    native_sleep = monkey.get_original("time", "sleep")  # noqa: F821

    def hanging(self, batch, steps=None):
        while flag.exists():
            native_sleep(0.05)
        return infer(self, batch, steps)

    OnnxBackend.infer = hanging
    if os.environ["HANGS_ON"] == "engine thread":
        OnnxBackend.reentrant = False
