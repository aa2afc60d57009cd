"""Which source was chosen while the server runs, and what it is: the same in all workers.

A worker that has chosen writes it into its own slot, with a number above all others; the highest number holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from app.serving.counters.slot import CHOICE_DOUBLES
from app.serving.counters.worker_group import WorkerGroup

HEAD = 2  # doubles: the number of the choice, and its bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChoice:
    """`base` names the settings that the server was started with: after a reload with others it holds no more."""

    base: str
    said: dict[str, str]  # EMG_* settings that somebody chose; empty: those of the start
    model: str | None = None  # that the workers run, whether or not it reads the source
    description: dict[str, Any] = field(
        default_factory=dict
    )  # what the source delivers, by the worker that asked it


def publish(worker_group: WorkerGroup, choice: SourceChoice) -> int:
    """Tell all workers; return the number of the choice, which is the newest now.

    Raises:
        ValueError: it is too long.
    """
    text = json.dumps([choice.base, choice.said, choice.model, choice.description]).encode()
    if len(text) > 8 * (CHOICE_DOUBLES - HEAD):
        raise ValueError(f"a choice of {len(text)} bytes")
    own = worker_group.own.doubles("choice")
    number = newest_number(worker_group) + 1
    own[0] = 0.0  # nobody reads it while it changes
    own.cast("B")[8 * HEAD : 8 * HEAD + len(text)] = text
    own[1] = len(text)
    own[0] = number
    return number


def newest_number(worker_group: WorkerGroup) -> int:
    """Return the number of the newest choice; 0 before the first. Cheap: it is asked at every tick."""
    return int(max(slot.doubles("choice")[0] for slot in worker_group.slots))


def newest(worker_group: WorkerGroup, base: str) -> tuple[int, SourceChoice | None]:
    """Return the newest choice of a server of those settings, and its number; None where there is none."""
    slot = max(worker_group.slots, key=lambda one: one.doubles("choice")[0])
    cells = slot.doubles("choice")
    number, size = int(cells[0]), int(cells[1])
    if not number:
        return 0, None
    text = bytes(cells.cast("B")[8 * HEAD : 8 * HEAD + size])
    if int(cells[0]) != number:  # it changes just now: the next look finds it
        return 0, None
    its, said, model, description = json.loads(text)
    found = SourceChoice(base=its, said=said, model=model, description=description)
    return number, found if its == base else None
