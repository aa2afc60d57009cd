"""Small real classes that fit the Protocols, for tests of what is above them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.source import Chunk
from app.errors import SourceError
from app.inference.backend import Batch, Inference


class FakeClock:
    """Time that passes only when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeBackend:
    """Says class 1 for every window, and keeps what it was asked and on which threads."""

    name, reentrant, stem = "fake", False, None

    def __init__(self, classes: int = 3, fails: bool = False) -> None:
        self._classes, self.fails = classes, fails
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.closed_on: list[int] = []

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        self.threads.add(threading.get_ident())
        self.batches.append(len(batch))
        if self.fails:
            raise RuntimeError("the device was lost")
        logits = np.zeros((len(batch), self._classes), np.float32)
        logits[:, 1] = 1.0
        return Inference(logits, np.zeros(len(batch), np.float32))

    def close(self) -> None:
        self.closed_on.append(threading.get_ident())


class LiveSource:
    """Seeded noise: two seconds at once, then a little every 10 ms until it is closed."""

    name, units = "live", "uV"

    def __init__(self, channels: int = 4, sampling_rate: float = 200.0, seed: int = 0) -> None:
        self.channels, self.sampling_rate = channels, sampling_rate
        self.gesture_names: Sequence[str] = ("rest", "a", "b")
        self._random = np.random.default_rng(seed)
        self._index = 0
        self._closed = threading.Event()

    def read(self) -> Chunk | None:
        count = 2
        if self._index == 0:
            count = round(2 * self.sampling_rate)
        elif self._closed.wait(0.01):
            return None
        samples = self._random.normal(size=(count, self.channels)).astype(np.float32)
        chunk = Chunk(index=self._index, samples=samples, labels=np.ones(count, np.int16))
        self._index += count
        return chunk

    def close(self) -> None:
        self._closed.set()


class StepwiseSource:
    """Waits to be given what `read` returns or raises, so that a test decides when."""

    name, units = "stepwise", "uV"

    def __init__(self, channels: int = 1, sampling_rate: float = 200.0) -> None:
        self.channels, self.sampling_rate = channels, sampling_rate
        self.gesture_names: Sequence[str] = ()
        self._steps: list[Chunk | SourceError | None] = []
        self._given = threading.Semaphore(0)
        self._gifts = self._reads = 0

    def give(self, step: Chunk | SourceError | None) -> None:
        self._gifts += 1
        self._steps.append(step)
        self._given.release()

    @property
    def waits(self) -> bool:
        """Whether the reader has done all with what was given, and asks for the next."""
        return self._reads > self._gifts

    def read(self) -> Chunk | None:
        self._reads += 1
        self._given.acquire()
        step = self._steps.pop(0)
        if isinstance(step, SourceError):
            raise step
        return step

    def close(self) -> None:
        self.give(None)


class SteadySource:
    """Seeded noise at its own rate, whole samples every 10 ms, until it is closed; `aux` comes beside it.

    An auxiliary stream counts up: sample n of it is n, in all its channels.
    """

    name, units = "steady", "uV"

    def __init__(
        self,
        channels: int = 4,
        sampling_rate: float = 200.0,
        aux: Sequence[AuxStream] = (),
        amplitude: float = 30.0,
    ) -> None:
        self.channels, self.sampling_rate, self.aux_streams = channels, sampling_rate, tuple(aux)
        self.gesture_names: Sequence[str] = ()
        random = np.random.default_rng(0)
        self._noise = random.normal(0, amplitude, (round(sampling_rate), channels)).astype(np.float32)
        self._began = time.monotonic()
        self._index = 0
        self._sent = [0] * len(self.aux_streams)
        self._closed = threading.Event()

    def read(self) -> Chunk | None:
        while True:
            if self._closed.wait(0.01):
                return None
            due = int((time.monotonic() - self._began) * self.sampling_rate)
            if due > self._index:
                break
        rows = np.arange(self._index, due) % len(self._noise)
        chunk = Chunk(index=self._index, samples=self._noise[rows], aux=self._beside(due))
        self._index = due
        return chunk

    def _beside(self, due: int) -> tuple[AuxChunk, ...]:
        found = []
        for number, stream in enumerate(self.aux_streams):
            step = self.sampling_rate / stream.sampling_rate
            first, last = self._sent[number], int(due / step)
            if last > first:
                values = np.arange(first, last, dtype=np.float32)[:, None].repeat(stream.channels, axis=1)
                found.append(AuxChunk(stream=number, at=first * step, samples=values))
                self._sent[number] = last
        return tuple(found)

    def close(self) -> None:
        self._closed.set()
