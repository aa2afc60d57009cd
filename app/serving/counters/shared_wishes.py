"""What the workers of a server ask of a simulated person, in the memory that they share.

Whoever asks writes it into its own slot, with a number above all others; the highest number holds.
"""

from __future__ import annotations

import zlib

from app.emg.simulated_person import Wish
from app.serving.counters.worker_group import WorkerGroup


class SharedWishes:
    """Fits WishControl. `link` names the source that the workers share."""

    def __init__(self, worker_group: WorkerGroup, link: str) -> None:
        self._key = float(zlib.crc32(link.encode()))
        self._wishes = [slot.doubles("wish") for slot in worker_group.slots]
        self._slot = worker_group.slot

    def newest(self) -> Wish:
        number, key, gesture, seconds = max(tuple(cells) for cells in self._wishes)
        return Wish(int(number), int(gesture), seconds) if number and key == self._key else Wish(0)

    def ask(self, gesture: int, seconds: float) -> None:
        number = max(cells[0] for cells in self._wishes) + 1
        own = self._wishes[self._slot]
        own[0] = 0.0  # nobody reads it while it changes
        own[1], own[2], own[3] = self._key, float(gesture), seconds
        own[0] = number
