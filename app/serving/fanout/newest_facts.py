"""What is told of a source elsewhere, asked for while others go on, and once for all who want to know it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.errors import MyostreamError

log = logging.getLogger(__name__)

FRESH_S = 0.45  # for which an answer holds; who wants to know asks twice a second
KEPT_S = 10.0  # for which it is kept when nobody wants to know it any more


@dataclass(slots=True, eq=False)
class _Fact:
    value: Any = None
    asked_at: float = 0.0
    wanted_at: float = 0.0
    asking: bool = False


class NewestFacts:
    """`ask` asks for one by its key, and may wait; whoever wants to know gets the newest answer there is."""

    def __init__(self, ask: Callable[[str, str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._known: dict[tuple[str, str], _Fact] = {}
        self._lock = threading.Lock()

    def newest(self, what: str, source: str) -> Any:
        """Return the newest answer, without a wait; None where there is none yet."""
        now = self._clock()
        with self._lock:
            self._known = {key: one for key, one in self._known.items() if now - one.wanted_at < KEPT_S}
            fact = self._known.setdefault((what, source), _Fact())
            fact.wanted_at = now
            asks = not fact.asking and (fact.value is None or now - fact.asked_at >= FRESH_S)
            fact.asking |= asks
        if asks:
            threading.Thread(
                target=self._ask_now, args=(what, source, fact), name="remote facts", daemon=True
            ).start()
        return fact.value

    def _ask_now(self, what: str, source: str, fact: _Fact) -> None:
        try:
            fact.value = self._ask(what, source)
        except MyostreamError as error:  # the one before holds, until its owner is there again
            log.debug("the %s of %s is not known: %s", what, source, error)
        finally:
            fact.asked_at, fact.asking = self._clock(), False
