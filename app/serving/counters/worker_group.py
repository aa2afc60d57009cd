"""The workers of one server: what they share, and which of them this one is."""

from __future__ import annotations

import hashlib
import mmap
import secrets
import socket
import sys
from dataclasses import dataclass

from app.serving.counters.slot import ACTIVE, SLOT_BYTES, Slot


def board_for(workers: int) -> mmap.mmap:
    """Memory that every process forked from here on shares: those of before and after a reload are there together."""
    return mmap.mmap(-1, (2 * workers + 2) * SLOT_BYTES)


def free_slot(board: mmap.mmap, taken: set[int]) -> int:
    """Return the first slot that no living worker has; the last one, where there are more workers than were planned."""
    slots = len(board) // SLOT_BYTES
    return next((slot for slot in range(slots) if slot not in taken), slots - 1)


def forget_streams(board: mmap.mmap, slot: int) -> None:
    """Set a dead worker's counts of open streams to zero."""
    dead = Slot.all_of(board)[slot]
    dead.doubles("streams")[ACTIVE] = 0.0
    dead.clear("callers")


def mark_reloaded(board: mmap.mmap, slot: int, reloaded: bool = True) -> None:
    """Have the worker of that slot know, when it is stopped, that its successor is there already; or not."""
    Slot.all_of(board)[slot].doubles("reloaded")[0] = reloaded


def new_run() -> str:
    """Return a name for one start of a server that nobody can guess."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """`run` names this start of the server, and nobody outside knows it; `board` is memory that all workers map.

    Each worker writes its own slot of the board and may read all: counters add up without a lock or a message. A
    worker that takes the place of a dead one counts on in its slot. `workers` is how many there are to be, 0 for a
    process that is alone.
    """

    run: str
    board: mmap.mmap
    slot: int
    workers: int

    @classmethod
    def alone(cls) -> WorkerGroup:
        """One worker that shares nothing: tests, commands, `flask run`."""
        return cls(new_run(), mmap.mmap(-1, SLOT_BYTES), 0, workers=0)

    @property
    def shares(self) -> bool:
        """Whether the source is shared with other workers: those beside this one, and those of after a reload.

        Elsewhere than on Linux there are no abstract sockets, and only one worker.
        """
        return self.workers > 0 and sys.platform.startswith("linux")

    @property
    def reloaded(self) -> bool:
        """Whether this worker, when it is stopped, has a successor that runs already."""
        return bool(self.own.doubles("reloaded")[0])

    @property
    def own(self) -> Slot:
        """This worker's slot."""
        return self.slots[self.slot]

    @property
    def slots(self) -> list[Slot]:
        """All slots."""
        return Slot.all_of(self.board)

    def claim(self, what: str) -> socket.socket | None:
        """Return what only one worker may do at a time, until it closes the socket or ends; None: another does it.

        An abstract address (unix(7)) belongs to the process that has bound it.
        """
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if not self.shares:
            return claim
        try:
            claim.bind(f"\0myostream-{self.run}-{what}")
        except OSError:
            claim.close()
            return None
        return claim

    def link(self, settings: str) -> str:
        """Return what the workers of this server that have these settings call the source that they share.

        After a reload with others, the new workers open a source of their own.
        """
        return f"{self.run}-{hashlib.sha256(settings.encode()).hexdigest()[:16]}"
