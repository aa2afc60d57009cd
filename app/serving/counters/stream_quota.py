"""How many streams and downloads each key or address has open, in all workers together."""

from __future__ import annotations

import threading
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.serving.counters.slot import CALLER_ROWS, Slot
from app.serving.counters.worker_group import WorkerGroup


class SharedQuota(Protocol):
    """Counts streams of a key or address at other machines too."""

    def opened(self, caller: str, most: int) -> bool:
        """Count one more; False, and nothing counted, where there are `most` already. It may wait."""

    def closed(self, caller: str) -> None:
        """Count one fewer, if it was counted. It may wait."""

    def close(self) -> None:
        """Let all go that were counted here. Safe to call twice."""


class StreamQuota:
    """Rows of a mark and a count in each worker's slot of it; a worker writes its own and adds up all.

    The mark is 48 bits of the caller's hash, so that workers need not agree on an order. Two that ask at the very same
    moment may both get the last place.
    """

    def __init__(self, worker_group: WorkerGroup) -> None:
        self._all = [_rows(slot) for slot in worker_group.slots]
        self._own = self._all[worker_group.slot]
        self._taken: dict[str, int] = {}
        self._free = list(range(CALLER_ROWS))
        self._lock = threading.Lock()

    def opened(self, caller: str, most: int) -> bool:
        """Count one more; False, and nothing counted, where there are `most` already, or no row is left."""
        with self._lock:
            return self._counted(caller, most)

    def closed(self, caller: str) -> None:
        """One fewer, if it was counted."""
        with self._lock:
            self._forget(caller)

    def _counted(self, caller: str, most: int) -> bool:
        mark = _mark(caller)
        if sum(float(rows[rows[:, 0] == mark, 1].sum()) for rows in self._all) >= most:
            return False
        if caller not in self._taken:
            if not self._free:
                return False
            self._taken[caller] = self._free.pop()
            self._own[self._taken[caller]] = mark, 0.0
        self._own[self._taken[caller], 1] += 1.0
        return True

    def _forget(self, caller: str) -> None:
        row = self._taken.get(caller)
        if row is None:
            return
        self._own[row, 1] -= 1.0
        if not self._own[row, 1]:
            self._own[row, 0] = 0.0
            self._free.append(self._taken.pop(caller))


def _mark(caller: str) -> float:
    return float(int.from_bytes(sha256(caller.encode()).digest()[:6], "big") + 1)


def _rows(slot: Slot) -> NDArray[np.float64]:
    return np.asarray(slot.doubles("callers")).reshape(CALLER_ROWS, 2)
