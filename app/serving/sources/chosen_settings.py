"""Which source somebody chooses while the server runs: EMG_* settings, as a device of `/emg/devices` has them."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

from app.config import NO_MODEL, VARIABLES, EmgMode, Settings
from app.errors import ConfigError

NAMES = (
    "EMG_MODE",
    *("EMG_PORT", "EMG_BAUD", "EMG_FORMAT", "EMG_USB", "EMG_SCALE", "EMG_CH", "EMG_FS", "EMG_CHANNELS"),
    *("EMG_LSL", "EMG_LSL_AUX", "EMG_BOARD", "EMG_BOARD_PARAMS", "EMG_OTB", "EMG_OTB_PARAMS"),
    *("EMG_RECORDING", "EMG_SPEED", "EMG_LOOP", "EMG_MODEL"),
)
STAYS = ("EMG_MODEL",)  # unless it is said
PORT = re.compile(r"/dev/(?!.*\.\.)[A-Za-z0-9._/-]{1,64}|COM[0-9]{1,3}")  # and nothing outside of /dev
MAX_CHARACTERS = 200


class _Said:
    """Stands where the environment does, with one value."""

    def __init__(self, value: str) -> None:
        self._value = value.strip()

    def str(self, _name: object) -> object:
        return self._value

    def int(self, _name: object) -> object:
        return builtins.int(self._value)

    def float(self, _name: object) -> object:
        return builtins.float(self._value)

    def bool(self, _name: object) -> object:
        if self._value.lower() not in ("0", "1"):
            raise ValueError
        return self._value == "1"


def with_choice(settings: Settings, said: Mapping[str, str]) -> Settings:
    """Return the settings with another source; what is not said of it is as if nothing had been set.

    Raises:
        ConfigError: one of them may not be chosen like that, is wrong, or contradicts another.
    """
    if not said:
        return settings
    for name, value in said.items():
        _expect_allowed(settings, name, value)
    known = {variable.name: variable for variable in VARIABLES}
    default = {field.name: field.default for field in fields(Settings)}
    forgotten = {known[name].field: default[known[name].field] for name in NAMES if name not in STAYS}
    chosen: dict[str, Any] = {
        known[name].field: known[name].read(cast(Any, _Said(value))) for name, value in said.items()
    }
    return replace(settings, **{**forgotten, **chosen, **_recording(settings, said)})


def said_of(settings: Settings) -> dict[str, str]:
    """Return the settings of the source now, so far as they differ from their defaults, as `with_choice` takes them."""
    default = {field.name: field.default for field in fields(Settings)}
    known = {variable.name: variable.field for variable in VARIABLES}
    found = {name: getattr(settings, known[name]) for name in NAMES}
    changed = {name: value for name, value in found.items() if value != default[known[name]]}
    return {
        "EMG_MODE": settings.emg_mode.value,
        **{n: _text(v) for n, v in changed.items() if n != "EMG_MODE"},
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "max" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def _expect_allowed(settings: Settings, name: str, value: str) -> None:
    """See that a caller may choose that: nobody reads the server's files, or has it connect, by this way."""
    if name not in NAMES:
        raise ConfigError(f"{name} is no setting of a source; those are {', '.join(NAMES)}")
    if len(value) > MAX_CHARACTERS or not value.isprintable() or not value.strip():
        raise ConfigError(f"{name} must be a printable text of 1 to {MAX_CHARACTERS} characters")
    if name == "EMG_PORT" and PORT.fullmatch(value) is None:
        raise ConfigError(f"EMG_PORT={value} is no serial port of this machine; see GET /emg/devices")
    if name == "EMG_MODE" and value == EmgMode.PUSH.value:
        raise ConfigError("EMG_MODE=push is chosen at the start: there clients bring their sources")
    if name == "EMG_MODEL" and value not in (NO_MODEL, settings.model):
        raise ConfigError(
            f"EMG_MODEL={value} cannot be chosen here; only {NO_MODEL}, for a source without one"
        )
    if name == "EMG_BOARD_PARAMS" and re.search(r"(^|,)\s*(file|other_info)", value):
        raise ConfigError("EMG_BOARD_PARAMS: files are named where the server is started")


def _recording(settings: Settings, said: Mapping[str, str]) -> dict[str, Path]:
    """Return where a recording lies that is named as in `/recordings`, or as the server was started with."""
    name = said.get("EMG_RECORDING")
    if name is None:
        return {}
    if settings.recording is not None and name == str(settings.recording):
        return {"recording": settings.recording}
    raise ConfigError(
        f"EMG_RECORDING={name} cannot be chosen here: a file is named where the server is started"
    )
