"""What a node knows of the owners of all sources, and those who want to hear of changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from app.serving.bus.bus import Ownership, Watcher

log = logging.getLogger(__name__)


class Watching:
    """Something that is told until it is closed."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget: Callable[[], None] | None = forget

    def close(self) -> None:
        forget, self._forget = self._forget, None
        if forget is not None:
            forget()


class OwnerTable:
    """Kept by the bus. What is known of a source of a dead node is forgotten after `keep_s`; `expired` hears of it."""

    def __init__(
        self,
        keep_s: float,
        clock: Callable[[], float] = time.monotonic,
        expired: Callable[[str, int], None] = lambda _, __: None,
    ) -> None:
        self._keep_s, self._clock, self._expired = keep_s, clock, expired
        self._owners: dict[str, Ownership] = {}
        self._dead_since: dict[str, float] = {}
        self._watchers: list[Watcher] = []
        self._lock = threading.RLock()

    def get(self, source: str) -> Ownership | None:
        return self._owners.get(source)

    def all(self) -> dict[str, Ownership]:
        """Return all by name, the oldest first."""
        return dict(sorted(self._owners.copy().items(), key=lambda one: one[1].token))

    def note(self, owner: Ownership) -> None:
        """Take what was heard of a source, unless something newer is known."""
        with self._lock:
            known = self._owners.get(owner.source)
            if known == owner or (known is not None and known.token > owner.token):
                return
            self._owners[owner.source] = owner
            if owner.alive:
                self._dead_since.pop(owner.source, None)
            else:
                self._dead_since.setdefault(owner.source, self._clock())
        self._tell(owner.source, owner)

    def over(self, source: str, token: int) -> None:
        """Forget a source, unless it has another owner by now."""
        with self._lock:
            known = self._owners.get(source)
            if known is None or known.token > token:
                return
            del self._owners[source]
            self._dead_since.pop(source, None)
        self._tell(source, None)

    def dead_for(self, source: str) -> float:
        """Return for how many seconds a source's owner has been dead; 0 where it lives."""
        since = self._dead_since.get(source)
        return 0.0 if since is None else self._clock() - since

    def died(self, node: str) -> None:
        """Note that a node is gone: its sources are free."""
        for owner in list(self._owners.values()):
            if owner.node == node and owner.alive:
                self.note(replace(owner, alive=False))

    def tidy(self) -> None:
        """Forget the sources of dead nodes that nobody has taken up in time."""
        now = self._clock()
        for source, since in list(self._dead_since.items()):
            known = self._owners.get(source)
            if known is not None and now - since > self._keep_s:
                self._expired(source, known.token)
                self.over(source, known.token)

    def watch(self, told: Watcher) -> Watching:
        self._watchers.append(told)
        return Watching(lambda: self._watchers.remove(told))

    def _tell(self, source: str, owner: Ownership | None) -> None:
        for told in self._watchers.copy():
            try:
                told(source, owner)
            except Exception:
                log.exception("a change of the owner of %s was not taken", source)
