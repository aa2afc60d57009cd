"""What a model of one's own makes of a signal: filters, window, context and bands, chosen from the rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from app.emg.signal.filters import design, filter_all
from app.emg.source import Samples
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.own.joined import Joined

WINDOW_MS = 200.0
READS_MS, READS_FAST_MS = 2000.0, 1000.0  # with the window; at high rates half, which costs half and 0.002
FAST_HZ = 500.0
LEAST_SAMPLES = 8  # of a window: fewer say little of a covariance
EDGES_HZ = (15.0, 35.0, 60.0, 95.0)  # of the bands, for signals that end near 100 Hz
EDGES_FAST_HZ = (20.0, 60.0, 120.0, 250.0, 450.0)
BELOW_NYQUIST = 0.475  # of the rate: the highest edge
NARROWEST_HZ = 12.0
SLOW_HZ = 5.0  # below it is an electrode's offset; at 200 Hz what lies above helps (docs/models.md)
UNPROJECTED = 16  # channels; of more, so many directions are taken
SKEW = 2.5  # the tail above the median, in tails below it, from which a signal is an envelope
LINE = 6.0  # the mains' power in that of its neighbours at rest, from which it is filtered out


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPlan:
    """How a signal is read."""

    filters: tuple[Mapping[str, Any], ...]
    length: int  # samples in a window
    context: int  # samples before it
    parameters: CovarianceParameters
    said: tuple[str, ...] = ()

    @property
    def reads(self) -> int:
        return self.context + self.length


def choose(joined: Joined, mains: float | None) -> SignalPlan:
    """Return the plan for a signal of that rate, with a notch where the mains is heard at rest."""
    rate, channels = joined.rate, joined.channels
    length = max(LEAST_SAMPLES, round(WINDOW_MS * rate / 1e3))
    reads = max(length, round((READS_FAST_MS if rate > FAST_HZ else READS_MS) * rate / 1e3))
    envelope = is_envelope(joined.emg)
    filters = () if envelope else filters_for(joined, mains)
    said = ["the signal is never negative and skewed, an envelope: it is not filtered"] if envelope else []
    projected = UNPROJECTED if channels > UNPROJECTED else 0
    bands = () if projected or envelope else bands_for(rate)
    return SignalPlan(
        filters=filters,
        length=length,
        context=reads - length,
        parameters=CovarianceParameters(bands_hz=bands, projected=projected),
        said=tuple(said),
    )


def bands_for(rate: float) -> tuple[tuple[float, float], ...]:
    """Return the bands that a signal of that rate has; none where they would cost more than all else."""
    if rate > FAST_HZ:
        return ()
    top = BELOW_NYQUIST * rate
    edges = EDGES_FAST_HZ if rate > 2.5 * EDGES_HZ[-1] else EDGES_HZ
    inside = [edge for edge in edges if edge <= top]
    if len(inside) < len(edges) and inside and top - inside[-1] >= NARROWEST_HZ:
        inside.append(round(top, 1))
    return tuple(pairwise(inside))


def filters_for(joined: Joined, mains: float | None) -> tuple[Mapping[str, Any], ...]:
    """Return what takes away an electrode's offset and movement, and the mains where it is heard."""
    rate = joined.rate
    if rate > FAST_HZ:
        high = min(450.0, round(0.45 * rate, 1))
        band: Mapping[str, Any] = {"kind": "bandpass", "order": 4, "low_hz": 20.0, "high_hz": high}
    else:
        band = {"kind": "highpass", "order": 2, "low_hz": min(SLOW_HZ, round(0.1 * rate, 2))}
    if mains is not None and mains < BELOW_NYQUIST * rate and hears(joined, mains):
        return (band, {"kind": "notch", "frequency_hz": "mains", "q": 30})
    return (band,)


def hears(joined: Joined, mains: float) -> bool:
    """Return whether the mains stands out of the spectrum of rest, in the channel where it does most."""
    size = max(64, round(joined.rate))
    spectra = []
    for piece in joined.pieces():
        quiet = joined.emg[piece][joined.label[piece] == joined.rest]
        count = len(quiet) // size
        if count:
            frames = quiet[: count * size].reshape(count, size, -1).astype(np.float64)
            taper = np.hanning(size)[:, np.newaxis]
            spectra.append(
                np.square(np.abs(np.fft.rfft((frames - frames.mean(1, keepdims=True)) * taper, axis=1)))
            )
    if not spectra:
        return False
    power = np.median(np.concatenate(spectra), axis=0)  # (frequencies, channels)
    away = np.abs(np.arange(len(power)) * joined.rate / size - mains)
    line, around = power[away <= 1.5], power[(away > 3) & (away <= 10)]
    if not len(line) or not len(around):
        return False
    return bool((line.max(0) > LINE * np.median(around, axis=0) + 1e-12).any())


def is_envelope(emg: Samples) -> bool:
    """Return whether a signal is rectified and smoothed: never negative, with its tail above."""
    if emg.min() < 0:
        return False
    low, middle, high = np.percentile(emg[:: max(1, len(emg) // 20_000)], (0.5, 50, 99.5), axis=0)
    skew = (high - middle) / np.maximum(middle - low, 1e-9 * np.abs(high) + 1e-12)
    return bool(np.median(skew) > SKEW)


def filtered(joined: Joined, plan: SignalPlan, mains: float | None) -> Samples:
    """Return the whole signal behind the plan's filters, each piece from its own start, as it is live."""
    sos = design(plan.filters, joined.rate, mains)
    return np.concatenate([filter_all(sos, joined.emg[piece]) for piece in joined.pieces()])
