"""What an operator can choose: one frozen object, and the only reader of the environment and `.env`."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from environs import Env, EnvError

from app.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
DOTENV = ROOT / ".env"


class EmgMode(str, Enum):
    """Where samples come from."""

    DUMMY = "dummy"  # the simulator
    NINAPRO = "ninapro"  # a recording, played in real time


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose. Read once, at start. None means: the model's own value."""

    emg_mode: EmgMode = EmgMode.DUMMY
    recording: Path | None = None  # file or folder, for EMG_MODE=ninapro
    model: str = "synthetic-16ch-2khz"  # a name in instance/models, or a path
    window: int | None = None  # samples
    channels: int | None = None
    sampling_rate: float | None = None  # Hz
    mains_hz: float | None = 50.0  # None: no notch
    backends: tuple[str, ...] = ("tensorrt", "onnxruntime", "pytorch")  # best first
    onnx_precision: str | None = None  # of ONNX Runtime's graph; None: int8 where the model has it
    tensorrt_engine: Path | None = None  # a plan; None: the model's own in instance/engines
    max_streams: int = 1600  # 0.8 of gunicorn's worker_connections, so that /health always gets through
    max_body: int = 32 * 2**20  # bytes
    log_level: str = "info"
    bind: str = "127.0.0.1:8000"
    allow_anonymous: bool = False
    workers: int = 1
    instance: Path = ROOT / "instance"

    def __post_init__(self) -> None:
        refuse_open_door(self.bind, self.allow_anonymous)
        if self.emg_mode is EmgMode.NINAPRO and self.recording is None:
            raise ConfigError(
                "EMG_RECORDING is empty, but EMG_MODE=ninapro plays one: "
                "name a .mat or .npz file, or a folder of them"
            )
        if self.emg_mode is not EmgMode.NINAPRO and self.recording is not None:
            raise ConfigError(
                f"EMG_RECORDING={self.recording} is played with EMG_MODE=ninapro only, "
                f"but EMG_MODE is {self.emg_mode.value}"
            )

    @classmethod
    def from_env(cls, dotenv: Path | None = DOTENV) -> Settings:
        """Read the environment, and `.env` for what the environment does not say. Empty means unset.

        Raises:
            ConfigError: one line that names the variable, its value and what is allowed.
        """
        env = Env()
        if dotenv is not None:
            env.read_env(str(dotenv), recurse=False)
        chosen = {v.field: _parse(env, v) for v in VARIABLES if env.str(v.name, "").strip()}
        return cls(**chosen)


class Variable(NamedTuple):
    """One environment variable. The README's table of settings is checked against these."""

    name: str
    field: str
    parse: Callable[[Env, str], Any]
    allowed: str


def _parse(env: Env, variable: Variable) -> Any:
    try:
        return variable.parse(env, variable.name)
    except (EnvError, ValueError):
        value = env.str(variable.name)
        raise ConfigError(f"{variable.name}={value!r} is not allowed: {variable.allowed}") from None


def _positive_int(env: Env, name: str) -> int:
    value: int = env.int(name)
    if value < 1:
        raise ValueError
    return value


def _positive_float(env: Env, name: str) -> float:
    value: float = env.float(name)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _one_of(*choices: str) -> Callable[[Env, str], str]:
    def parse(env: Env, name: str) -> str:
        value: str = env.str(name).strip().lower()
        if value not in choices:
            raise ValueError
        return value

    return parse


def _mains(env: Env, name: str) -> float | None:
    value = _one_of("50", "60", "off")(env, name)
    return None if value == "off" else float(value)


BACKENDS = ("tensorrt", "onnxruntime", "pytorch")


def _backends(env: Env, name: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in env.str(name).split(","))
    if not set(names) <= set(BACKENDS) or len(set(names)) != len(names):
        raise ValueError
    return names


def _only_one(env: Env, name: str) -> int:
    if env.int(name) != 1:
        raise ValueError
    return 1


def _path(env: Env, name: str) -> Path:
    return Path(env.str(name)).expanduser()


VARIABLES = (
    Variable(
        "EMG_MODE",
        "emg_mode",
        lambda env, name: EmgMode(env.str(name).strip().lower()),
        "dummy (the simulator) or ninapro (a recording)",
    ),
    Variable("EMG_RECORDING", "recording", _path, "a .mat or .npz file, or a folder of them"),
    Variable("EMG_MODEL", "model", lambda env, name: env.str(name), "a model's name or path"),
    Variable("EMG_WIN", "window", _positive_int, "a whole number of samples above 0"),
    Variable("EMG_CH", "channels", _positive_int, "a whole number of channels above 0"),
    Variable("EMG_FS", "sampling_rate", _positive_float, "a sampling rate in Hz above 0"),
    Variable("EMG_MAINS", "mains_hz", _mains, "50, 60 or off"),
    Variable("EMG_BACKENDS", "backends", _backends, f"a comma-separated choice of {', '.join(BACKENDS)}"),
    Variable("EMG_PRECISION", "onnx_precision", _one_of("int8", "fp16", "fp32"), "int8, fp16 or fp32"),
    Variable("TENSORRT_ENGINE", "tensorrt_engine", _path, "the path of a plan, made by `flask engine build`"),
    Variable("EMG_MAX_STREAMS", "max_streams", _positive_int, "a whole number above 0"),
    Variable("EMG_MAX_BODY", "max_body", _positive_int, "a whole number of bytes above 0"),
    Variable(
        "EMG_LOG_LEVEL",
        "log_level",
        _one_of("debug", "info", "warning", "error"),
        "debug, info, warning or error",
    ),
    Variable("EMG_BIND", "bind", lambda env, name: env.str(name).strip(), "host:port"),
    Variable("EMG_ALLOW_ANONYMOUS", "allow_anonymous", lambda env, name: env.bool(name), "1 or 0"),
    Variable(
        "WEB_CONCURRENCY",
        "workers",
        _only_one,
        "1 (a second worker would play a second copy of the source)",
    ),
)


def misspelt(names: Iterable[str]) -> list[str]:
    """One line for every EMG_* name that is no setting, with the setting it was probably meant to be."""
    known = [variable.name for variable in VARIABLES]
    lines = []
    for name in sorted(set(names) - set(known)):
        if name.startswith("EMG_"):
            near = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines


def refuse_open_door(bind: str, allow_anonymous: bool) -> None:
    """Raise ConfigError when anyone on the network could reach a server that asks for no key."""
    if bind.startswith("unix:"):
        return
    host, _, port = bind.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ConfigError(f"EMG_BIND={bind!r} is not allowed: host:port, such as 127.0.0.1:8000")
    if not _is_loopback(host.strip("[]")) and not allow_anonymous:
        raise ConfigError(
            f"EMG_BIND={bind} lets anyone on the network in without a key: "
            "bind to 127.0.0.1, or set EMG_ALLOW_ANONYMOUS=1 to accept that"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
