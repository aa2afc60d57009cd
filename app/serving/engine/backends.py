"""The backends of a worker: which can be used, which are open, and why another is not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.errors import BackendUnavailableError, MyostreamError, NotReadyError
from app.inference.backend import Backend
from app.serving.process.native_thread import NativeThread

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackendOpener:
    """How to open one backend. A lazy one is opened when it is first asked for."""

    open: Callable[[], Backend]
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class BackendState:
    """Whether a backend can be used, and if not, why and what would help."""

    available: bool
    reason: str | None = None
    cure: str | None = None


@dataclass(slots=True)
class Backends:
    """Opened, tried out and closed on the engine's thread. `try_out` raises where one does not work."""

    openers: Mapping[str, BackendOpener]  # best first
    thread: NativeThread
    try_out: Callable[[str, Backend], None]
    states: dict[str, BackendState] = field(default_factory=dict)
    opened: dict[str, Backend] = field(default_factory=dict)
    _closed: bool = False

    def open(self) -> None:
        """Open them. One that fails is noted in `states` with its reason.

        Lazy ones wait until they are asked for, unless nothing else opens.

        Raises:
            BackendUnavailableError: none of them opened.
        """
        for name, opener in self.openers.items():
            if opener.lazy:
                self.states[name] = BackendState(available=True, reason="opens when first asked for")
            else:
                self._open(name)
        if not self.opened:
            for name in [name for name, opener in self.openers.items() if opener.lazy]:
                self._open(name)
        if not self.opened:
            reasons = "; ".join(f"{name}: {state.reason}" for name, state in self.states.items())
            raise BackendUnavailableError("no backend", reasons, "Choose another with EMG_BACKENDS")

    @property
    def ready(self) -> bool:
        return bool(self.opened) and not self._closed

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
        if name not in self.opened and name in self.openers and self.states[name].available:
            self._open(name)  # a lazy one; one that has failed once is not tried at every request
        if name not in self.opened:
            state = self.states.get(name) or BackendState(
                available=False,
                reason="it is not among this server's EMG_BACKENDS",
                cure=f"Choose one of {', '.join(self.opened)}",
            )
            raise BackendUnavailableError(name, state.reason or "", state.cure or "See the log")
        return name

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

    def _open(self, name: str) -> None:
        self.thread.run(lambda: self._open_here(name))

    def _open_here(self, name: str) -> None:
        """Open that backend and try it out, on the engine thread."""
        if name in self.opened:  # two callers may have asked for a lazy one
            return
        try:
            backend = self.openers[name].open()
            self.try_out(name, backend)
        except BackendUnavailableError as error:
            self.states[name] = BackendState(available=False, reason=error.reason, cure=error.cure)
            log.warning("%s", error)
        except MyostreamError as error:
            self.states[name] = BackendState(available=False, reason=str(error))
            log.warning("%s: %s", name, error)
        except Exception as error:  # a vendor's library may raise anything; the other backends still serve
            self.states[name] = BackendState(available=False, reason=f"{type(error).__name__}: {error}")
            log.exception("%s did not open", name)
        else:
            self.opened[name] = backend
            self.states[name] = BackendState(available=True)
