"""The lines that EMGworks writes above its table: one for each signal, with its label, rate, points and unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LABEL = re.compile(
    r"Label:\s*(?P<label>.*?)\s+Sampling frequency:\s*(?P<rate>\d[\d.,]*(?:e[+-]?\d+)?)", re.IGNORECASE
)
_POINTS = re.compile(r"Number of points:\s*(\d+)", re.IGNORECASE)
_UNIT = re.compile(r"(?<!Domain )\bUnit:\s*[\[(]?([^\s\])\"',;]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SignalLine:
    """What the header says of one signal; None where it does not."""

    label: str
    rate_hz: float
    points: int | None
    units: str | None


def is_header(text: str) -> bool:
    """Return whether the beginning of a file is EMGworks' header."""
    return any(_LABEL.search(line) for line in text.splitlines())


def signal_lines(header: Sequence[str]) -> tuple[SignalLine, ...]:
    """Return what the lines above the table say, a signal each, in their order."""
    return tuple(_read(line, found) for line in header if (found := _LABEL.search(line)))


def by_name(lines: Sequence[SignalLine], names: Sequence[str]) -> list[SignalLine | None]:
    """Return the line of each signal: the one of its name, else by their order where there is a line for each."""
    labels = {line.label.strip().lower(): line for line in lines}
    found = [labels.get(name.strip().lower()) for name in names]
    return list(lines) if not all(found) and len(lines) == len(names) else found


def _read(line: str, found: re.Match[str]) -> SignalLine:
    points, unit = _POINTS.search(line), _UNIT.search(line)
    return SignalLine(
        label=found["label"],
        rate_hz=float(found["rate"].rstrip(".,").replace(",", ".")),
        points=int(points[1]) if points else None,
        units=unit[1] if unit else None,
    )
