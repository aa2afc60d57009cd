"""Auxiliary samples on the EMG's axis of time: both carry stamps of one clock, at rates of their own."""

from __future__ import annotations

import math
from typing import Protocol

from app.emg.auxiliary import AuxChunk
from app.emg.signal.segments import Indices, pieces
from app.emg.signal.timestamps import Stamps, TimestampFit
from app.emg.source import Samples

FOLLOW_S = 2.0  # how soon the axis follows stamps that come earlier or later
JUMP_S = 1.0  # further away is another clock, or a pause that the index does not show


class Axis(Protocol):
    """Where on the axis of EMG samples a stamp lies."""

    def index_at(self, stamp: float) -> float: ...


class TimeAxis:
    """The axis of samples whose index is known, and whose stamps (s) jitter: those of their arrival, say."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._zero: float | None = None  # the stamp of sample 0

    @property
    def known(self) -> bool:
        return self._zero is not None

    def update(self, index: Indices, stamps: Stamps) -> None:
        """Follow samples with these indices and stamps, (n,) each, of which there is one at least."""
        zero = float((stamps - index / self._rate).mean())
        if self._zero is None or abs(zero - self._zero) > JUMP_S:
            self._zero = zero
        self._zero += (1.0 - math.exp(-len(index) / self._rate / FOLLOW_S)) * (zero - self._zero)

    def index_at(self, stamp: float) -> float:
        """Return the index of the EMG at this time, with a fraction. Only once it is known."""
        assert self._zero is not None
        return (stamp - self._zero) * self._rate


class AuxPlacer:
    """Puts the samples of one auxiliary stream on the EMG's axis. What is missing among them begins a new chunk."""

    def __init__(self, stream: int, rate: float) -> None:
        self._stream, self._rate = stream, rate
        self.reset()

    def reset(self) -> None:
        """Forget where its stamps were: it was opened anew."""
        self._line = TimestampFit(self._rate)

    def place(self, stamps: Stamps, samples: Samples, axis: Axis) -> list[AuxChunk]:
        """Return chunks of `samples` (n, channels), which have these `stamps` (n,), n above 0.

        Raises:
            SourceError: a stamp is not a number.
        """
        indices = self._line.place(stamps).indices
        return [
            AuxChunk(
                stream=self._stream,
                at=axis.index_at(self._line.stamp_of(run.index)),
                samples=run.samples,
            )
            for run in pieces(indices, samples)
        ]
