"""EMG_BOARD_PARAMS: what a board needs besides its name, as name=value,name=value."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

from app.emg.brainflow.board_names import board_id
from app.emg.brainflow.sdk import Sdk
from app.errors import ConfigError

Parameters = Mapping[str, int | str]

_NAME = re.compile(r"(?:^|,)\s*([A-Za-z_]+)\s*=")  # a comma that no name follows belongs to the value


def parse(text: str, sdk: Sdk) -> Parameters:
    """Return the parameters by name, those of whole numbers as such; empty where nothing is said.

    Raises:
        ConfigError: one that there is not, that is said twice, or whose value cannot be.
    """
    known = vars(sdk.parameters())
    found: dict[str, int | str] = {}
    if not text.strip():
        return found
    names = list(_NAME.finditer(text))
    if not names or names[0].start() != 0:
        raise ConfigError(f"EMG_BOARD_PARAMS={text!r} is not allowed: name=value, separated by commas")
    ends = [name.start() for name in names[1:]] + [len(text)]
    for name, end in zip(names, ends, strict=True):
        key, value = name[1].lower(), text[name.end() : end].strip()
        if key not in known:
            raise ConfigError(f"EMG_BOARD_PARAMS: {key} is not a parameter; {_advice(key, known)}")
        if key in found:
            raise ConfigError(f"EMG_BOARD_PARAMS: {key} is there twice")
        found[key] = _value(key, value, known[key], sdk)
    return found


def _advice(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _value(key: str, text: str, default: object, sdk: Sdk) -> int | str:
    """Return a value as the board takes it; an empty one is the default.

    Raises:
        ConfigError: it cannot be.
    """
    if key == "master_board":
        return board_id(text, sdk.boards, f"EMG_BOARD_PARAMS: master_board={text}", sdk.title)
    if isinstance(default, int):
        most = 65535 if key.startswith("ip_port") else 2**31 - 1
        if not re.fullmatch("[0-9]{1,10}", text) or int(text) > most:
            raise ConfigError(
                f"EMG_BOARD_PARAMS: {key}={text} is not allowed: a whole number from 0 to {most}"
            )
        return int(text)
    if key.startswith("ip_address"):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ConfigError(
                f"EMG_BOARD_PARAMS: {key}={text} is not an address, such as 192.168.4.1"
            ) from None
    if key.startswith("file") and not Path(text).expanduser().is_file():
        raise ConfigError(f"EMG_BOARD_PARAMS: {key}={text}: there is no such file")
    return str(Path(text).expanduser()) if key.startswith("file") else text
