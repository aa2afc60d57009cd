"""What an operator can choose: one frozen object, and the only reader of the environment and `.env`."""

from __future__ import annotations

import difflib
import ipaddress
import os
import ssl
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from environs import Env

from app import private_files
from app.dotenv_file import names_in
from app.errors import ConfigError
from app.keys import Key, Keyring, read_file
from app.mqtt_address import MqttAddress
from app.variables import BACKENDS, REMOTE, VARIABLES, EmgMode
from app.webhook_address import WebhookAddress

__all__ = ["BACKENDS", "REMOTE", "VARIABLES", "EmgMode", "Settings", "expect_alone", "refuse_open_door"]

ROOT = Path(__file__).resolve().parent.parent
DOTENV = ROOT / ".env"
OWN_INSTANCE = ROOT / "instance"  # beside the code
SHIPPED_MODELS = (
    OWN_INSTANCE / "models"
)  # come with the code; only read where EMG_INSTANCE names another folder
DEFAULT_MODEL = "synthetic-16ch-2khz"  # where nobody names one, and the source does not say otherwise
NO_MODEL = "none"
OF_BOARDS = (EmgMode.BRAINFLOW, EmgMode.MINDROVE)
ALSO_FOR = {"EMG_PORT": OF_BOARDS, "EMG_BOARD": (EmgMode.MINDROVE,)}  # besides the mode that needs it
OF_CLIENTS = ("EMG_API_KEY",)  # of our own clients, which may run in the same shell


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose. Read once, at start. None means: the model's own value."""

    emg_mode: EmgMode = EmgMode.DUMMY
    recording: Path | None = None  # file or folder, for EMG_MODE=ninapro
    speed: float | None = 1.0  # of the recording: times real time; None: as fast as possible
    loop: bool = True  # the recording begins again after its end
    faults: str = ""  # put into whatever the source delivers, for demos; see app/emg/simulated/faults.py
    port: str | None = None  # serial, for EMG_MODE=realtime; also for the BrainFlow boards that need one
    baud: int | None = None  # None: 921600 for binary, 115200 for csv
    format: str = "binary"
    usb: str | None = None  # vendor:product[:serial]: finds the device again under another name
    scale: float = 1.0  # the model's units for one count of the device
    lsl: str | None = None  # name=..., type=... or source_id=...
    board: str | None = None  # BrainFlow's name or number, or MindRove's
    board_params: str = ""  # what the board needs besides, as name=value,name=value
    otb: str | None = None  # which probe
    otb_params: str = ""  # what it is asked for, as name=value,name=value
    otb_bind: tuple[str, int] = ("127.0.0.1", 0)  # where it dials in; port 0: its usual one
    lsl_aux: str = ""  # streams beside it, such as type=ACC,name=trigger
    lsl_outlet: bool = False
    udp: tuple[str, int] | None = None  # where every frame is sent as a line of text
    osc: tuple[str, int] | None = None  # where gestures are sent as OSC messages
    mqtt: MqttAddress | None = None  # the broker at which they are published
    udp_json: tuple[str, int] | None = None  # where they are sent as JSON
    webhook: WebhookAddress | None = None  # where they are posted
    webhook_secret: bytes | None = field(default=None, repr=False)  # that signs what is posted
    webhook_private: bool = False  # the webhook may be in a network of our own
    keyboard: bool = False  # gestures are keys of this machine
    gamepad: bool = False  # or buttons and axes of a gamepad
    max_sources: int = 32  # for EMG_MODE=push
    source_idle_s: float = 30.0  # a pushed source that says nothing for so long has ended
    model: str | None = None  # a name in instance/models, a path, or NO_MODEL; None: what fits
    montage: str | None = None  # which of the source's channels the model reads, such as 1-8
    profile: str | None = None  # of the person at the server's own source
    window: int | None = None  # samples
    channels: int | None = None
    sampling_rate: float | None = None  # Hz
    mains_hz: float | None = 50.0  # None: no notch
    backends: tuple[str, ...] = ("tensorrt", "onnxruntime", "pytorch")  # best first
    onnx_precision: str | None = None  # of ONNX Runtime's graph; None: int8 where the model has it
    oip_url: str | None = None  # of the fleet that the backend `remote` asks
    oip_timeout_s: float = 0.05  # of one call of it
    oip_header: tuple[str, str] | None = None  # that goes with each
    max_models: int = 32  # open at a time, in one worker
    tensorrt_engine: Path | None = None  # a plan; None: the model's own in instance/engines
    max_streams: int = 1600  # 0.8 of gunicorn's worker_connections, so that /health always gets through
    max_fps: float = 250.0  # frames a second of one stream
    max_groups: int = 64  # of streams that share their frames, in one worker
    max_body: int = 32 * 2**20  # bytes
    body_budget: int = 128  # MiB that all bodies of a worker may hold together
    max_batch: int = 256  # windows of one request
    max_streams_per_key: int | None = None  # of one key, or of one address without keys
    max_duration_s: float | None = None  # of one stream
    max_exports: int = 8  # recordings taken home at a time
    max_exports_per_key: int = 4  # of one key, or of one address without keys
    body_timeout_s: float = 10.0  # for each 64 KiB of a body
    drain_s: float = 0.0  # from SIGTERM until new requests are refused
    send_timeout_s: float = 10.0  # for each 64 KiB of an answer
    rate_limit: str | None = None  # requests of one key or address, such as 100/minute
    redis_url: str | None = None  # where rates and tickets are counted for several machines
    api_keys: tuple[Key, ...] = ()
    api_keys_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-* is believed
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: str = "info"
    log_format: str = "auto"  # text where somebody looks at a terminal, else json
    engine_timeout_s: float = 5.0  # a call of the engine that takes longer hangs: the worker is replaced
    bind: str = "127.0.0.1:8000"
    allow_anonymous: bool = False
    workers: int = 1
    instance: Path = OWN_INSTANCE  # where models, profiles, recordings, engines and state lie

    def __post_init__(self) -> None:
        self.expect_closed_door([self.bind])
        if self.trusted_proxies and not self.tells_who_may_enter:
            raise ConfigError(
                f"EMG_TRUSTED_PROXIES={','.join(self.trusted_proxies)} lets anyone whom the proxy lets in use this "
                "server without a key: set EMG_API_KEYS_FILE, to which `flask --app wsgi keys new NAME` adds a key, "
                "or EMG_API_KEYS, or EMG_ALLOW_ANONYMOUS=1 to accept that"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "EMG_TLS_KEY" if self.tls_key is None else "EMG_TLS_CERT"
            raise ConfigError(f"{missing} is empty: TLS needs both EMG_TLS_CERT and EMG_TLS_KEY")
        if self.max_body > self.body_budget * 2**20:
            raise ConfigError(
                f"EMG_MAX_BODY={self.max_body} is more than EMG_BODY_BUDGET={self.body_budget} MiB: the largest body "
                "must fit into what all bodies may hold together"
            )
        self._expect_fleet()
        if (self.webhook is None) != (self.webhook_secret is None):
            missing = "EMG_WEBHOOK" if self.webhook is None else "EMG_WEBHOOK_SECRET"
            raise ConfigError(
                f"{missing} is empty: a webhook needs EMG_WEBHOOK and EMG_WEBHOOK_SECRET, by which the receiver "
                "tells our events from somebody else's"
            )
        Keyring(self.api_keys)  # refuses two of one name
        if self.profile is not None and self.emg_mode is EmgMode.PUSH:
            raise ConfigError(
                f"EMG_PROFILE={self.profile} is of the server's own source, and with EMG_MODE=push there is none: "
                "clients bring theirs"
            )
        for name, value, mode, what in (
            ("EMG_RECORDING", self.recording, EmgMode.NINAPRO, "a .mat or .npz file, or a folder of them"),
            ("EMG_LSL", self.lsl, EmgMode.LSL, "a stream, such as type=EMG"),
            ("EMG_BOARD", self.board, EmgMode.BRAINFLOW, "a board, such as synthetic"),
            ("EMG_OTB", self.otb, EmgMode.OTB, "a probe, such as muovi"),
            ("EMG_PORT", self.port or self.usb, EmgMode.REALTIME, "a serial port, such as /dev/ttyUSB0"),
        ):
            _expect_for_mode(name, value, mode, what, self.emg_mode)
        for name, text, modes in (
            ("EMG_LSL_AUX", self.lsl_aux, (EmgMode.LSL,)),
            ("EMG_BOARD_PARAMS", self.board_params, OF_BOARDS),
            ("EMG_OTB_PARAMS", self.otb_params, (EmgMode.OTB,)),
        ):
            if text and self.emg_mode not in modes:
                names = " or ".join(mode.value for mode in modes)
                raise ConfigError(
                    f"{name}={text} is for EMG_MODE={names} only, but EMG_MODE is {self.emg_mode.value}"
                )

    def _expect_fleet(self) -> None:
        """See that there is a fleet where one is to be asked, and that it is asked where there is one."""
        asked = REMOTE in self.backends
        if asked and self.oip_url is None:
            raise ConfigError(
                "EMG_BACKENDS names remote, and EMG_OIP_URL is empty: name the fleet, such as http://triton:8000, "
                "or leave remote out"
            )
        for name, value in (
            ("EMG_OIP_URL", self.oip_url),
            ("EMG_OIP_HEADER", self.oip_header),
        ):
            if value is not None and not asked:
                raise ConfigError(
                    f"{name} is set, and EMG_BACKENDS={','.join(self.backends)} does not ask the fleet: put remote "
                    "into it, such as EMG_BACKENDS=remote,onnxruntime"
                )

    @property
    def asks_for_keys(self) -> bool:
        """Whether a request needs a key. With a file it does, whatever is in it."""
        return bool(self.api_keys) or self.api_keys_file is not None

    @property
    def tells_who_may_enter(self) -> bool:
        """Whether others than this machine may come: those who have a key, or by an explicit yes everybody."""
        return self.allow_anonymous or self.asks_for_keys

    def expect_closed_door(self, addresses: Iterable[str]) -> None:
        """See that nobody gets in without a key at one of the addresses: those really bound may not be `bind`.

        Raises:
            ConfigError: one of them is wider than this machine.
        """
        for address in addresses:
            refuse_open_door(address, self.tells_who_may_enter)

    def expect_keys(self) -> None:
        """See, before a server starts, that there is a key for it.

        Raises:
            ConfigError: the file cannot be read, or there is no key at all.
        """
        if (
            self.api_keys_file is not None
            and not Keyring((*self.api_keys, *read_file(self.api_keys_file))).keys
        ):
            raise ConfigError(
                f"EMG_API_KEYS_FILE={self.api_keys_file} has no key, so nobody could get in: "
                "`flask --app wsgi keys new NAME` adds one"
            )

    def expect_certificate(self) -> None:
        """See, before a server starts, that TLS would take its certificate.

        Raises:
            ConfigError: one of the two files cannot be read, or they do not belong together.
        """
        if self.tls_cert is None:
            return
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"EMG_TLS_CERT={self.tls_cert} and EMG_TLS_KEY={self.tls_key} cannot be used: {error}"
            ) from None

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Return where models are looked for: first where they are written, then what came with the code."""
        own = self.instance / "models"
        return (own,) if _same_place(own, SHIPPED_MODELS) else (own, SHIPPED_MODELS)

    def expect_instance(self) -> list[Path]:
        """Make the folder that EMG_INSTANCE names, for this user alone; return those that were made.

        That beside the code may be read-only: what is written there then says so.

        Raises:
            ConfigError: it cannot be made, is no folder, or may not be written.
        """
        if self.instance == OWN_INSTANCE:
            return []
        try:
            missing = [one for one in (self.instance, *self.instance.parents) if not one.exists()]
            private_files.make_folder(self.instance)
        except OSError as error:
            what = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
            raise ConfigError(f"EMG_INSTANCE={self.instance} cannot be made: {what}") from None
        if not os.access(self.instance, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(
                f"EMG_INSTANCE={self.instance} cannot be written by this user, as what lies there must be"
            )
        return missing

    @classmethod
    def from_env(cls, dotenv: Path | None = DOTENV) -> Settings:
        """Read the environment, and `.env` for what the environment does not say. Empty means unset.

        Raises:
            ConfigError: one line that names the variable, its value and what is allowed; or an EMG_* name that is
                no setting, since what it was meant to do would silently not be done.
        """
        env = Env()
        _expect_known(name for name in os.environ if name not in OF_CLIENTS)
        if dotenv is not None:
            _expect_known(names_in(dotenv))
            env.read_env(str(dotenv), recurse=False)
        chosen = {v.field: v.read(env) for v in VARIABLES if env.str(v.name, "").strip()}
        return cls(**chosen)


def _expect_for_mode(name: str, value: object, mode: EmgMode, what: str, chosen: EmgMode) -> None:
    """See that a setting is there for the mode that needs it, and for no mode that would ignore it."""
    if chosen is mode and value is None:
        raise ConfigError(f"{name} is empty, but EMG_MODE={mode.value} needs it: name {what}")
    takers = (mode, *ALSO_FOR.get(name, ()))
    if value is not None and chosen not in takers:
        raise ConfigError(f"{name}={value} is for EMG_MODE={mode.value} only, but EMG_MODE is {chosen.value}")


def _expect_known(names: Iterable[str]) -> None:
    """See that every name that begins as our settings do is one, in capitals."""
    known = [variable.name for variable in VARIABLES]
    for name in sorted(set(names) - set(known)):
        if name.upper().startswith("EMG_"):
            near = difflib.get_close_matches(name.upper(), known, n=1)
            meant = f"did you mean {near[0]}?" if near else "see docs/settings.md"
            raise ConfigError(f"{name} is not a setting; {meant}")


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
            "bind to 127.0.0.1, set EMG_API_KEYS or EMG_API_KEYS_FILE, or EMG_ALLOW_ANONYMOUS=1 to accept that"
        )


def expect_alone(workers: int) -> None:
    """Raise ConfigError where sources cannot be shared by several workers."""
    if workers > 1 and not sys.platform.startswith("linux"):
        raise ConfigError(f"WEB_CONCURRENCY={workers}: workers share a source on Linux only; use 1 here")


def _same_place(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:  # one of them is not there
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
