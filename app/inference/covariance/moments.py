"""What the features are the logarithms of: covariances and band powers, of windows or all along a recording.

They add: those of a signal that is part one gesture and part another are the mixture of both, so a copy for teaching
can be mixed here, where its samples cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.covariance.bands import Frames, frames
from app.inference.covariance.parameters import CovarianceParameters, Doubles
from app.inference.history import with_history

BLOCK_TAUS = 8  # time constants that one block of the running sums spans: its weights reach e^8
AT_ONCE = 4096  # frames

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Second moments about zero of n windows and their contexts; `channels` are those behind a projection."""

    window: Doubles  # (n, channels, channels)
    context: Doubles  # (n, channels, channels)
    bands: Doubles  # (n, bands, channels)
    power: Doubles  # (n, 2, all channels) in window and context; (n, 2, 0) without a projection

    def __len__(self) -> int:
        return len(self.window)

    def __getitem__(self, rows: Any) -> Moments:
        """Return those of some windows."""
        return Moments(
            window=self.window[rows],
            context=self.context[rows],
            bands=self.bands[rows],
            power=self.power[rows],
        )


def moments(
    windows: Array,
    parameters: CovarianceParameters,
    *,
    length: int,
    rate: float,
    projection: Array | None = None,
) -> Moments:
    """Return those of normalised windows (n, reads, channels), the window being the last `length` samples."""
    emg = windows.astype(np.float64)
    reads = emg.shape[1]
    weight = parameters.context_weights(reads, rate)
    power = np.zeros((len(emg), 2, 0))
    if projection is not None:
        squares = np.square(emg)
        power = np.stack([squares[:, -length:].mean(1), np.tensordot(squares, weight, ([1], [0]))], 1)
        emg = emg @ projection.T.astype(np.float64)
    recent = emg[:, -length:]
    return Moments(
        window=recent.transpose(0, 2, 1) @ recent / length,
        context=(emg * weight[:, np.newaxis]).transpose(0, 2, 1) @ emg,
        bands=_band_powers(emg, frames(parameters, reads, rate)),
        power=power,
    )


def moments_along(
    signal: Array,
    ends: npt.NDArray[np.integer[Any]],
    parameters: CovarianceParameters,
    *,
    length: int,
    reads: int,
    rate: float,
    projection: Array | None = None,
) -> Moments:
    """Return those of the windows that end before the samples `ends` (n,) of one unbroken normalised signal.

    The same as `moments` of `with_history(signal[:end], reads)`, by running sums. `signal` is (samples, channels).
    """
    early = np.flatnonzero(ends < reads)
    late = np.flatnonzero(ends >= reads)
    found = _late(signal.astype(np.float64), ends[late], parameters, length, reads, rate, projection)
    if not len(early):
        return found
    windows = np.stack([with_history(signal[:end], reads) for end in ends[early]])
    mirrored = moments(windows, parameters, length=length, rate=rate, projection=projection)
    order = np.argsort(np.concatenate([early, late]))
    return Moments(
        **{
            name: np.concatenate([getattr(mirrored, name), getattr(found, name)])[order]
            for name in ("window", "context", "bands", "power")
        }
    )


def _late(
    emg: Doubles,
    ends: npt.NDArray[np.integer[Any]],
    parameters: CovarianceParameters,
    length: int,
    reads: int,
    rate: float,
    projection: Array | None,
) -> Moments:
    decay = float(np.exp(-1e3 / (parameters.tau_ms * rate)))
    power = np.zeros((len(ends), 2, 0))
    if projection is not None:
        squares = np.square(emg)
        power = np.stack([_flat(squares, ends, length), _fading(squares, ends, reads, decay)], 1)
        emg = emg @ projection.T.astype(np.float64)
    channels = emg.shape[1]
    rows, columns = np.triu_indices(channels)
    products = emg[:, rows] * emg[:, columns]  # (samples, channels (channels + 1) / 2)
    return Moments(
        window=_whole(_flat(products, ends, length), channels),
        context=_whole(_fading(products, ends, reads, decay), channels),
        bands=_bands_along(emg, ends, frames(parameters, reads, rate), reads),
        power=power,
    )


def _flat(values: Doubles, ends: npt.NDArray[np.integer[Any]], length: int) -> Doubles:
    """Return the mean of the last `length` rows before each end."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0)])
    return np.asarray((sums[ends] - sums[ends - length]) / length)


def _fading(values: Doubles, ends: npt.NDArray[np.integer[Any]], reads: int, decay: float) -> Doubles:
    """Return the mean of the last `reads` rows before each end, each weighing `decay` times the next."""
    sums = np.zeros((len(values) + 1, values.shape[1]))  # of all rows so far
    block = max(1, int(-BLOCK_TAUS / np.log(decay)))
    for begin in range(0, len(values), block):
        part = values[begin : begin + block]
        fading = decay ** np.arange(1, len(part) + 1)[:, np.newaxis]
        sums[begin + 1 : begin + 1 + len(part)] = (np.cumsum(part / fading, 0) + sums[begin]) * fading
    total = sums[ends] - decay**reads * sums[ends - reads]
    return np.asarray(total * (1 - decay) / (1 - decay**reads))


def _whole(halves: Doubles, channels: int) -> Doubles:
    """Return symmetric matrices (n, channels, channels) of their upper triangles."""
    rows, columns = np.triu_indices(channels)
    found = np.zeros((len(halves), channels, channels))
    found[:, rows, columns] = found[:, columns, rows] = halves
    return found


def _band_powers(emg: Doubles, cut: Frames) -> Doubles:
    """Return the band powers of (n, reads, channels), (n, bands, channels)."""
    found = np.zeros((len(emg), len(cut.rows), emg.shape[2]))
    for k, weight in enumerate(cut.weight):
        begin = cut.begin + k * cut.hop
        found += weight * _spectrum(emg[:, begin : begin + cut.basis.shape[1]], cut)
    return found


def _bands_along(emg: Doubles, ends: npt.NDArray[np.integer[Any]], cut: Frames, reads: int) -> Doubles:
    """Return the band powers before each end, (n, bands, channels); a frame that many share is looked at once."""
    if not cut.rows or not len(ends):
        return np.zeros((len(ends), len(cut.rows), emg.shape[1]))
    begins = ends[:, np.newaxis] - reads + cut.begin + cut.hop * np.arange(len(cut.weight))
    own, where = np.unique(begins, return_inverse=True)
    views = np.lib.stride_tricks.sliding_window_view(emg, cut.basis.shape[1], 0)  # (.., channels, size)
    parts = [_spectrum(views[own[k : k + AT_ONCE]].swapaxes(1, 2), cut) for k in range(0, len(own), AT_ONCE)]
    powers = np.concatenate(parts)[where.reshape(begins.shape)]  # (n, frames, bands, channels)
    return np.asarray(np.tensordot(powers, cut.weight, ([1], [0])))


def _spectrum(frame: Doubles, cut: Frames) -> Doubles:
    """Return the band powers of single frames (n, size, channels), (n, bands, channels)."""
    if not cut.rows:
        return np.zeros((len(frame), 0, frame.shape[2]))
    power = np.square(cut.basis @ frame)  # (n, rows, channels)
    return np.asarray(np.add.reduceat(power, np.cumsum((0, *cut.rows))[:-1], axis=1))
