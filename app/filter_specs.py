"""Filters as a model's manifest and the settings describe them, and what such a description must say.

`{"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450}` is a Butterworth filter (`highpass` takes `low_hz`,
`lowpass` takes `high_hz`; each edge of a band-pass has the full order). `{"kind": "notch", "frequency_hz": 50,
"q": 30}` is a second-order notch; with `"mains"` for its frequency it sits at that of the mains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

MAX_ORDER = 10  # steeper edges ring for longer than any window we cut
EDGES = {"lowpass": ("high_hz",), "highpass": ("low_hz",), "bandpass": ("low_hz", "high_hz")}
NOTCH, MAINS = "notch", "mains"
MAINS_HZ = (50.0, 60.0)
LEAST = (
    1e-6  # of the rate, of an edge and of a band: what is narrower has no coefficients that double can hold
)


class FilterSpecError(ValueError):
    """A filter that cannot be. `key` is what of it is wrong, empty for all of it; `must` says what would be right."""

    def __init__(self, key: str, must: str) -> None:
        super().__init__(f"{key} {must}" if key else must)
        self.key, self.must = key, must


def check_filter(spec: Mapping[str, Any], sampling_rate: float) -> None:
    """See that a filter can be built at that rate (Hz).

    Raises:
        FilterSpecError: it cannot.
    """
    kind = spec.get("kind")
    if kind == NOTCH:
        _check_notch(spec, sampling_rate)
        return
    if not isinstance(kind, str) or kind not in EDGES:
        raise FilterSpecError("kind", "must be one of bandpass, highpass, lowpass, notch")
    _expect_keys(spec, {"kind", "order", *EDGES[kind]})
    order = spec["order"]
    if not isinstance(order, int) or isinstance(order, bool) or not 1 <= order <= MAX_ORDER:
        raise FilterSpecError("order", f"must be a whole number from 1 to {MAX_ORDER}")
    edges = [_frequency(spec, edge, sampling_rate) for edge in EDGES[kind]]
    if len(edges) == 2 and edges[1] - edges[0] < LEAST * sampling_rate:
        raise FilterSpecError("low_hz", "must lie below high_hz")


def _check_notch(spec: Mapping[str, Any], sampling_rate: float) -> None:
    _expect_keys(spec, {"kind", "frequency_hz", "q"})
    q = spec["q"]
    if not is_number(q) or q <= 0:
        raise FilterSpecError("q", "must be a number above 0")
    if spec["frequency_hz"] == MAINS:
        frequencies = [mains for mains in MAINS_HZ if mains < sampling_rate / 2]
    else:
        frequencies = [_frequency(spec, "frequency_hz", sampling_rate)]
    for frequency in frequencies:
        if not LEAST * sampling_rate <= frequency / q < sampling_rate / 2:
            raise FilterSpecError(
                "q", f"must leave a notch that is narrower than half of {sampling_rate:g} Hz, and has a width"
            )


def _expect_keys(spec: Mapping[str, Any], keys: set[str]) -> None:
    if spec.keys() != keys:
        raise FilterSpecError("", f"takes exactly {', '.join(sorted(keys))}")


def _frequency(spec: Mapping[str, Any], key: str, sampling_rate: float) -> float:
    value, margin = spec[key], LEAST * sampling_rate
    if not is_number(value) or not margin <= value <= sampling_rate / 2 - margin:
        limit = f"{sampling_rate / 2:g} Hz, half the sampling rate of {sampling_rate:g} Hz"
        raise FilterSpecError(key, f"must be a number above 0 and below {limit}")
    return float(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
