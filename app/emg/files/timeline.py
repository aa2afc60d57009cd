"""All that a replay plays, one piece after the other, as one row of samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.emg.files.recordings import Recording


@dataclass(frozen=True, slots=True)
class Place:
    """A sample of a replay: row `row` of a recording, in a continuous piece that ends before row `stop`."""

    recording: Recording
    row: int
    stop: int
    first: bool  # of its piece


class Timeline:
    """The continuous pieces of some recordings. What is missing between two of them takes no time."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._pieces = [(recording, piece) for recording in recordings for piece in recording.pieces]
        lengths = (piece.stop - piece.start for _, piece in self._pieces)
        self._starts: list[int] = [0, *accumulate(lengths)]

    @property
    def samples(self) -> int:
        """Return how many there are."""
        return self._starts[-1]

    def place(self, sample: int) -> Place:
        """Return where a sample is, from 0 to the last."""
        number = bisect_right(self._starts, sample) - 1
        recording, piece = self._pieces[number]
        row = piece.start + sample - self._starts[number]
        return Place(recording, row, piece.stop, first=row == piece.start)
