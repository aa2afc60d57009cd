"""States that do not flicker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]  # (channels,), or (kinds, channels)
Looks = npt.NDArray[np.int64]


class Hysteresis:
    """Some kinds of states for each channel: on after `on` bad looks in a row, off after `off` good ones in a row.

    A look may be neither bad nor good (it lies between two thresholds): it changes nothing, and ends no row.
    """

    def __init__(self, channels: int, on: Sequence[int], off: Sequence[int]) -> None:
        """`on` and `off` have a number of looks for each kind."""
        self._on, self._off = np.array(on)[:, np.newaxis], np.array(off)[:, np.newaxis]
        self._bad: Looks = np.zeros((len(on), channels), np.int64)  # looks in a row
        self._good: Looks = np.zeros((len(on), channels), np.int64)
        self.state: Flags = np.zeros((len(on), channels), np.bool_)

    def forget(self, kind: int) -> None:
        """Have that kind be off everywhere, with no looks before."""
        self._bad[kind], self._good[kind] = 0, 0
        self.state = self.state.copy()  # the one before is somebody's
        self.state[kind] = False

    def update(self, bad: Flags, good: Flags) -> Flags:
        """Return the states (kinds, channels) after one more look at each."""
        good = good & ~bad
        self._bad = np.where(bad, self._bad + 1, np.where(good, 0, self._bad))
        self._good = np.where(good, self._good + 1, np.where(bad, 0, self._good))
        self.state = (self.state & (self._good < self._off)) | (self._bad >= self._on)
        return self.state
