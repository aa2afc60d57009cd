"""Which models the sources of all workers use, in the memory that these share, and how one becomes another in all.

A worker that changes a model writes what it is about to do into its own slot, with a number above all others; the
highest number holds. The others answer in their slots that they are ready, or why not. Then it proposes a sample from
which on it is to be so: whoever has read that waits, before it looks at a window that ends there or later, for what
comes of it. Where none has come so far yet it is so, else it proposes a later one; or nothing comes of it all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from app.serving.counters.slot import SWAP_DOUBLES, WHY_DOUBLES, Slot
from app.serving.counters.worker_group import WorkerGroup

HEAD = 2  # doubles: the number of the record, and its bytes
PREPARE, PROPOSE, COMMIT, DROP = "prepare", "propose", "commit", "drop"


class Pick(NamedTuple):
    """What somebody may choose for a source: a model (None: none), and the profile whose thresholds it goes with."""

    model: str | None
    profile: str | None = None


NOTHING = Pick(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a source uses by somebody's choice, and what it used before, the newest last."""

    pick: Pick
    sha256: str | None = None  # of the model's manifest
    before: tuple[Pick, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Chosen:
        """Return it from what `asdict` and JSON have made of it."""
        before = tuple(Pick(*one) for one in values["before"])
        return cls(pick=Pick(*values["pick"]), sha256=values["sha256"], before=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRecord:
    """`base` names the settings of the server: after a reload with others it holds no more.

    `chosen` is by source; before COMMIT it is still without what is about to be.
    """

    base: str
    phase: str
    source: str
    writer: int = 0  # the process id of the worker that makes the change
    pick: Pick = NOTHING
    sha256: str | None = None
    from_sample: int = 0
    chosen: Mapping[str, Chosen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says to a record: `why` it cannot follow, None where it is ready; and how far its source is."""

    why: str | None
    reached: int  # samples


class SharedSwap:
    """This worker's view of what all share."""

    def __init__(self, worker_group: WorkerGroup) -> None:
        self._group = worker_group

    @property
    def number(self) -> int:
        """Return that of the newest record; 0 before the first. Cheap: it is asked at every tick."""
        return int(max(slot.doubles("swap")[0] for slot in self._group.slots))

    def newest(self, base: str) -> tuple[int, SwapRecord | None]:
        """Return the newest record of a server of those settings, and its number; None where there is none."""
        cells = max(self._group.slots, key=lambda one: one.doubles("swap")[0]).doubles("swap")
        number, size = int(cells[0]), int(cells[1])
        text = bytes(cells.cast("B")[8 * HEAD : 8 * HEAD + size])
        if not number or int(cells[0]) != number:  # it changes just now: the next look finds it
            return 0, None
        values: dict[str, Any] = json.loads(text)
        values["chosen"] = {source: Chosen.of(one) for source, one in values["chosen"].items()}
        values["pick"] = Pick(*values["pick"])
        record = SwapRecord(**values)
        return number, record if record.base == base else None

    def write(self, record: SwapRecord) -> int:
        """Tell all workers; return the number of the record, which is the newest now.

        Raises:
            ValueError: it is too long.
        """
        text = json.dumps(asdict(record)).encode()
        if len(text) > 8 * (SWAP_DOUBLES - HEAD):
            raise ValueError(f"a record of {len(text)} bytes")
        own = self._group.own.doubles("swap")
        number = self.number + 1
        own[0] = 0.0  # nobody reads it while it changes
        own.cast("B")[8 * HEAD : 8 * HEAD + len(text)] = text
        own[1] = len(text)
        own[0] = number
        return number

    def answer(self, number: int, why: str | None, reached: int) -> None:
        """Say that this worker is ready for that record, or why it is not."""
        own = self._group.own.doubles("swap_answer")
        text = (why or "").encode()[: 8 * WHY_DOUBLES - 1]
        own.cast("B")[16 : 16 + 8 * WHY_DOUBLES] = text.ljust(8 * WHY_DOUBLES, b"\0")
        own[1] = reached
        own[0] = number

    def reach(self, samples: int) -> None:
        """Say how far this worker's source is, while others may ask."""
        self._group.own.doubles("swap_answer")[1] = samples

    def answers(self, number: int) -> list[Answer | None]:
        """Return what each other living worker says to that record; None of one that has not answered."""
        return [_answer(slot, number) for slot in self._others]

    def reached(self, number: int) -> int:
        """Return how far those are who have said that they are ready for that record, in samples."""
        answers = (slot.doubles("swap_answer") for slot in self._others)
        return max((int(cells[1]) for cells in answers if int(cells[0]) == number), default=0)

    @property
    def _others(self) -> list[Slot]:
        own = float(os.getpid())
        return [
            slot
            for slot in self._group.slots
            if slot.doubles("alive")[0] not in (0.0, own)
            and not slot.doubles("reloaded")[0]  # else it leaves
        ]


def _answer(slot: Slot, number: int) -> Answer | None:
    cells = slot.doubles("swap_answer")
    if int(cells[0]) != number:
        return None
    text = bytes(cells.cast("B")[16 : 16 + 8 * WHY_DOUBLES]).rstrip(b"\0").decode(errors="replace")
    return Answer(text or None, int(cells[1]))
