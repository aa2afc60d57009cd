"""The environment variables: each one's name, its parser, and what is allowed."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

from environs import Env, EnvError

from app import variable_parsers as parsers
from app.errors import ConfigError
from app.variable_parsers import Parser

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
    parse: Parser
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


VARIABLES = (
    Variable(
        "EMG_MODE",
        "emg_mode",
        lambda env, name: EmgMode(env.str(name).strip().lower()),
        "dummy (the simulator), ninapro (a recording), realtime (a serial device), push (clients send samples), "
        "lsl, brainflow, mindrove or otb",
    ),
    Variable(
        "EMG_RECORDING",
        "recording",
        parsers.path,
        "a file or folder, or the name of one in instance/recordings",
    ),
    Variable("EMG_SPEED", "speed", parsers.speed, "a number above 0, 1 for real time, or max"),
    Variable("EMG_LOOP", "loop", parsers.flag, "1 or 0"),
    Variable("EMG_FAULTS", "faults", parsers.text, "faults such as gap@2000:50,flat@4000:ch3"),
    Variable("EMG_PORT", "port", parsers.text, "a serial port, such as /dev/ttyUSB0 or COM3"),
    Variable("EMG_BAUD", "baud", parsers.positive_int, "a baud rate, such as 921600"),
    Variable("EMG_FORMAT", "format", parsers.one_of("csv", "binary"), "csv or binary"),
    Variable(
        "EMG_USB",
        "usb",
        parsers.matching(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.{1,64})?"),
        "vendor:product in four hexadecimal digits each, and :serial-number where needed, such as 2341:0043",
    ),
    Variable(
        "EMG_SCALE", "scale", parsers.positive_float, "the model's units for one count of the device, above 0"
    ),
    Variable(
        "EMG_LSL",
        "lsl",
        parsers.matching(r"(name|type|source_id)=.{1,200}"),
        "name=..., type=... or source_id=... of a stream",
    ),
    Variable("EMG_BOARD", "board", parsers.text, "a BrainFlow board's name or number, such as synthetic"),
    Variable(
        "EMG_BOARD_PARAMS",
        "board_params",
        parsers.text,
        "name=value, separated by commas, such as ip_address=192.168.4.1,ip_port=6677",
    ),
    Variable("EMG_LSL_AUX", "lsl_aux", parsers.text, "streams such as type=ACC, separated by commas"),
    Variable(
        "EMG_OTB", "otb", parsers.one_of(*OTB_PROBES), f"{', '.join(OTB_PROBES[:-1])} or {OTB_PROBES[-1]}"
    ),
    Variable(
        "EMG_OTB_PARAMS",
        "otb_params",
        parsers.text,
        "name=value, separated by commas, such as channels=32,rate=1000",
    ),
    Variable("EMG_OTB_BIND", "otb_bind", parsers.otb_bind, "an address, or address:port, such as 0.0.0.0"),
    Variable("EMG_LSL_OUTLET", "lsl_outlet", parsers.flag, "1 or 0"),
    Variable("EMG_UDP", "udp", parsers.host_port, "host:port, such as 127.0.0.1:12346"),
    Variable("EMG_OSC", "osc", parsers.host_port, "host:port, such as 127.0.0.1:9000"),
    Variable(
        "EMG_MQTT",
        "mqtt",
        parsers.mqtt,
        "mqtt://host:port/topic, mqtts:// with TLS, with user:password@ before the host where the broker asks",
    ),
    Variable("EMG_UDP_JSON", "udp_json", parsers.host_port, "host:port, such as 127.0.0.1:12347"),
    Variable(
        "EMG_WEBHOOK",
        "webhook",
        parsers.webhook,
        "the URL that events are posted to, such as https://example.org/emg, without user and fragment",
    ),
    Variable(
        "EMG_WEBHOOK_SECRET",
        "webhook_secret",
        parsers.webhook_secret,
        "whsec_ and 24 to 64 random bytes in base64, the receiver's and ours alone",
    ),
    Variable("EMG_WEBHOOK_PRIVATE", "webhook_private", parsers.flag, "1 or 0"),
    Variable("EMG_KEYBOARD", "keyboard", parsers.flag, "1 or 0"),
    Variable("EMG_GAMEPAD", "gamepad", parsers.flag, "1 or 0"),
    Variable("EMG_MAX_SOURCES", "max_sources", parsers.positive_int, "a whole number above 0"),
    Variable("EMG_SOURCE_IDLE", "source_idle_s", parsers.positive_float, "seconds above 0"),
    Variable("EMG_MODEL", "model", lambda env, name: env.str(name), "a model's name or path, or none"),
    Variable(
        "EMG_CHANNELS", "montage", parsers.channel_list, "channels counted from 1, such as 1-8 or 3,1,2"
    ),
    Variable(
        "EMG_PROFILE",
        "profile",
        parsers.matching(PROFILE_NAME),
        "a profile's name: letters, digits, '.', '_' and '-'",
    ),
    Variable("EMG_WIN", "window", parsers.positive_int, "a whole number of samples above 0"),
    Variable(
        "EMG_CH",
        "channels",
        parsers.at_most(MAX_CHANNELS, parsers.positive_int),
        f"a whole number of channels from 1 to {MAX_CHANNELS}",
    ),
    Variable(
        "EMG_FS",
        "sampling_rate",
        parsers.at_most(MAX_RATE_HZ, parsers.positive_float),
        f"a sampling rate in Hz above 0, at most {MAX_RATE_HZ}",
    ),
    Variable("EMG_MAINS", "mains_hz", parsers.mains_hz, "50, 60 or off"),
    Variable(
        "EMG_BACKENDS",
        "backends",
        parsers.several_of(REMOTE, *BACKENDS),
        f"a comma-separated choice of {', '.join((REMOTE, *BACKENDS))}",
    ),
    Variable("EMG_PRECISION", "onnx_precision", parsers.one_of("int8", "fp16", "fp32"), "int8, fp16 or fp32"),
    Variable(
        "EMG_OIP_URL",
        "oip_url",
        parsers.oip_url,
        "the address of a server of the Open Inference Protocol, such as http://triton:8000, without user and query",
    ),
    Variable("EMG_OIP_TIMEOUT", "oip_timeout_s", parsers.positive_float, "seconds above 0, such as 0.05"),
    Variable("EMG_OIP_HEADER", "oip_header", parsers.header, "a header, such as Authorization: Bearer ..."),
    Variable("EMG_MAX_MODELS", "max_models", parsers.positive_int, "a whole number above 0"),
    Variable(
        "TENSORRT_ENGINE", "tensorrt_engine", parsers.path, "the path of a plan, made by `flask engine build`"
    ),
    Variable("EMG_MAX_STREAMS", "max_streams", parsers.positive_int, "a whole number above 0"),
    Variable("EMG_MAX_FPS", "max_fps", parsers.positive_float, "frames a second above 0"),
    Variable("EMG_MAX_GROUPS", "max_groups", parsers.positive_int, "a whole number above 0"),
    Variable("EMG_MAX_BODY", "max_body", parsers.positive_int, "a whole number of bytes above 0"),
    Variable("EMG_BODY_BUDGET", "body_budget", parsers.positive_int, "a whole number of MiB above 0"),
    Variable(
        "EMG_MAX_BATCH",
        "max_batch",
        parsers.at_most(MAX_BATCH, parsers.positive_int),
        f"a whole number of windows from 1 to {MAX_BATCH}",
    ),
    Variable(
        "EMG_MAX_STREAMS_PER_KEY", "max_streams_per_key", parsers.positive_int, "a whole number above 0"
    ),
    Variable("EMG_MAX_DURATION", "max_duration_s", parsers.positive_float, "seconds above 0"),
    Variable(
        "EMG_RATE_LIMIT",
        "rate_limit",
        parsers.rate_limit,
        "requests a second, minute, hour or day, such as 100/minute or 10/second;1000/hour",
    ),
    Variable(
        "EMG_REDIS_URL",
        "redis_url",
        parsers.redis_url,
        "a URL such as redis://127.0.0.1:6379/0, with / and @ in a password as %2F and %40",
    ),
    Variable("EMG_MAX_EXPORTS", "max_exports", parsers.positive_int, "a whole number above 0"),
    Variable(
        "EMG_MAX_EXPORTS_PER_KEY", "max_exports_per_key", parsers.positive_int, "a whole number above 0"
    ),
    Variable("EMG_BODY_TIMEOUT", "body_timeout_s", parsers.positive_float, "seconds above 0"),
    Variable("EMG_SEND_TIMEOUT", "send_timeout_s", parsers.positive_float, "seconds above 0"),
    Variable("EMG_API_KEYS", "api_keys", parsers.api_keys, "name:scopes:hash, separated by commas"),
    Variable("EMG_API_KEYS_FILE", "api_keys_file", parsers.path, "a file with a name:scopes:hash a line"),
    Variable(
        "EMG_CORS_ORIGINS", "cors_origins", parsers.origins, "origins such as https://lab.example:8443, or *"
    ),
    Variable(
        "EMG_TRUSTED_PROXIES",
        "trusted_proxies",
        parsers.proxies,
        "addresses, networks such as 10.0.0.0/8, or unix",
    ),
    Variable("EMG_TLS_CERT", "tls_cert", parsers.path, "a PEM file: the certificate and its chain"),
    Variable("EMG_TLS_KEY", "tls_key", parsers.path, "a PEM file: the certificate's private key"),
    Variable(
        "EMG_LOG_LEVEL",
        "log_level",
        parsers.one_of("debug", "info", "warning", "error"),
        "debug, info, warning or error",
    ),
    Variable("EMG_LOG_FORMAT", "log_format", parsers.one_of("auto", "json", "text"), "auto, json or text"),
    Variable("EMG_ENGINE_TIMEOUT", "engine_timeout_s", parsers.positive_float, "seconds above 0"),
    Variable(
        "EMG_DRAIN",
        "drain_s",
        parsers.at_most(MAX_DRAIN_S, parsers.not_negative),
        f"seconds from 0 to {MAX_DRAIN_S}",
    ),
    Variable("EMG_BIND", "bind", parsers.text, "host:port"),
    Variable("EMG_ALLOW_ANONYMOUS", "allow_anonymous", parsers.flag, "1 or 0"),
    Variable("EMG_INSTANCE", "instance", parsers.folder, "the path of a folder"),
    Variable(
        "WEB_CONCURRENCY",
        "workers",
        parsers.positive_int,
        "a whole number above 0",
    ),
)
