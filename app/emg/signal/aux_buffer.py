"""The last seconds of what a source delivers beside EMG."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.source import Chunk

KEPT = 256  # chunks of each stream: seconds of it, for a reader that comes late


@dataclass(frozen=True, slots=True)
class AuxPiece:
    """What has come of one auxiliary stream. `at` is the place of its first sample, in EMG samples of the source."""

    stream: AuxStream
    at: float
    samples: npt.NDArray[np.float32]  # (n, channels)


class AuxBuffer:
    """One writer, any number of readers; each reader keeps its own `cursor`, a count of the chunks it has had."""

    def __init__(self, streams: Sequence[AuxStream]) -> None:
        self.streams = tuple(streams)
        self._chunks: deque[tuple[int, AuxChunk]] = deque(maxlen=KEPT * max(1, len(self.streams)))
        self._count = 0
        self._lock = threading.Lock()

    @property
    def cursor(self) -> int:
        """Return the place after the newest: what a reader who begins now has to ask from."""
        return self._count

    def write(self, chunk: Chunk) -> None:
        """Keep what has come beside the EMG of `chunk`; must not wait."""
        if not chunk.aux:
            return
        with self._lock:
            for aux in chunk.aux:
                if 0 <= aux.stream < len(self.streams) and len(aux.samples):
                    self._chunks.append((self._count, aux))
                    self._count += 1

    def since(self, cursor: int) -> tuple[list[AuxPiece], int]:
        """Return what has come since `cursor`, one piece a stream in their order, and the next cursor.

        What is not kept any more is left out.
        """
        with self._lock:
            fresh = [aux for number, aux in self._chunks if number >= cursor]
            count = self._count
        pieces = []
        for number, stream in enumerate(self.streams):
            own = [aux for aux in fresh if aux.stream == number]
            if own:
                pieces.append(AuxPiece(stream, own[0].at, np.concatenate([aux.samples for aux in own])))
        return pieces, count
