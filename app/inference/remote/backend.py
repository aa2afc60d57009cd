"""The model in a fleet, asked over the network: it may be late, be gone, or be another model, and is told from that.

Whatever comes of a question that is not a sound answer in time is a RemoteError, and another backend answers in its
place. What is wrong for longer opens the circuit: then the fleet is not asked, but tried now and then, beside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.errors import NotReadyError, WindowError
from app.inference.artefact import Artefact
from app.inference.backend import Batch, Inference
from app.inference.batch import as_steps, expect_windows
from app.inference.outputs import as_logits
from app.inference.remote.circuit import Circuit
from app.inference.remote.connection import Connection
from app.inference.remote.examination import KnownAnswers, ask, examine, known_answers
from app.inference.remote.messages import Answered
from app.inference.remote.senders import Senders, Served
from app.inference.remote.target import NAME, RemoteError, Target
from app.inference.remote.terms import Terms

log = logging.getLogger(__name__)

PROOF_S = 1.0  # between two windows whose answer is known, among those that are asked on one connection
_CURE = "It is tried again from time to time"


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """What a fleet said, and how long the windows waited for a connection, and it took.

    `windows` are those of the calls that took these windows first: each call counts once, whoever shares it.
    """

    inference: Inference
    wait_s: float
    latency_s: float
    windows: int


class _Line:
    """A connection, and when it last proved that it leads to the model."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.proved_at: float | None = None
        self.proofs = 0

    def close(self) -> None:
        self.connection.close()


