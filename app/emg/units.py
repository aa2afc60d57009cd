"""The units in which signals are given, however people and devices spell them."""

from __future__ import annotations

# Spellings: BDF+ and LSL's https://github.com/sccn/xdf/wiki/EEG-Meta-Data ("microvolts"), and both Unicode micros
_SPELLINGS = {
    "V": ("v", "volt", "volts"),
    "mV": ("mv", "millivolt", "millivolts"),
    "uV": ("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts"),
    "nV": ("nv", "nanovolt", "nanovolts"),
}
_STANDARD = {spelling: units for units, spellings in _SPELLINGS.items() for spelling in spellings}
_MICROVOLTS = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
KNOWN = tuple(_SPELLINGS)
UNKNOWN = "unknown"  # where nobody has said them
COUNTS = "counts"  # of a converter, whose step nobody has said
ACCEPTED = f"{', '.join(KNOWN)}, {COUNTS} for the numbers of a converter, or {UNKNOWN}"
_OTHERS = {"count": COUNTS, COUNTS: COUNTS, UNKNOWN: UNKNOWN}
_UNSAID = ("", UNKNOWN)


def standard(units: str) -> str:
    """Return the one spelling of units of voltage (V, mV, uV, nV); any other text as it is, without blanks around."""
    said = units.strip()
    return _STANDARD.get(said.lower(), said)


def factor(said: str, wanted: str) -> float | None:
    """Return by what to multiply values in `said` to have them in `wanted`; None where nobody can know."""
    one, other = standard(said), standard(wanted)
    if one.lower() == other.lower():
        return 1.0
    if one in _MICROVOLTS and other in _MICROVOLTS:
        return _MICROVOLTS[one] / _MICROVOLTS[other]
    return None


def unknown(units: str) -> bool:
    """Return whether the text says nothing of the units."""
    return units.strip().lower() in _UNSAID


def accepted(units: str) -> str | None:
    """Return the one spelling of units that a person may give a signal (ACCEPTED); None where nobody knows them."""
    said = units.strip().lower()
    return _STANDARD.get(said) or _OTHERS.get(said)
