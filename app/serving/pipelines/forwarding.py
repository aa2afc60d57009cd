"""Samples that another worker is to have, faster than each could be acknowledged: those that wait go together."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.emg.pushed_source import AuxSamples, Receipt
from app.emg.source import Samples
from app.errors import MyostreamError, OverloadedError, TooFastError
from app.serving.pipelines.remote_source import RemoteSource

log = logging.getLogger(__name__)

MOST_WAITING_S = 5.0  # of signal; longer than another worker takes to go on with a source
TOGETHER_S = 1.0  # of signal that go in one piece


class Waiting(NamedTuple):
    """Consecutive samples that are to be carried on."""

    first_sample: int
    samples: Samples  # (n, channels)
    aux: tuple[AuxSamples, ...]


class Forwarding:
    """Carries one client's samples to its source on a thread of its own, so that whoever brings them never waits."""

    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        self._waiting: deque[Waiting] = deque()
        self._samples = 0  # that wait, or are under way
        self._there, self._closed, self._running = threading.Event(), False, False
        self._lock = threading.Lock()
        self._receipts: list[Receipt] = []
        self._failed: MyostreamError | None = None

    @property
    def owes(self) -> bool:
        """Whether there are samples of which no receipt has come."""
        return self._samples > 0 and self._failed is None

    def push(self, first_sample: int, samples: Samples, aux: Sequence[AuxSamples] = ()) -> None:
        """Have samples (n, channels) carried on.

        Raises:
            OverloadedError: too many wait.
            MyostreamError: some before these were refused.
        """
        if self._failed is not None:
            raise self._failed
        if self._samples > MOST_WAITING_S * self._source.sampling_rate:
            raise OverloadedError(
                f"the source {self._source.name} is another worker's, which owes {MOST_WAITING_S:g} s"
            )
        with self._lock:
            self._waiting.append(Waiting(first_sample, samples, tuple(aux)))
            self._samples += len(samples)
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name=f"pushes on {self._source.name}", daemon=True).start()
        self._there.set()

    def receipts(self) -> list[Receipt]:
        """Return those that have come since the last time."""
        with self._lock:
            came, self._receipts = self._receipts, []
        return came

    def close(self) -> None:
        """Carry on what waits, and then no more."""
        self._closed = True
        self._there.set()

    def _run(self) -> None:
        while self._failed is None:
            part = self._taken()
            if part is None:
                if self._closed:
                    return
                self._there.wait()
                self._there.clear()
                continue
            try:
                receipt = self._pushed(part)
            except MyostreamError as error:
                self._failed = error
                return
            with self._lock:
                self._receipts.append(receipt)
                self._samples -= len(part.samples)

    def _pushed(self, part: Waiting) -> Receipt:
        """Push it when the source takes it; those behind it wait meanwhile."""
        while True:
            try:
                return self._source.push(*part)
            except TooFastError as error:
                if self._closed:
                    raise
                time.sleep(min(error.retry_s, TOGETHER_S))

    def _taken(self) -> Waiting | None:
        """Return what waits longest, with what continues it."""
        with self._lock:
            if not self._waiting:
                return None
            first = self._waiting.popleft()
            parts, count = [first], len(first.samples)
            while self._waiting:
                following = self._waiting[0]
                count += len(following.samples)
                if (
                    following.first_sample != parts[-1].first_sample + len(parts[-1].samples)
                    or count > TOGETHER_S * self._source.sampling_rate
                ):
                    break
                parts.append(self._waiting.popleft())
        if len(parts) == 1:
            return first
        samples = np.concatenate([part.samples for part in parts])
        return Waiting(first.first_sample, samples, tuple(one for part in parts for one in part.aux))
