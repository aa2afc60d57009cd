"""Sees a backend's call that does not return: a driver that hangs holds its thread for ever, and raises nothing.

Python cannot end a native call. So this looks from a native thread of its own, which runs also while the hub is held,
says so (`hung`), and after a grace ends the process: the master starts another in its place. Opening a backend on the
engine's thread is watched as well, with more patience; what opens on a thread of its own stops nobody (backends.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.serving.counters.shared_metrics import EngineMeter
from app.serving.process.native_thread import native_sleep, start_native

log = logging.getLogger(__name__)

TICK_S = 0.25
OPENING_S = 600.0  # TensorRT may compile for minutes when a plan is new to the machine
GRACE_S = 3.0  # for streams to be told, and for probes to see it
EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h; the master knows 3 and 4 as "do not try again"

Call = tuple[str, float]  # the backend's name and when it began; another call is another object


def end_process() -> None:
    """At once: an orderly end would wait for the call that hangs."""
    os._exit(EXIT_CODE)


class Watchdog:
    """Looks whether a call hangs.

    `calls` are those under way, `opening` the backends being opened. Time is counted in ticks seen, so that a stopped
    process, or a machine that slept, is not taken for a call that hangs. `end` is what to do after the grace; None:
    wait, with `hung` set.
    """

    def __init__(
        self,
        calls: Mapping[int, Call],
        patience_s: float,
        meter: EngineMeter,
        end: Callable[[], None] | None = None,
        opening: Mapping[int, Call] = MappingProxyType({}),
    ) -> None:
        self._watched = ((calls, patience_s), (opening, OPENING_S))
        self._meter, self._end = meter, end
        self._seen: dict[tuple[float, int], tuple[Call, int]] = {}  # by patience and thread, with the ticks
        self._closed = False
        self.hung: str | None = None  # in words

    def start(self) -> None:
        start_native(self._run)

    def close(self) -> None:
        self._closed = True

    def _run(self) -> None:
        while not self._closed:
            try:
                self.tick()
            except Exception:  # whoever watches must not be the first to go
                log.exception("the watchdog stumbled")
            native_sleep(TICK_S)

    def tick(self) -> None:
        """One look at the calls under way."""
        before = self._seen
        now = {
            (patience_s, thread): call
            for calls, patience_s in self._watched
            for thread, call in dict(calls).items()
        }
        self._seen = {
            key: (call, before[key][1] + 1 if key in before and before[key][0] is call else 0)
            for key, call in now.items()
        }
        late = [
            (ticks * TICK_S - patience_s, ticks * TICK_S, call[0])
            for (patience_s, _), (call, ticks) in self._seen.items()
        ]
        over_s, waited_s, backend = max(late, default=(-1.0, 0.0, ""))
        if over_s < 0:
            self._recover()
        elif self.hung is None:
            self.hung = f"the engine hangs: {backend} has not returned for {waited_s:g} s"
            self._meter.hung(backend.removeprefix("opening "))
            log.error("%s%s", self.hung, "; this worker ends" if self._end else "")
        elif over_s >= GRACE_S and self._end is not None:
            self._end()

    def _recover(self) -> None:
        if self.hung is not None:
            self.hung = None
            log.warning("the engine goes on: the call has returned after all")
