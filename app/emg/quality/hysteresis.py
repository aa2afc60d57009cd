"""States that do not flicker."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]  # (channels,)


class Hysteresis:
    """One state a channel: on after `on` bad looks in a row, off after `off` good ones in a row.

    A look may be neither bad nor good (it lies between two thresholds): it changes nothing, and ends no row.
    """

    def __init__(self, channels: int, on: int, off: int) -> None:
        self._on, self._off = on, off
        self._bad = np.zeros(channels, np.int64)  # looks in a row
        self._good = np.zeros(channels, np.int64)
        self.state: Flags = np.zeros(channels, np.bool_)

    def update(self, bad: Flags, good: Flags) -> Flags:
        """Return the states after one more look at each channel."""
        good = good & ~bad
        self._bad = np.where(bad, self._bad + 1, np.where(good, 0, self._bad))
        self._good = np.where(good, self._good + 1, np.where(bad, 0, self._good))
        self.state = (self.state & (self._good < self._off)) | (self._bad >= self._on)
        return self.state
