"""States that do not flicker."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]  # (channels,)


class Latch:
    """One state a channel: on after `on` bad looks in a row, off after `off` good ones in a row.

    A look may be neither bad nor good: between two thresholds, the state stays what it is.
    """

    def __init__(self, channels: int, on: int, off: int) -> None:
        self._on, self._off = on, off
        self._bad = np.zeros(channels, np.int64)  # looks in a row
        self._good = np.zeros(channels, np.int64)
        self.state: Flags = np.zeros(channels, np.bool_)

    def update(self, bad: Flags, good: Flags) -> Flags:
        """The states after one more look at each channel."""
        self._bad = np.where(bad, self._bad + 1, 0)
        self._good = np.where(good & ~bad, self._good + 1, 0)
        self.state = (self.state & (self._good < self._off)) | (self._bad >= self._on)
        return self.state
