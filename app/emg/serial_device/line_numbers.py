"""The numbers of a line of text, as sketches print them: parted in any way, with names in front or without."""

from __future__ import annotations

import re

LARGEST = 1e16  # a time in ns of some weeks fits
_BLANKS = bytes.maketrans(b",;\t[](){}\"'", b"           ")
_NAME = re.compile(rb"(?<![\w.])[A-Za-z_][^,;\t:=]*[:=]|(?<![^\s,;{])[^\s,;:=]*[:=]")
_CLOCK = re.compile(rb"(\d+):([0-5]\d):([0-5]?\d(?:\.\d*)?)")


def numbers(line: bytes) -> list[float] | None:
    """Return the numbers of a line, without their names (`a:12`, `E0: 12`, `E0=12`); a time of day in seconds.

    None where something is no number. A number missing between two commas makes the line shorter.
    """
    if b":" in line or b"=" in line:
        line = _NAME.sub(b" ", _CLOCK.sub(_seconds, line))
    try:
        row = [float(part) for part in line.translate(_BLANKS).split()]
    except ValueError:
        return None
    plain = b"_" not in line and all(abs(value) < LARGEST for value in row)  # float() takes 1_0, nan and inf
    return row if plain and row else None


def _seconds(found: re.Match[bytes]) -> bytes:
    hours, minutes, seconds = (float(part) for part in found.groups())
    return b"%.6f" % (hours * 3600 + minutes * 60 + seconds)
