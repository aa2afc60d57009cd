"""The environment variables: each one's name, how it is read, and what is allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from environs import Env, EnvError

from app.errors import ConfigError
from app.fleet_address import parse_address, parse_header
from app.keys import Key
from app.keys import parse as parse_key
from app.mqtt_address import MqttAddress, parse_mqtt_address
from app.webhook_address import WebhookAddress, parse_secret, parse_webhook

OTB_PROBES = ("muovi", "muovi+", "sessantaquattro", "sessantaquattro+")
BACKENDS = ("tensorrt", "onnxruntime", "pytorch")  # of this machine
REMOTE = "remote"  # the backend that is a fleet
MAX_BATCH = 256  # windows of one request
MAX_CHANNELS = 1024  # of a source
MAX_RATE_HZ = 100_000  # of a source
MAX_DRAIN_S = 600
PROFILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class EmgMode(str, Enum):
    """Where samples come from."""

    DUMMY = "dummy"  # the simulator
    NINAPRO = "ninapro"  # a recording, played in real time
    REALTIME = "realtime"  # a serial amplifier
    PUSH = "push"  # clients send them
    LSL = "lsl"  # a Lab Streaming Layer stream
    BRAINFLOW = "brainflow"  # a board that BrainFlow knows
    MINDROVE = "mindrove"  # a MindRove armband, by its own SDK
    OTB = "otb"  # a probe of OT Bioelettronica


SECRETS = (
    "EMG_OIP_HEADER",
    "EMG_WEBHOOK",
    "EMG_WEBHOOK_SECRET",
)  # never shown, not even where they are wrong


class Variable(NamedTuple):
    """One environment variable. The tables of docs/settings.md are checked against these."""

    name: str
    field: str
    parse: Callable[[Env, str], Any]
    allowed: str

    def read(self, env: Env) -> Any:
        """Return the value.

        Raises:
            ConfigError: one line that names the variable, its value and what is allowed.
        """
        try:
            return self.parse(env, self.name)
        except (EnvError, ValueError):
            value = "***" if self.name in SECRETS else _masked(env.str(self.name))
            raise ConfigError(f"{self.name}={value!r} is not allowed: {self.allowed}") from None


def _masked(value: str) -> str:
    """Without the credentials of a URL, however it was mistyped: the line is for a log."""
    value = re.sub(r"(?is)^([a-z+]*://)?.*@", r"\1***@", value)  # to the last @: a password may have one
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", value)


def _positive_int(env: Env, name: str) -> int:
    value: int = env.int(name)
    if value < 1:
        raise ValueError
    return value


def _source_channels(env: Env, name: str) -> int:
    value = _positive_int(env, name)
    if value > MAX_CHANNELS:
        raise ValueError
    return value


def _source_rate(env: Env, name: str) -> float:
    value = _positive_float(env, name)
    if value > MAX_RATE_HZ:
        raise ValueError
    return value


def _positive_float(env: Env, name: str) -> float:
    value: float = env.float(name)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _drain(env: Env, name: str) -> float:
    value: float = env.float(name)
    if not 0 <= value <= MAX_DRAIN_S:
        raise ValueError
    return value


def _one_of(*choices: str) -> Callable[[Env, str], str]:
    def parse(env: Env, name: str) -> str:
        value: str = env.str(name).strip().lower()
        if value not in choices:
            raise ValueError
        return value

    return parse


def _matching(pattern: str) -> Callable[[Env, str], str]:
    def parse(env: Env, name: str) -> str:
        value: str = env.str(name).strip()
        if re.fullmatch(pattern, value) is None:
            raise ValueError
        return value

    return parse


def _mains(env: Env, name: str) -> float | None:
    value = _one_of("50", "60", "off")(env, name)
    return None if value == "off" else float(value)


def _speed(env: Env, name: str) -> float | None:
    return None if env.str(name).strip().lower() == "max" else _positive_float(env, name)


def _backends(env: Env, name: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower() for part in env.str(name).split(","))
    if not set(names) <= {REMOTE, *BACKENDS} or len(set(names)) != len(names):
        raise ValueError
    return names


def _redis_url(env: Env, name: str) -> str:
    value = _matching(r"(rediss?|unix)://.+")(env, name)
    _ = urlsplit(value).port  # raises ValueError, as the client of Redis would with a traceback
    return value


def _oip_url(env: Env, name: str) -> str:
    value: str = env.str(name).strip()
    parse_address(value)
    return value


def _header(env: Env, name: str) -> tuple[str, str]:
    return parse_header(env.str(name))


def _mqtt(env: Env, name: str) -> MqttAddress:
    return parse_mqtt_address(env.str(name))


def _webhook(env: Env, name: str) -> WebhookAddress:
    return parse_webhook(env.str(name))


def _webhook_secret(env: Env, name: str) -> bytes:
    return parse_secret(env.str(name))


def _host_port(env: Env, name: str) -> tuple[str, int]:
    host, _, port = env.str(name).strip().rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError
    return host.strip("[]"), int(port)


def _otb_bind(env: Env, name: str) -> tuple[str, int]:
    """An address, and a port where one is said; else 0: the probe's usual one."""
    value = env.str(name).strip()
    host, colon, port = value.rpartition(":") if value.count(":") == 1 or "]" in value else (value, "", "")
    if colon and not (port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError
    return str(ipaddress.ip_address(host.strip("[]"))), int(port or 0)


def _text(env: Env, name: str) -> str:
    return str(env.str(name)).strip()


def _path(env: Env, name: str) -> Path:
    try:
        return Path(env.str(name)).expanduser()
    except RuntimeError:  # ~name of a user whom this machine does not know
        raise ValueError from None


def _folder(env: Env, name: str) -> Path:
    """Return where that is, wherever a process goes to from here."""
    return _path(env, name).absolute()


def _channels(env: Env, name: str) -> str:
    value: str = env.str(name).strip()
    if re.fullmatch(r"\s*\d+(\s*-\s*\d+)?\s*(,\s*\d+(\s*-\s*\d+)?\s*)*", value) is None:
        raise ValueError
    return value


def _flag(env: Env, name: str) -> bool:
    return bool(env.bool(name))


def _keys(env: Env, name: str) -> tuple[Key, ...]:
    return tuple(parse_key(entry) for entry in env.str(name).split(",") if entry.strip())


def _rate(env: Env, name: str) -> str:
    """In the notation of `limits`."""
    value: str = env.str(name).strip().lower()
    if re.fullmatch(rf"{_ONE_RATE}(\s*[;,]\s*{_ONE_RATE})*", value) is None:
        raise ValueError
    return value


_ONE_RATE = r"[1-9]\d{0,8}\s*/\s*([1-9]\d{0,4}\s*)?(second|minute|hour|day)s?"


def _origins(env: Env, name: str) -> tuple[str, ...]:
    found = tuple(part.strip().rstrip("/").lower() for part in env.str(name).split(","))
    if not all(part == "*" or re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", part) for part in found):
        raise ValueError
    return found


def _proxies(env: Env, name: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in env.str(name).split(","))
    for part in found:
        if part != "unix":
            ipaddress.ip_network(part, strict=False)  # raises ValueError
    return found


def _batch(env: Env, name: str) -> int:
    value = _positive_int(env, name)
    if value > MAX_BATCH:
        raise ValueError
    return value


VARIABLES = (
    Variable(
        "EMG_MODE",
        "emg_mode",
        lambda env, name: EmgMode(env.str(name).strip().lower()),
        "dummy (the simulator), ninapro (a recording), realtime (a serial device), push (clients send samples), "
        "lsl, brainflow, mindrove or otb",
    ),
    Variable("EMG_RECORDING", "recording", _path, "a .mat or .npz file, or a folder of them"),
    Variable("EMG_SPEED", "speed", _speed, "a number above 0, 1 for real time, or max"),
    Variable("EMG_LOOP", "loop", _flag, "1 or 0"),
    Variable("EMG_FAULTS", "faults", _text, "faults such as gap@2000:50,flat@4000:ch3"),
    Variable("EMG_PORT", "port", _text, "a serial port, such as /dev/ttyUSB0 or COM3"),
    Variable("EMG_BAUD", "baud", _positive_int, "a baud rate, such as 921600"),
    Variable("EMG_FORMAT", "format", _one_of("csv", "binary"), "csv or binary"),
    Variable(
        "EMG_USB",
        "usb",
        _matching(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.{1,64})?"),
        "vendor:product in four hexadecimal digits each, and :serial-number where needed, such as 2341:0043",
    ),
    Variable("EMG_SCALE", "scale", _positive_float, "the model's units for one count of the device, above 0"),
    Variable(
        "EMG_LSL",
        "lsl",
        _matching(r"(name|type|source_id)=.{1,200}"),
        "name=..., type=... or source_id=... of a stream",
    ),
    Variable("EMG_BOARD", "board", _text, "a BrainFlow board's name or number, such as synthetic"),
    Variable(
        "EMG_BOARD_PARAMS",
        "board_params",
        _text,
        "name=value, separated by commas, such as ip_address=192.168.4.1,ip_port=6677",
    ),
    Variable("EMG_LSL_AUX", "lsl_aux", _text, "streams such as type=ACC, separated by commas"),
    Variable("EMG_OTB", "otb", _one_of(*OTB_PROBES), f"{', '.join(OTB_PROBES[:-1])} or {OTB_PROBES[-1]}"),
    Variable(
        "EMG_OTB_PARAMS",
        "otb_params",
        _text,
        "name=value, separated by commas, such as channels=32,rate=1000",
    ),
    Variable("EMG_OTB_BIND", "otb_bind", _otb_bind, "an address, or address:port, such as 0.0.0.0"),
    Variable("EMG_LSL_OUTLET", "lsl_outlet", _flag, "1 or 0"),
    Variable("EMG_UDP", "udp", _host_port, "host:port, such as 127.0.0.1:12346"),
    Variable("EMG_OSC", "osc", _host_port, "host:port, such as 127.0.0.1:9000"),
    Variable(
        "EMG_MQTT",
        "mqtt",
        _mqtt,
        "mqtt://host:port/topic, mqtts:// with TLS, with user:password@ before the host where the broker asks",
    ),
    Variable("EMG_UDP_JSON", "udp_json", _host_port, "host:port, such as 127.0.0.1:12347"),
    Variable(
        "EMG_WEBHOOK",
        "webhook",
        _webhook,
        "the URL that events are posted to, such as https://example.org/emg, without user and fragment",
    ),
    Variable(
        "EMG_WEBHOOK_SECRET",
        "webhook_secret",
        _webhook_secret,
        "whsec_ and 24 to 64 random bytes in base64, the receiver's and ours alone",
    ),
    Variable("EMG_WEBHOOK_PRIVATE", "webhook_private", _flag, "1 or 0"),
    Variable("EMG_KEYBOARD", "keyboard", _flag, "1 or 0"),
    Variable("EMG_GAMEPAD", "gamepad", _flag, "1 or 0"),
    Variable("EMG_MAX_SOURCES", "max_sources", _positive_int, "a whole number above 0"),
    Variable("EMG_SOURCE_IDLE", "source_idle_s", _positive_float, "seconds above 0"),
    Variable("EMG_MODEL", "model", lambda env, name: env.str(name), "a model's name or path, or none"),
    Variable("EMG_CHANNELS", "montage", _channels, "channels counted from 1, such as 1-8 or 3,1,2"),
    Variable(
        "EMG_PROFILE",
        "profile",
        _matching(PROFILE_NAME),
        "a profile's name: letters, digits, '.', '_' and '-'",
    ),
    Variable("EMG_WIN", "window", _positive_int, "a whole number of samples above 0"),
    Variable("EMG_CH", "channels", _source_channels, f"a whole number of channels from 1 to {MAX_CHANNELS}"),
    Variable(
        "EMG_FS", "sampling_rate", _source_rate, f"a sampling rate in Hz above 0, at most {MAX_RATE_HZ}"
    ),
    Variable("EMG_MAINS", "mains_hz", _mains, "50, 60 or off"),
    Variable(
        "EMG_BACKENDS", "backends", _backends, f"a comma-separated choice of {', '.join((REMOTE, *BACKENDS))}"
    ),
    Variable("EMG_PRECISION", "onnx_precision", _one_of("int8", "fp16", "fp32"), "int8, fp16 or fp32"),
    Variable(
        "EMG_OIP_URL",
        "oip_url",
        _oip_url,
        "the address of a server of the Open Inference Protocol, such as http://triton:8000, without user and query",
    ),
    Variable("EMG_OIP_TIMEOUT", "oip_timeout_s", _positive_float, "seconds above 0, such as 0.05"),
    Variable("EMG_OIP_HEADER", "oip_header", _header, "a header, such as Authorization: Bearer ..."),
    Variable("EMG_MAX_MODELS", "max_models", _positive_int, "a whole number above 0"),
    Variable("TENSORRT_ENGINE", "tensorrt_engine", _path, "the path of a plan, made by `flask engine build`"),
    Variable("EMG_MAX_STREAMS", "max_streams", _positive_int, "a whole number above 0"),
    Variable("EMG_MAX_FPS", "max_fps", _positive_float, "frames a second above 0"),
    Variable("EMG_MAX_GROUPS", "max_groups", _positive_int, "a whole number above 0"),
    Variable("EMG_MAX_BODY", "max_body", _positive_int, "a whole number of bytes above 0"),
    Variable("EMG_BODY_BUDGET", "body_budget", _positive_int, "a whole number of MiB above 0"),
    Variable("EMG_MAX_BATCH", "max_batch", _batch, f"a whole number of windows from 1 to {MAX_BATCH}"),
    Variable("EMG_MAX_STREAMS_PER_KEY", "max_streams_per_key", _positive_int, "a whole number above 0"),
    Variable("EMG_MAX_DURATION", "max_duration_s", _positive_float, "seconds above 0"),
    Variable(
        "EMG_RATE_LIMIT",
        "rate_limit",
        _rate,
        "requests a second, minute, hour or day, such as 100/minute or 10/second;1000/hour",
    ),
    Variable(
        "EMG_REDIS_URL",
        "redis_url",
        _redis_url,
        "a URL such as redis://127.0.0.1:6379/0, with / and @ in a password as %2F and %40",
    ),
    Variable("EMG_MAX_EXPORTS", "max_exports", _positive_int, "a whole number above 0"),
    Variable("EMG_MAX_EXPORTS_PER_KEY", "max_exports_per_key", _positive_int, "a whole number above 0"),
    Variable("EMG_BODY_TIMEOUT", "body_timeout_s", _positive_float, "seconds above 0"),
    Variable("EMG_SEND_TIMEOUT", "send_timeout_s", _positive_float, "seconds above 0"),
    Variable("EMG_API_KEYS", "api_keys", _keys, "name:scopes:hash, separated by commas"),
    Variable("EMG_API_KEYS_FILE", "api_keys_file", _path, "a file with a name:scopes:hash a line"),
    Variable("EMG_CORS_ORIGINS", "cors_origins", _origins, "origins such as https://lab.example:8443, or *"),
    Variable(
        "EMG_TRUSTED_PROXIES", "trusted_proxies", _proxies, "addresses, networks such as 10.0.0.0/8, or unix"
    ),
    Variable("EMG_TLS_CERT", "tls_cert", _path, "a PEM file: the certificate and its chain"),
    Variable("EMG_TLS_KEY", "tls_key", _path, "a PEM file: the certificate's private key"),
    Variable(
        "EMG_LOG_LEVEL",
        "log_level",
        _one_of("debug", "info", "warning", "error"),
        "debug, info, warning or error",
    ),
    Variable("EMG_LOG_FORMAT", "log_format", _one_of("auto", "json", "text"), "auto, json or text"),
    Variable("EMG_ENGINE_TIMEOUT", "engine_timeout_s", _positive_float, "seconds above 0"),
    Variable("EMG_DRAIN", "drain_s", _drain, f"seconds from 0 to {MAX_DRAIN_S}"),
    Variable("EMG_BIND", "bind", _text, "host:port"),
    Variable("EMG_ALLOW_ANONYMOUS", "allow_anonymous", _flag, "1 or 0"),
    Variable("EMG_INSTANCE", "instance", _folder, "the path of a folder"),
    Variable(
        "WEB_CONCURRENCY",
        "workers",
        _positive_int,
        "a whole number above 0",
    ),
)
