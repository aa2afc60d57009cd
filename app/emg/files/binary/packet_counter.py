"""What a counter of samples, kept in a file beside them, says is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.files.binary.layout import Segment

MOST_STRANGE = 0.1  # of the steps: more, and it is no counter


def counted_segments(counter: npt.NDArray[Any]) -> tuple[Segment, ...] | None:
    """Return the segments between which numbers are missing; None where it does not count.

    It may begin at any number, wrap at a power of two, and stay at its largest number once it is there.
    """
    rows = len(counter)
    values = counter.astype(np.int64)
    if rows < 2:
        return (Segment(0, rows, 0),)
    top = int(values.max())
    full = top >= 255 and top + 1 == 2 ** top.bit_length()
    stays = np.flatnonzero((values[1:] == top) & (values[:-1] == top)) if full else np.empty(0, np.int64)
    end = int(stays[0]) + 1 if len(stays) and (values[stays[0] :] == top).all() else rows
    lost = np.diff(values[:end]) - 1
    if len(lost) and (lost != 0).mean() > MOST_STRANGE:
        return None
    if (lost < -1).any():
        lost = np.where(lost < -1, lost + 2 ** top.bit_length(), lost)
    edges = [0, *(np.flatnonzero(lost > 0) + 1).tolist(), rows]
    gaps = np.concatenate(([0], lost[lost > 0])).cumsum().tolist()
    return tuple(Segment(a, edges[k + 1] - a, a + gaps[k]) for k, a in enumerate(edges[:-1]))