class RemoteBackend:
    """Fits Backend; `infer` waits, where it is called, for at most the target's time-out for each call."""

    name = NAME
    reentrant = False  # it is called where it is asked for, but not by what calls short functions in place
    stem: str | None = None

    def __init__(
        self, target: Target, known: KnownAnswers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.precision = known.precision
        self._target, self._known, self._clock = target, known, clock
        self._circuit = Circuit(clock)
        self._terms: Terms | None = None  # None until an examination was passed
        self._version, self._cure = "", _CURE
        self._trying = self._closed = False
        self._senders: Senders[_Line] = Senders(
            lambda: _Line(Connection(target, clock)), self._sent, lambda: self._most, clock
        )

    @classmethod
    def open(cls, artefact: Artefact, target: Target) -> RemoteBackend:
        """Find the model in the fleet. Where it is not, or not as it should be, `trouble` says why.

        Args:
            artefact: the model.
            target: where it is.

        Raises:
            ArtefactError: the artefact is damaged.
        """
        backend = cls(target, known_answers(artefact, target.precision))
        backend._examine()
        return backend

    @property
    def trouble(self) -> str | None:
        """Return why it cannot be asked now; None where it can."""
        return self._circuit.trouble

    @property
    def cure(self) -> str:
        """Return what would help."""
        return self._cure

    @property
    def opened(self) -> int:
        """Return how often its circuit has opened."""
        return self._circuit.opened

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits.

        Raises:
            WindowError, NotReadyError, RemoteError: as `ask`.
        """
        return self.ask(batch, steps).inference

    def ask(self, batch: Batch, steps: int | None = None) -> RemoteAnswer:
        """Map normalised windows to logits, sent with those of others who ask just now.

        Raises:
            WindowError: the windows are not for this model, or `steps` are not those of a spiking graph.
            NotReadyError: it is closed.
            RemoteError: the fleet gave no answer that may be used.
        """
        manifest = self._known.manifest
        if self._closed:
            raise NotReadyError(f"the {self.name} backend is closed")
        expect_windows(batch, manifest)
        if as_steps(steps, manifest) != manifest.steps and manifest.architecture == "spiking_tcn":
            raise WindowError(
                f"steps must be {manifest.steps} in {self.name}, got {steps}; pytorch takes any"
            )
        size = self._most
        found = [self._served(batch[at : at + size]) for at in range(0, len(batch), size)]
        output = np.concatenate([one.answered.output for one in found])
        spikes = np.concatenate([one.answered.spikes for one in found])
        return RemoteAnswer(
            Inference(as_logits(output, manifest.outputs.kind), spikes),
            sum(one.wait_s for one in found),
            sum(one.latency_s for one in found),
            sum(one.windows for one in found),
        )

    def tick(self) -> None:
        """Have the fleet tried, beside, where its circuit is open and the time has come. Does not wait."""
        if self._circuit.due and not self._trying and not self._closed:
            self._trying = True
            threading.Thread(target=self._tried, name="remote try", daemon=True).start()

    def close(self) -> None:
        """Have its connections end. Safe to call twice."""
        self._closed = self._senders.closed = True

    @property
    def _most(self) -> int:
        """Return how many windows go together; where several do, one more goes as a proof."""
        return 1 if self._terms is None else max(self._terms.most - 1, 1)

    def _served(self, windows: Batch) -> Served:
        asked_at = self._clock()
        if self._circuit.trouble is not None:
            raise RemoteError(self._circuit.trouble, self._cure)
        try:
            served = self._senders.ask(windows, self._target.timeout_s)
        except RemoteError as error:
            before = self._circuit.opened
            self._circuit.failed(error.reason, asked_at, error.grave)
            if self._circuit.opened > before:
                self._cure = error.cure
                log.warning("remote is not asked for %s any more: %s", self._target.model, error.reason)
            raise
        self._circuit.answered()
        return served

    def _sent(self, line: _Line, windows: Batch, deadline: float) -> Answered:
        """Return the answers of a call, on the line's own thread."""
        terms = self._terms
        assert terms is not None  # else the circuit is open
        known_well = line.proved_at is not None and self._clock() - line.proved_at < PROOF_S
        if known_well and not line.connection.fresh:
            try:
                return self._sound(ask(line.connection, self._target, terms, windows, deadline, again=False))
            except RemoteError as error:
                if not error.lost:
                    raise
        return self._proved(line, terms, windows, deadline)  # perhaps it is another server that answers now

    def _proved(self, line: _Line, terms: Terms, windows: Batch, deadline: float) -> Answered:
        """Return the same, where a window whose answer is known is answered right beside them."""
        row = [line.proofs % len(self._known.windows)]
        proof = self._known.windows[row]
        if terms.most == 1:
            proved = ask(line.connection, self._target, terms, proof, deadline).output
            found = ask(line.connection, self._target, terms, windows, deadline, again=False)
        else:
            both = ask(line.connection, self._target, terms, np.concatenate([windows, proof]), deadline)
            found = Answered(both.output[:-1], both.spikes[:-1], both.version)
            proved = both.output[-1:]
        trouble = self._known.trouble(row, proved)
        if trouble is not None:
            raise RemoteError(f"another model answers for {self._target.model}: {trouble}", _CURE, grave=True)
        line.proved_at, line.proofs = self._clock(), line.proofs + 1
        return self._sound(found)

    def _sound(self, found: Answered) -> Answered:
        """Return the same, where it is of the model that was examined."""
        if found.version != self._version:
            what = f"the model {self._target.model} there is version {found.version[:40]} now, not {self._version[:40]}"
            raise RemoteError(what, _CURE, grave=True)
        return found

    def _tried(self) -> None:
        before = self._circuit.trouble
        try:
            self._examine()
        finally:
            self._trying = False
        if self._circuit.trouble is None:
            log.info("remote is asked for %s again", self._target.model)
        elif self._circuit.trouble != before:
            log.warning("remote is still not asked for %s: %s", self._target.model, self._circuit.trouble)

    def _examine(self) -> None:
        try:
            self._terms, self._version = examine(self._target, self._known, self._clock)
        except RemoteError as error:
            self._cure = error.cure
            self._circuit.tried(error.reason)
        except Exception as error:  # it must not end what tries: it is tried again
            log.exception("remote could not be examined")
            self._circuit.tried(f"{type(error).__name__}: {error}")
        else:
            self._circuit.tried(None)
