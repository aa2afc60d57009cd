"""Which board is meant by the text of EMG_BOARD."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from app.errors import ConfigError

SUFFIX = "_BOARD"


def board_id(text: str, known: Mapping[str, int], said: str | None = None, sdk: str = "BrainFlow") -> int:
    """Return the number of the board called `text`: a number, a name such as CYTON_BOARD, or a short one such as cyton.

    `said` is the setting that names it, `sdk` who would know it.

    Raises:
        ConfigError: there is none; names those that look like it.
    """
    said = f"EMG_BOARD={text}" if said is None else said
    wanted = text.strip()
    if re.fullmatch("-?[0-9]{1,9}", wanted):
        if int(wanted) in known.values():
            return int(wanted)
        raise ConfigError(f"{said}: {sdk} knows no board of that number")
    name = wanted.upper().replace("-", "_").replace(" ", "_")
    for candidate in (name, name + SUFFIX):
        if candidate in known:
            return known[candidate]
    short = {full.removesuffix(SUFFIX).lower(): full for full in known}
    near = difflib.get_close_matches(name.removesuffix(SUFFIX).lower(), short, n=3)
    advice = f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(short)}"
    raise ConfigError(f"{said}: {sdk} knows no such board; {advice}")
