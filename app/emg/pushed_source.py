"""Samples that a client sends: put into order, so that the rest of the server sees one more running signal."""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.signal.segments import runs
from app.emg.source import Chunk, Samples
from app.errors import DataError, OverloadedError, TooFastError

HOLD_S = 0.25  # a chunk that came too early waits so long for the one before it
LEAD = (
    1.5  # times the declared rate that a client may send for long: clocks differ, and it may have to catch up
)
BURST_S = 30.0  # of signal that it may send at once: what it kept while its network was away
QUEUE_S = 60.0  # of signal that may wait to be read; more is more than this process can work off
MERGE_S = (
    0.1  # of signal that waits is read as one chunk at most: what a chunk costs hangs little on its length
)
SPREAD_S = (
    0.1  # within which the windows of different sources end: 20 ms chunks and 30 fps come together so often
)
_NAP_S = 0.05  # a source that nobody feeds looks up so often


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one pushed chunk."""

    accepted: int  # samples taken
    duplicates: int  # samples that were here already, or came after their place was given up as lost
    lost_samples: int  # before this chunk: never came; counted when that became clear
    next_sample: int  # the first that is not here yet


class AuxSamples(NamedTuple):
    """Consecutive samples of one auxiliary stream; it counts from the same instant as the source, at its own rate."""

    stream: int  # its number among those declared
    first_sample: int
    samples: npt.NDArray[np.float32]  # (n, the stream's channels)


class PushSource:
    """The Source of one client. `push` is called by requests; `read` waits for samples, `take` does not.

    Chunks carry the client's own sample index. Those that arrive out of order are put back into order if the
    missing one comes within HOLD_S; after that its samples count as lost, and are refused as duplicates should
    they come at last. A source that gets nothing for `idle_s` has ended.
    """

    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        name: str,
        channels: int,
        sampling_rate: float,
        units: str,
        *,
        idle_s: float,
        factor: float = 1.0,
        aux_streams: Sequence[AuxStream] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self.channels, self.sampling_rate, self.units = name, channels, sampling_rate, units
        self.factor = factor  # from what the client sends to `units`
        self.aux_streams = tuple(aux_streams)
        self.phase_s = 0.0  # by how much its windows end later than on the grid
        self._idle_s, self._clock = idle_s, clock
        self._ready: deque[Chunk] = deque()
        self._ready_samples = 0
        self._early: dict[
            int, tuple[Samples, float]
        ] = {}  # by first sample: samples, and since when they wait
        self._next: int | None = None  # the first chunk decides where counting begins
        self._lost = 0  # found and not yet told
        self._aux: list[AuxChunk] = []  # for the next chunk that is read
        self._aux_next = [0] * len(self.aux_streams)
        self._credit = BURST_S * sampling_rate  # samples that may come now
        self._heard_at = self._credit_at = clock()
        self._closed = False
        self._lock = threading.Lock()
        self._changed, self._waiting = threading.Condition(), 0  # for those who wait in `read`
        self.restarts = False  # whether the first chunk says so: it goes on from another process
        self.told: Callable[[], None] = lambda: None  # called after each push, and when it is closed

    def push(self, first_sample: int, samples: Samples, aux: Sequence[AuxSamples] = ()) -> Receipt:
        """Take `samples` (n, channels), the first of which has the client's index `first_sample`.

        `aux` is what came beside them; what has come of it before is passed over.

        Raises:
            DataError: not the declared channels, or values that are not finite.
            TooFastError: more than the declared rate allows.
            OverloadedError: what came before has not been read yet.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            shape = "x".join(map(str, samples.shape))
            raise DataError(f"samples are (n, {self.channels}) for the source {self.name}, got {shape}")
        if self.factor != 1:
            with np.errstate(over="ignore"):  # what does not fit is found just below
                samples = samples * np.float32(self.factor)
        if not np.isfinite(samples).all():
            raise DataError(_not_finite(samples))
        for one in aux:
            if not np.isfinite(one.samples).all():
                raise DataError(
                    f"the auxiliary stream {self.aux_streams[one.stream].name}: {_not_finite(one.samples)}"
                )
        with self._lock:
            self._heard_at = self._clock()  # also of one who sends too much: it is there
            self._spend(len(samples))
            for one in aux:
                self._take_aux(one)
            if self._next is None:
                self._next = first_sample
            if first_sample == self._next and not self._early:  # nearly always
                accepted = len(samples)
                self._hand_out(first_sample, samples)
            else:
                accepted = 0
                for first, part in self._unknown(first_sample, samples):
                    self._early[first] = (part, self._heard_at)
                    accepted += len(part)
                self._release()
            lost, self._lost = self._lost, 0
            receipt = Receipt(accepted, len(samples) - accepted, lost, self._next)
        self._tell()
        return receipt

    @property
    def next_sample(self) -> int | None:
        """The first sample that is not here yet; None before any came."""
        return self._next

    def read(self) -> Chunk | None:
        """Return the next samples in order, when they come; None once closed or idle for too long."""
        with self._changed:
            self._waiting += 1  # before the look: who does not see it has brought something before the look
            try:
                while not self._closed:
                    with self._lock:
                        chunk = self._taken()
                    if chunk is not None or self.over:
                        return chunk
                    self._changed.wait(_NAP_S)
            finally:
                self._waiting -= 1
        return None

    def take(self) -> Chunk | None:
        """Return the next samples in order, all that wait up to MERGE_S of signal; None where there are none now."""
        with self._lock:
            chunk = None if self._closed else self._taken()
            # more wait where whoever reads does not keep up, or the client sends what it had kept
            return self._merged(chunk) if chunk is not None and self._ready else chunk

    @property
    def late(self) -> bool:
        """Whether samples wait for some before them, which may be given up as lost by now."""
        return bool(self._early)

    @property
    def over(self) -> bool:
        """Whether nothing will come any more: it was closed, or has got nothing for `idle_s`."""
        return self._closed or (not self._ready and self._clock() - self._heard_at > self._idle_s)

    def close(self) -> None:
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        if self._waiting:
            with self._changed:
                self._changed.notify_all()
        self.told()

    def _taken(self) -> Chunk | None:
        self._release()
        if not self._ready:
            return None
        chunk = self._ready.popleft()
        self._ready_samples -= len(chunk.samples)
        return chunk

    def _merged(self, chunk: Chunk) -> Chunk:
        """Return it with those that wait behind it and continue it, as one chunk of at most MERGE_S."""
        parts, count = [chunk], len(chunk.samples)
        while self._ready:
            following = self._ready[0]
            count += len(following.samples)
            if (
                following.index != parts[-1].index + len(parts[-1].samples)
                or count > MERGE_S * self.sampling_rate
            ):
                break
            parts.append(self._ready.popleft())
            self._ready_samples -= len(following.samples)
        if len(parts) == 1:
            return chunk
        return Chunk(
            index=chunk.index,
            samples=np.concatenate([part.samples for part in parts]),
            restart=chunk.restart,
            acquired_at=chunk.acquired_at,  # nothing is said to be younger than it is
            aux=tuple(one for part in parts for one in part.aux),
        )

    def _spend(self, samples: int) -> None:
        """Return a bucket that the declared rate fills, with some lead, and samples empty."""
        if self._ready_samples > QUEUE_S * self.sampling_rate:
            raise OverloadedError(
                f"the source {self.name} has {QUEUE_S:g} s of signal waiting to be worked off"
            )
        now, most = self._clock(), BURST_S * self.sampling_rate
        self._credit += (now - self._credit_at) * self.sampling_rate * LEAD
        self._credit, self._credit_at = min(self._credit, most), now
        if samples > most:
            raise DataError(f"a chunk has at most {most:g} samples ({BURST_S:g} s), got {samples}")
        if samples > self._credit:
            raise TooFastError(
                f"the source {self.name} was declared with {self.sampling_rate:g} samples a second and sends more",
                retry_s=(samples - self._credit) / (self.sampling_rate * LEAD),
            )
        self._credit -= samples

    def _take_aux(self, part: AuxSamples) -> None:
        known = max(self._aux_next[part.stream] - part.first_sample, 0)
        if known >= len(part.samples):
            return
        first = part.first_sample + known
        self._aux_next[part.stream] = part.first_sample + len(part.samples)
        at = first * self.sampling_rate / self.aux_streams[part.stream].sampling_rate
        self._aux.append(AuxChunk(stream=part.stream, at=at, samples=part.samples[known:]))

    def _unknown(self, first: int, samples: Samples) -> list[tuple[int, Samples]]:
        """Return the runs of `samples` that are not here yet, each with the index of its first."""
        assert self._next is not None
        known = [(first, self._next)]  # whatever lies before
        known += [(start, start + len(early)) for start, (early, _) in self._early.items()]
        index = np.arange(first, first + len(samples))
        new = np.ones(len(samples), np.bool_)
        for start, end in known:
            new &= (index < start) | (index >= end)
        index = index[new]
        samples = samples[new]
        return [(int(index[run.start]), samples[run]) for run in runs(index)]

    def _release(self) -> None:
        """Hand out all that is in order, and what has waited long enough for what is not."""
        while self._early:
            assert self._next is not None
            first = min(self._early)
            samples, since = self._early[first]
            if first > self._next and self._clock() - since < HOLD_S:
                return
            del self._early[first]
            self._lost += first - self._next
            self._hand_out(first, samples)

    def _hand_out(self, first: int, samples: Samples) -> None:
        restart, self.restarts = self.restarts, False
        aux, at = tuple(self._aux), self._heard_at
        self._ready.append(Chunk(index=first, samples=samples, acquired_at=at, aux=aux, restart=restart))
        self._aux.clear()
        self._ready_samples += len(samples)
        self._next = first + len(samples)


def phase_s(name: str) -> float:
    """Return by how much the windows of that source may end later than on the grid, in s: below SPREAD_S.

    Many who begin together would have all their windows end in the same chunks, and the server stand idle in between.
    """
    return zlib.crc32(name.encode()) / 2**32 * SPREAD_S


def _not_finite(samples: Samples) -> str:
    row, channel = np.argwhere(~np.isfinite(samples))[0].tolist()
    return f"samples hold NaN or infinite values, the first in sample {row}, channel {channel}; all must be finite"
