"""In the place of gunicorn.conf.py, which then is called own.conf.py: the same, with parts that fail on request.

While the file `engine raises` is there, every call of the ONNX backend does; with `engine hangs` none returns, as in a
driver; with `source raises` every read of the simulator does. With `opening raises` no calibrated model opens, with
`opening waits` it does not open yet: in all workers, or in that one alone whose number is in the file. One that waits
leaves `waits-<its number>`.
"""

import os
from pathlib import Path

_conf = Path("own.conf.py")
exec(compile(_conf.read_text(encoding="utf-8"), str(_conf), "exec"))

_forget_code = forget_code


def forget_code():
    """The last that is done in a worker before it opens its engine."""
    _forget_code()
    from app.emg.simulated.simulator import Simulator
    from app.inference.onnx.backend import OnnxBackend

    disturb(OnnxBackend, "infer", Path("engine raises"), give_up)
    disturb(OnnxBackend, "infer", Path("engine hangs"), hang)
    disturb(Simulator, "read", Path("source raises"), give_up)
    from app.inference.covariance.shared_stem import StemBackend

    disturb_opening(StemBackend)
    if os.environ.get("HANGS_ON") == "engine thread":
        OnnxBackend.reentrant = False


def disturb(owner, name, flag, fail):
    usual = getattr(owner, name)

    def call(*args, **named):
        while flag.exists():
            fail()
        return usual(*args, **named)

    setattr(owner, name, call)


def disturb_opening(owner):
    usual = owner.open

    def call(artefact):
        while meant("opening waits"):
            Path(f"waits-{os.getpid()}").touch()
            hang()
        if meant("opening raises"):
            give_up()
        return usual(artefact)

    owner.open = call


def meant(flag):
    """Whether that file is there and means this worker."""
    try:
        return Path(flag).read_text() in ("", str(os.getpid()))
    except FileNotFoundError:
        return False


def give_up():
    raise RuntimeError("the driver lost its way")


def hang():
    monkey.get_original("time", "sleep")(0.05)  # natively
