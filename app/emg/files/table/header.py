"""What the lines above a table say of all its columns: the sampling rate, and the units."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.emg.units import accepted

_RATE = re.compile(
    r"(?:sampl\w*|\bfs\b|sfreq|frequency|\brate\b|abtast\w*)[^0-9\n]{0,40}?(\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)\s*(k?)(?:hz|sps|samples|\b)",
    re.IGNORECASE,
)
_UNITS = re.compile(
    r"(?<!domain )(?<!time )\b(?:units?|einheit)\s*[:=]\s*[\"'\[(]?\s*([^\W\d_]+)", re.IGNORECASE
)
_MICROVOLTS = re.compile(r"microvolts?|[\[( ][uµμ]v[\]) ,.]", re.IGNORECASE)


_PLAINLY = re.compile(r"[^,;|\t]*(?:[:=][^,;|\t]*|(?:hz|sps))", re.IGNORECASE)  # `Sample,CH1` says no 1 Hz


def rate_said(header: Sequence[str], names: str = "") -> float | None:
    """Return the sampling rate in Hz that the lines above a table say; None where they say none, or more than one.

    What may be a row of column names says it only as `Fs = 1000` or `sampled at 1000 Hz` do, within one name.
    """
    matches = [m for line in header for m in _RATE.finditer(line)]
    matches += [m for m in _RATE.finditer(names) if _PLAINLY.fullmatch(m[0])]
    found = {float(m[1].replace(",", ".")) * (1e3 if m[2] else 1.0) for m in matches}
    rates = {rate for rate in found if rate >= 1}
    return rates.pop() if len(rates) == 1 else None


def units_said(header: Sequence[str]) -> str | None:
    """Return the units of EMG that the lines above a table say, as in `Unit: mV`; None: none, or more than one."""
    said = [accepted(found[1]) for line in header for found in _UNITS.finditer(line)]
    signals = {units for units in said if units is not None}
    if signals:
        return signals.pop() if len(signals) == 1 else None
    return "uV" if _MICROVOLTS.search(" ".join(header)) else None
