"""Band powers over the context: spectra of half overlapping frames, by one matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.errors import ArtefactError
from app.inference.covariance.parameters import CovarianceParameters, Doubles


class Frames(NamedTuple):
    """How the samples that a model reads become powers.

    power[b] = sum over frames f and rows r of band b: weight[f] (sum_i basis[r, i] x[begin + f hop + i])^2.
    """

    begin: int  # the first frame's first sample; the last frame ends with the last sample
    hop: int
    weight: Doubles  # (frames,), sums to 1
    basis: Doubles  # (rows, size): windowed cosines and sines, band after band
    rows: tuple[int, ...]  # of each band


def frames(parameters: CovarianceParameters, reads: int, rate: float) -> Frames:
    """Return the frames for `reads` samples at that rate.

    A frame weighs as its middle does in the context. The rows are scaled so that the powers of bands which cover the
    spectrum add up to the variance.

    Raises:
        ArtefactError: a band holds no frequency of the spectrum, as one above half the rate.
    """
    hop = max(1, min(round(parameters.frame_ms * rate / 2e3), reads // 2))
    size = min(2 * hop, reads)
    number = (reads - size) // hop + 1
    begin = reads - size - (number - 1) * hop
    age = (number - 1 - np.arange(number)) * hop / rate
    weight = np.exp(-age / (parameters.tau_ms / 1e3))
    bases = [_basis(low, high, size, rate) for low, high in parameters.bands_hz]
    basis = np.concatenate(bases) if bases else np.zeros((0, size))
    return Frames(begin, hop, weight / weight.sum(), basis, tuple(len(rows) for rows in bases))


def _basis(low: float, high: float, size: int, rate: float) -> Doubles:
    """Return the cosines and sines of the frequencies in [low, high), (rows, size), under a Hann window."""
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    number = np.arange(size // 2 + 1)
    inside = number[(number * rate / size >= low) & (number * rate / size < high)]
    if not len(inside):
        raise ArtefactError(
            f"hyper_parameters: bands_hz must hold a multiple of {rate / size:g} Hz, up to {rate / 2:g} Hz, "
            f"got [{low:g}, {high:g}]"
        )
    phase = 2 * np.pi * np.outer(inside, np.arange(size)) / size
    single = (inside == 0) | (2 * inside == size)
    gain = np.sqrt(np.where(single, 1, 2) / (size * np.square(taper).sum()))[:, np.newaxis]
    waves = np.concatenate([gain * np.cos(phase), (gain * np.sin(phase))[~single]])
    found: Doubles = waves * taper
    return found
