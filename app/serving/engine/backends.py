"""The backends of a worker: which can be used, which are open, and why another is not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.errors import BackendUnavailableError, MyostreamError, NotReadyError
from app.inference.backend import Backend
from app.serving.engine.elsewhere import Elsewhere
from app.serving.process.native_thread import NativeThread, native_thread

log = logging.getLogger(__name__)

OPEN_S = 120.0  # for what is opened on a thread of its own; a library on a cold network disk takes long


@dataclass(frozen=True, slots=True)
class BackendOpener:
    """How to open one backend. A lazy one is opened when it is first asked for.

    `prepare` does what may be done on any thread, such as importing the library, and says whether `open` may run
    there as well. What holds a CUDA context may not: it is made on the thread that uses it. `anywhere`: it may be
    opened on any thread, so that streams of other models go on meanwhile.
    """

    open: Callable[[], Backend]
    lazy: bool = False
    prepare: Callable[[], bool] | None = None
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class BackendState:
    """Whether a backend can be used, and if not, why and what would help."""

    available: bool
    reason: str | None = None
    cure: str | None = None


@dataclass(slots=True)
class Backends:
    """Opened, tried out and closed on the engine's thread; a lazy one is opened beside it where its opener allows.

    `try_out` raises where one does not work. `opening` has what the engine's thread opens now: see Watchdog.
    """

    openers: Mapping[str, BackendOpener]  # best first
    thread: NativeThread
    try_out: Callable[[str, Backend], None]
    known: dict[str, BackendState] = field(default_factory=dict)  # what came of opening it
    opened: dict[str, Backend] = field(default_factory=dict)
    elsewhere: dict[str, Elsewhere] = field(default_factory=dict)  # those of `opened` that may come and go
    opening: dict[int, tuple[str, float]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)  # why one cannot be used, as the log has it
    _closed: bool = False
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def open(self, beside: bool = False) -> None:
        """Open them. One that fails is noted in `states` with its reason.

        Lazy ones wait until they are asked for, unless nothing else opens. `beside`: others stream meanwhile.

        Raises:
            BackendUnavailableError: there are some, and none of them opened.
        """
        for name, opener in self.openers.items():
            if opener.lazy:
                self.known[name] = BackendState(available=True, reason="opens when first asked for")
            else:
                self._open(name, beside and opener.anywhere)
        if not self.opened:
            for name in [name for name, opener in self.openers.items() if opener.lazy]:
                self._open_late(name) if beside else self._open(name)
        if self.openers and not self.opened:
            reasons = "; ".join(f"{name}: {state.reason}" for name, state in self.known.items())
            raise BackendUnavailableError("no backend", reasons, "Choose another with EMG_BACKENDS")

    @property
    def states(self) -> dict[str, BackendState]:
        """Return what is known of each, now."""
        gone = {name: one for name, one in self.elsewhere.items() if one.trouble is not None}
        now = {
            name: BackendState(available=False, reason=one.trouble, cure=one.cure)
            for name, one in gone.items()
        }
        return {**self.known, **now} if now else self.known

    @property
    def ready(self) -> bool:
        return bool(self.opened) and not self._closed

    @property
    def trouble(self) -> str | None:
        """Return why none of those that are open can answer now; None where one can."""
        gone = [f"{name}: {one.trouble}" for name, one in self.elsewhere.items() if one.trouble is not None]
        return "; ".join(gone) if self.opened and len(gone) == len(self.opened) else None

    @property
    def default(self) -> str:
        """What answers who names none: the best, and where that is elsewhere behind it those that take its place."""
        best = self.best
        return best if best not in self.elsewhere else ",".join(self._from(best))

    @property
    def here(self) -> str:
        """The best of this machine.

        Raises:
            BackendUnavailableError: there is none.
        """
        found = next(
            (name for name in self.openers if name in self.opened and name not in self.elsewhere), None
        )
        if found is None:
            cure = "Name one in its EMG_BACKENDS, such as onnxruntime"
            raise BackendUnavailableError("a backend of this server's own", "all of it is elsewhere", cure)
        return found

    def standing(self, wanted: str) -> str:
        """Return the one of several, with commas between, that would be asked just now."""
        if not self.elsewhere or "," not in wanted:
            return wanted
        names = wanted.split(",")
        return next((name for name in names if not self._gone(name)), names[-1])

    def _from(self, first: str) -> list[str]:
        """Return the names of those that may answer, from that one on."""
        names = list(self.openers)
        return [name for name in names[names.index(first) :] if self.known[name].available]

    @property
    def best(self) -> str:
        """The first, in the operator's order, that is open."""
        return next(name for name in self.openers if name in self.opened)

    def named(self, backend: str | None = None) -> str:
        """Return the backend of that name, opened if need be; without a name the best.

        Raises:
            BackendUnavailableError: it cannot be used, with the reason and the cure.
            NotReadyError: the engine is closed.
        """
        if not self.ready:
            raise NotReadyError("the engine is closed")
        name = backend or self.best
        if name not in self.opened and name in self.openers and self.known[name].available:
            self._open_late(name)  # a lazy one; one that has failed once is not tried at every request
        if name not in self.opened or (backend is not None and self._gone(name)):
            state = self.states.get(name) or BackendState(
                available=False,
                reason="it is not among this server's EMG_BACKENDS",
                cure=f"Choose one of {', '.join(self.opened)}",
            )
            raise BackendUnavailableError(name, state.reason or "", state.cure or "See the log")
        return name

    def for_stream(self, backend: str | None, use_tensorrt: bool) -> str:
        """Return the one a stream runs on: the one named, or else the best; without TensorRT if so asked.

        Several, with commas between, where the best is elsewhere: the first of them that can answer does. Empty where
        there is none at all, as without a model.

        Raises:
            BackendUnavailableError: the one named cannot be used, with reason and cure.
        """
        if not self.openers:
            return ""
        if backend is not None:
            return self.named(backend)
        if self.best in self.elsewhere:
            names = [name for name in self._from(self.best) if use_tensorrt or name != "tensorrt"]
            return ",".join(names)
        if use_tensorrt or self.best != "tensorrt":
            return self.best
        others = [name for name, state in self.states.items() if state.available and name != "tensorrt"]
        return self.named(others[0] if others else "onnxruntime")

    def _gone(self, name: str) -> bool:
        return name in self.elsewhere and self.elsewhere[name].trouble is not None

    def tick(self) -> None:
        """Have those elsewhere tried that are gone, and may be back. Does not wait."""
        for one in self.elsewhere.values():
            one.tick()

    def close(self) -> bool:
        """Close them on their own thread; False when that was done before."""
        if self._closed:
            return False
        self._closed = True
        self.thread.run(self._close)
        return True

    def _close(self) -> None:
        for backend in self.opened.values():
            backend.close()
        self.opened.clear()

    def _open_late(self, name: str) -> None:
        """Open a lazy one, so far as it allows beside the engine's thread: streams go on meanwhile."""
        with self._one_at_a_time:
            prepare = self.openers[name].prepare
            if name in self.opened or not self.known[name].available:
                return  # another caller has opened it, or tried to
            opened: list[Backend] = []
            if prepare is None or not self._beside(name, lambda: self._open_prepared(name, prepare, opened)):
                self._open(name)
            elif opened:
                self._add(name, opened[0])

    def _beside(self, name: str, open_it: Callable[[], bool]) -> bool:
        """Run `open_it` on a native thread of its own; False where the engine's thread has to open it."""
        thread, done = native_thread(), list[bool]()
        if not thread.run(lambda: done.append(self._guarded(name, open_it)), OPEN_S):
            reason = f"it was not open after {OPEN_S:g} s"  # the thread is left to itself
            self.known[name] = BackendState(available=False, reason=reason, cure="Restart the server")
            log.error("%s: %s", name, reason)
            return True
        thread.close()
        return done[0]

    def _open_prepared(self, name: str, prepare: Callable[[], bool], opened: list[Backend]) -> bool:
        """Prepare that backend and open it where that may be done here, on a thread of its own."""
        if not prepare():
            return False
        backend = self.openers[name].open()
        self.try_out(name, backend)
        opened.append(backend)
        return True

    def _add(self, name: str, backend: Backend) -> None:
        if self._closed:
            backend.close()
            raise NotReadyError("the engine is closed")
        self.opened[name] = backend
        if isinstance(backend, Elsewhere):
            self.elsewhere[name] = backend
        self.known[name] = BackendState(available=True)

    def _open(self, name: str, beside: bool = False) -> None:
        opened: list[Backend] = []
        if not beside:
            self.thread.run(lambda: self._open_here(name))
        elif self._beside(name, lambda: self._open_prepared(name, lambda: True, opened)) and opened:
            self._add(name, opened[0])

    def _open_here(self, name: str) -> None:
        """Open that backend and try it out, on the engine thread."""
        thread = threading.get_ident()
        self.opening[thread] = (f"opening {name}", time.monotonic())
        try:
            self._guarded(name, lambda: self._open_now(name))
        finally:
            del self.opening[thread]

    def _open_now(self, name: str) -> bool:
        backend = self.openers[name].open()
        self.try_out(name, backend)
        self._add(name, backend)
        return True

    def _guarded(self, name: str, open_it: Callable[[], bool]) -> bool:
        """Return what `open_it` returns; True where it fails, which is noted in `states`."""
        try:
            return open_it()
        except BackendUnavailableError as error:
            self.known[name] = BackendState(available=False, reason=error.reason, cure=error.cure)
            if self.told.get(name) != error.reason:  # what is missing on the machine is so for every model
                self.told[name] = error.reason
                log.warning("%s", error)
        except MyostreamError as error:
            self.known[name] = BackendState(available=False, reason=str(error))
            log.warning("%s: %s", name, error)
        except Exception as error:  # a vendor's library may raise anything; the other backends still serve
            self.known[name] = BackendState(available=False, reason=f"{type(error).__name__}: {error}")
            log.exception("%s did not open", name)
        return True
