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


def free_slot(memory: mmap.mmap, taken: set[int]) -> int:
    """Return the first slot that no living worker has; the last one, where there are more workers than were planned."""
    slots = len(memory) // SLOT_BYTES
    return next((slot for slot in range(slots) if slot not in taken), slots - 1)


def forget_streams(memory: mmap.mmap, slot: int) -> None:
    """Set a dead worker's counts of open streams to zero."""
    dead = Slot.all_of(memory)[slot]
    dead.doubles("streams")[ACTIVE] = 0.0
    dead.clear("callers")


def mark_reloaded(memory: mmap.mmap, slot: int, reloaded: bool = True) -> None:
    """Have the worker of that slot know, when it is stopped, that its successor is there already; or not."""
    Slot.all_of(memory)[slot].doubles("reloaded")[0] = reloaded


def mark_draining(memory: mmap.mmap) -> None:
    """Have all workers know that the server is about to stop: they serve, and ask to be asked no more."""
    for slot in Slot.all_of(memory):
        slot.doubles("draining")[0] = True


def new_run() -> str:
    """Return a name for one start of a server that nobody can guess."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """The workers of this start of the server, which `run` names and nobody outside knows; `memory` is what all map.

    Each worker writes its own slot of it and may read all: counters add up without a lock or a message. A worker that
    takes the place of a dead one counts on in its slot. `workers` is how many there are to be, 0 for a process that is
    alone.
    """

    run: str
    memory: mmap.mmap
    slot: int
    workers: int
    declared: mmap.mmap | None = None  # memory for what clients have declared (shared_declarations.py)

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
    def draining(self) -> bool:
        """Whether the server is about to stop, and goes on until those in front of it know."""
        return bool(self.own.doubles("draining")[0])

    @property
    def own(self) -> Slot:
        """This worker's slot."""
        return self.slots[self.slot]

    @property
    def slots(self) -> list[Slot]:
        """All slots."""
        return Slot.all_of(self.memory)

    def try_lock(self, what: str) -> socket.socket | None:
        """Return what only one worker may do at a time, until it closes the socket or ends; None: another does it.

        An abstract address (unix(7)) belongs to the process that has bound it.
        """
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if not self.shares:
            return lock
        try:
            lock.bind(f"\0myostream-{self.run}-{what}")
        except OSError:
            lock.close()
            return None
        return lock

    def link(self, settings: str) -> str:
        """Return what the workers of this server that have these settings call the source that they share.

        After a reload with others, the new workers open a source of their own.
        """
        return f"{self.run}-{hashlib.sha256(settings.encode()).hexdigest()[:16]}"
