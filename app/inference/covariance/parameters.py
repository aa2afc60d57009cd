"""What shapes a covariance model, read from a manifest and checked; times in ms and Hz, whatever the rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.parameter_checks import expect_real, expect_whole, require

Doubles = npt.NDArray[np.float64]
Band = tuple[float, float]  # Hz, from and below

# Far above what runs in real time on one core; they bound what a hand-edited manifest can make us allocate.
MAX_DEGREE, MAX_BANDS, MAX_TYPICAL, MAX_PROJECTED, MAX_CURVED, MAX_CENTRES = 95, 16, 4096, 64, 8192, 4096
MAX_PLACEMENTS = 2 * 64  # a ring of 64 electrodes, either way round
MAX_MS = 1e5


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceParameters:
    """The features of a covariance model, whatever the rate and the number of channels.

    The signal is the normalised one: `floor` is in its squared units. For a deviation of 15 counts, 1 count^2 is
    1 / 225.
    """

    ridge: float = (
        0.05  # of the mean variance, added to every variance: the smallest eigenvalue of a scaled matrix
    )
    floor: float = 1.0  # variance added to every channel; what is far below it counts as silence
    degree: int = 23  # of the Chebyshev polynomial that stands for the logarithm
    tau_ms: float = 500.0  # a sample of the context weighs exp(-age / tau)
    bands_hz: tuple[Band, ...] = ()  # whose powers over the context are features too
    frame_ms: float = 200.0  # of the spectra that the powers are taken from, half overlapping
    projected: int = 0  # channels after `project.weight`, with the log power of each channel beside; 0: none
    placements: int = (
        1  # ways in which a ring may sit, each with a head: `head.weight` has so many times the classes
    )
    typical: int = 0  # rows of `typical.weight`: how far a window lies from what was taught; 0: not looked at
    curved: int = 0  # rows of `curve.weight`, whose squares `curvature.weight` adds to the logits; 0: none
    # Of a model of values: rows of `centres.weight`, windows that were taught; its head reads how near each one is,
    centres: int = 0  # exp(-gamma |features - centre|^2); 0: the head reads the features
    gamma: float = 0.01

    def __post_init__(self) -> None:
        expect_real(self.ridge, "ridge", 1e-4, 1.0)
        expect_real(self.floor, "floor", 1e-12, 1e12)
        expect_whole(self.degree, "degree", 4, MAX_DEGREE)
        expect_real(self.tau_ms, "tau_ms", 1.0, MAX_MS)
        expect_real(self.frame_ms, "frame_ms", 1.0, MAX_MS)
        expect_whole(self.projected, "projected", 0, MAX_PROJECTED)
        expect_whole(self.placements, "placements", 1, MAX_PLACEMENTS)
        expect_whole(self.typical, "typical", 0, MAX_TYPICAL)
        expect_whole(self.curved, "curved", 0, MAX_CURVED)
        expect_whole(self.centres, "centres", 0, MAX_CENTRES)
        expect_real(self.gamma, "gamma", 1e-9, 1e9)
        if self.centres:
            others = (self.typical, self.curved, self.placements - 1)
            require(not any(others), "centres", "0 with typical, curved or placements", self.centres)
        require(len(self.bands_hz) <= MAX_BANDS, "bands_hz", f"at most {MAX_BANDS} bands", len(self.bands_hz))
        for low, high in self.bands_hz:
            require(0 <= low < high, "bands_hz", "pairs [from, below] in Hz", (low, high))

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> CovarianceParameters:
        """Take them from a manifest; what is not named has its default.

        Raises:
            ArtefactError: one is unknown or out of range.
        """
        known = [entry.name for entry in fields(cls)]
        for name in values:
            require(name in known, "name", f"one of {', '.join(known)}", name)
        return cls(**{**values, "bands_hz": _bands(values.get("bands_hz", ()))})

    def as_json(self) -> dict[str, Any]:
        """Return what `read` takes, for a manifest."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**values, "bands_hz": [list(band) for band in self.bands_hz]}

    def context_weights(self, reads: int, rate: float) -> Doubles:
        """Return how much each sample counts in the context, (reads,), the newest last; they sum to 1."""
        age = np.arange(reads)[::-1] / rate
        weights: Doubles = np.exp(-age / (self.tau_ms / 1e3))
        return np.asarray(weights / weights.sum())

    def head_size(self, channels: int) -> int:
        """Return how many numbers the head reads."""
        return self.centres or self.size(channels)

    def size(self, channels: int) -> int:
        """Return how many features there are."""
        directions = self.projected or channels
        powers = 2 * channels if self.projected else 0
        return directions * (directions + 1) + len(self.bands_hz) * directions + powers


def _bands(values: object) -> tuple[Band, ...]:
    require(isinstance(values, (list, tuple)), "bands_hz", "a list of pairs in Hz", values)
    assert isinstance(values, (list, tuple))
    for band in values:
        pair = isinstance(band, (list, tuple)) and len(band) == 2
        require(pair, "bands_hz", "pairs [from, below] in Hz", band)
        for edge in band:
            expect_real(edge, "bands_hz", 0.0, 1e6)
    return tuple((float(low), float(high)) for low, high in values)
