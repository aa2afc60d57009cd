"""The models that are open in this worker: each once, opened when first wanted, closed when nobody has it any more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.counted import counted, verb
from app.errors import BackendUnavailableError, BusyError, ModelNameError, NotReadyError, OverloadedError
from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.serving.engine.engine import Engine
from app.serving.process.cpu import usage

log = logging.getLogger(__name__)

IDLE_S = 5.0  # for which a model stays open after its last use, in any case: a window may still be on its way


@dataclass(slots=True, eq=False)
class OpenModel:
    """An artefact and the engine that runs it. `held` counts those who use it."""

    artefact: Artefact
    engine: Engine
    held: int = 0
    grew: int = 0  # bytes: how much larger the process was after it was opened
    left_at: float = field(default_factory=time.monotonic)

    @property
    def manifest(self) -> Manifest:
        return self.artefact.manifest

    @property
    def name(self) -> str:
        """Return what it is called; its folder's name where that is another."""
        return self.artefact.path.name

    def open(self) -> None:
        """Open its engine; what the process grew by meanwhile is taken for what it takes.

        Raises:
            BackendUnavailableError: no backend runs it.
        """
        before = usage().resident_bytes
        self.engine.open()
        self.grew = max(0, usage().resident_bytes - before)

    def backend(self, wanted: str) -> str:
        """Return the backend that a stream runs on which was opened for `wanted`: that, or the best there is here."""
        known = self.engine.backends.known
        there = [name in known and known[name].available for name in wanted.split(",")]
        return wanted if all(there) else self.engine.backends.default


class OpenModels:
    """At most `most` of them. `own` is the server's own: open as long as the worker is.

    `load` gives the artefact of a name, from the disk; `make` an engine around it, not yet open.
    """

    def __init__(
        self,
        own: OpenModel | None,
        load: Callable[[str], Artefact],
        make: Callable[[Artefact], Engine],
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own, self._load, self._make, self._most, self._clock = own, load, make, most, clock
        self._open: dict[str, OpenModel] = {}  # by the sha256 of the manifest
        self._opening: dict[str, threading.Lock] = {}
        self._places = 0  # taken by those that are being opened
        self._lock = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterator[OpenModel]:
        """Go through all that are open, the server's own first."""
        own = [] if self.own is None else [self.own]
        return iter([*own, *self._open.values()])

    def uses(self, name: str) -> bool:
        """Return whether somebody has that model now."""
        return any(one.name == name and (one.held or one is self.own) for one in self)

    def artefact(self, name: str) -> Artefact:
        """Return what lies on the disk by that name.

        Raises:
            ModelNameError, NotReadyError: as `hold`.
        """
        try:
            return self._load(name)
        except ModelNameError:
            if self.own is None or self.own.name != name:
                raise
            return self.own.artefact  # EMG_MODEL names a folder elsewhere

    def take(self, model: OpenModel) -> OpenModel:
        """Return a model that is open, held once more."""
        with self._lock:
            model.held += 1
        return model

    def hold(self, name: str) -> OpenModel:
        """Return that model, opened, tried out and compared with its reference; until it is released it stays open.

        Raises:
            ModelNameError: there is none of that name.
            NotReadyError: it is damaged, or this worker is closing.
            BackendUnavailableError: no backend runs it.
            OverloadedError: EMG_MAX_MODELS are in use.
        """
        artefact = self.artefact(name)
        found = self._held(artefact)
        if found is not None:
            return found
        with self._one_at_a_time(artefact.sha256):
            found = self._held(artefact)
            return self._opened(artefact) if found is None else found

    def release(self, model: OpenModel) -> None:
        """Say that it is no longer used."""
        with self._lock:
            model.held -= 1
            model.left_at = self._clock()

    @contextmanager
    def holding(self, name: str | None) -> Iterator[OpenModel]:
        """Hold a model for the time of a request; without a name the server's own.

        Raises:
            NotReadyError: there is none, or as `hold`, like the others.
        """
        if name is None:
            if self.own is None:
                raise NotReadyError("this server has no model of its own: name one")
            yield self.own
            return
        model = self.hold(name)
        try:
            yield model
        finally:
            self.release(model)

    def unload(self, name: str) -> None:
        """Close that model, where it is open: at latest IDLE_S after its last use. Who wants it then opens it anew.

        Raises:
            BusyError: somebody uses it, or it is the server's own.
        """
        if self.own is not None and self.own.name == name:
            raise BusyError(f"the model {name} is the server's own, and open as long as the server is")
        with self._lock:
            found = next((one for one in self._open.values() if one.name == name), None)
            if found is not None and found.held:
                raise BusyError(f"the model {name} is in use")
            if found is not None:
                del self._open[found.artefact.sha256]
        if found is not None:
            time.sleep(max(0.0, IDLE_S - self._idle_s(found)))  # a window may be on its way
            found.engine.close()
            log.info("the model %s is closed: somebody said so", name)

    def close(self) -> None:
        """Close all but the server's own, which closes with its engine. Safe to call twice."""
        with self._lock:
            self._closed = True
            models, self._open = list(self._open.values()), {}
        for model in models:
            model.engine.close()

    def _held(self, artefact: Artefact) -> OpenModel | None:
        with self._lock:
            own = self.own
            if own is not None and own.artefact.sha256 == artefact.sha256:
                found: OpenModel | None = own
            else:
                found = self._open.get(artefact.sha256)
            if found is not None:
                found.held += 1
            return found

    @contextmanager
    def _one_at_a_time(self, sha256: str) -> Iterator[None]:
        """Have those who want the same model wait for the first of them."""
        with self._lock:
            lock = self._opening.setdefault(sha256, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._opening.pop(sha256, None)

    def _opened(self, artefact: Artefact) -> OpenModel:
        began = self._clock()
        with self._place():
            model = OpenModel(artefact, self._make(artefact), held=1)
            try:
                model.open()
            except BackendUnavailableError:
                model.engine.close()
                raise
            with self._lock:
                closed = self._closed
                if not closed:
                    self._open[artefact.sha256] = model
        if closed:
            model.engine.close()
            raise NotReadyError("the server is shutting down")
        log.info("the model %s is open, after %.0f ms", model.name, (self._clock() - began) * 1e3)
        return model

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place while a model is opened: one that is free, or that of the model that was idle for longest.

        Raises:
            OverloadedError: all are in use.
        """
        with self._lock:
            taken = len(self._open) + self._places + (self.own is not None)
            oldest = None if taken < self._most else self._longest_idle()
            if taken >= self._most and oldest is None:
                raise OverloadedError(
                    f"{counted(taken, 'model')} {verb(taken, 'is', 'are')} in use, as many as EMG_MAX_MODELS"
                )
            if oldest is not None:
                del self._open[oldest.artefact.sha256]
            self._places += 1
        try:
            if oldest is not None:
                oldest.engine.close()
                log.info("the model %s is closed: nobody uses it, and another is wanted", oldest.name)
            yield
        finally:
            with self._lock:
                self._places -= 1

    def _longest_idle(self) -> OpenModel | None:
        idle = [one for one in self._open.values() if not one.held and self._idle_s(one) > IDLE_S]
        return min(idle, key=lambda one: one.left_at, default=None)

    def _idle_s(self, model: OpenModel) -> float:
        return self._clock() - model.left_at
