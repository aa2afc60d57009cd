"""A pushed source that another worker reads: what is pushed here goes on to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from app.emg.auxiliary import AuxStream
from app.emg.pushed_source import AuxSamples, PushSource, Receipt
from app.emg.source import Samples
from app.errors import BusyError, DataError, FencedError, NodeGoneError, NotReadyError, SourceNameError
from app.serving.bus.bus import Bus, Ownership
from app.serving.pipelines.pushed_messages import NEXT, PUSH, message_of, read_receipt
from app.serving.sources.declaration import read
from app.serving.sources.declared import Declared

PATIENCE_S = 3.0  # for a source to be taken over; a lease ends sooner
ANSWER_S = 2.0  # for its worker to take what is pushed
LOOK_S = 0.02

T = TypeVar("T")


class RemoteSource:
    """To those who push it is as a `PushSource`. It stays the same source when another worker takes that over."""

    def __init__(
        self,
        declared: Declared,
        bus: Bus,
        here: Callable[[str], PushSource | None],
        take_over: Callable[[Ownership], None],
    ) -> None:
        """`here` gives the source where it is this worker's by now; `take_over` has it become so."""
        self.name, self.channels = declared.name, declared.channels
        self.sampling_rate, self.units = declared.sampling_rate, declared.units
        self.aux_streams: tuple[AuxStream, ...] = declared.aux or ()
        self._bus, self._here, self._take_over = bus, here, take_over
        self._next: int | None = None

    def push(self, first_sample: int, samples: Samples, aux: Sequence[AuxSamples] = ()) -> Receipt:
        """Have the source's worker take samples (n, channels); where that has died, this one goes on with the source.

        What may have come already is sent again: it is known by its index.

        Raises:
            SourceNameError: it has ended. BusyError: it was declared otherwise meanwhile.
            NotReadyError: its worker does not answer, and it could not be taken over yet.
            MyostreamError: as `PushSource.push`.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            shape = "x".join(map(str, samples.shape))
            raise DataError(f"samples are (n, {self.channels}) for the source {self.name}, got {shape}")
        message = message_of(self.name, first_sample, samples, aux)
        receipt = self._asked(
            lambda source: source.push(first_sample, samples, aux),
            lambda node: read_receipt(self._bus.call(node, PUSH, message, ANSWER_S)),
        )
        self._next = receipt.next_sample
        return receipt

    @property
    def next_sample(self) -> int | None:
        """The first sample that is not there yet, as far as is known here; None before any came."""
        if self._next is None:
            self._next = self._asked(lambda source: source.next_sample, self._next_at)
        return self._next

    def _next_at(self, node: str) -> int | None:
        answer: int | None = json.loads(self._bus.call(node, NEXT, self.name.encode(), ANSWER_S))
        return answer

    def _asked(self, here: Callable[[PushSource], T], there: Callable[[str], T]) -> T:
        """Return what the source says, wherever it is by now."""
        ends, why = time.monotonic() + PATIENCE_S, "its worker is gone"
        while True:
            source = self._here(self.name)
            if source is not None:
                self._expect_same(source.channels, source.aux_streams)
                return here(source)
            owner = self._bus.owner(self.name)
            if owner is None:
                raise SourceNameError(f"no source {self.name!r} any more: it has ended; declare it again")
            if not owner.alive:
                self._take_over(owner)
            elif owner.node != self._bus.node:
                declared = read(owner.declaration)
                self._expect_same(declared.channels, declared.aux or ())
                try:
                    return there(owner.node)
                except (NodeGoneError, FencedError) as error:  # another has it, or will have it soon
                    why = str(error)
            if time.monotonic() > ends:
                raise NotReadyError(f"the source {self.name} takes nothing just now: {why}")
            time.sleep(LOOK_S)

    def _expect_same(self, channels: int, aux: tuple[AuxStream, ...]) -> None:
        if (channels, aux) != (self.channels, self.aux_streams):
            raise BusyError(f"the source {self.name} has been declared anew meanwhile")
