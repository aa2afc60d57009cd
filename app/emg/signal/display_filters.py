"""The filters before the screen and the judgement of quality, where no model says which."""

from __future__ import annotations

from dataclasses import dataclass

from app.emg.signal.filters import FilterSpec, Sos, design

LOW_HZ, HIGH_HZ = 20.0, 450.0  # of surface EMG: what lies below moves with the cable, and little lies above
OF_RATE = 0.45  # of a rate: half of it is its end, and a filter needs room
ORDER = 4
NOTCH_HZ = 50 / 30  # how wide each notch is, that of the mains and those of its harmonics


@dataclass(frozen=True, slots=True)
class DisplayFilters:
    """What they are, for `design` and for `/emg/sources`, and in words."""

    specs: tuple[FilterSpec, ...]
    description: str

    def sos(self, sampling_rate: float) -> Sos:
        """Return their second-order sections (sections, 6)."""
        return design(self.specs, sampling_rate, None)


def display_filters(sampling_rate: float, mains: float | None) -> DisplayFilters:
    """Return the filters for a signal of `sampling_rate` Hz with `mains` of 50 or 60 Hz, None for no notch.

    A band-pass from LOW_HZ to the lower of HIGH_HZ and OF_RATE of the rate, and a notch at the mains frequency and each
    of its harmonics below that. Where the rate leaves less than an octave above LOW_HZ, the band is its last octave.
    """
    high = min(HIGH_HZ, round(OF_RATE * sampling_rate, 3))
    low = min(LOW_HZ, high / 2)
    band: FilterSpec = {"kind": "bandpass", "order": ORDER, "low_hz": low, "high_hz": high}
    notches = _harmonics(mains, high)
    described = f"{low:g}-{high:g} Hz"
    if low < LOW_HZ:
        described += f" (from {low:g} and not {LOW_HZ:g} Hz: the rate of {sampling_rate:g} Hz leaves no more)"
    if notches:
        described += f", without {' '.join(f'{hz:g}' for hz in notches)} Hz"
    return DisplayFilters((band, *map(_notch, notches)), described)


def _harmonics(mains: float | None, high: float) -> list[float]:
    return [] if mains is None else [mains * k for k in range(1, int(high / mains) + 1) if mains * k < high]


def _notch(hz: float) -> FilterSpec:
    return {"kind": "notch", "frequency_hz": hz, "q": round(hz / NOTCH_HZ, 3)}
