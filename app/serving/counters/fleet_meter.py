"""What becomes of questions to a fleet (EMG_OIP_URL), counted by each worker for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from app.serving.counters.slot import Slot

LATE, PASSED_ON = 0, 1  # of `fleet`


class FleetCounts(NamedTuple):
    """Of all workers together. What has failed is counted with the other backends' failures."""

    late: int  # questions that were not answered in time
    passed_on: int  # questions that another backend was asked in its place
    trouble: (
        int  # open models for which a worker cannot ask it now; the same model in two workers counts twice
    )


class FleetMeter:
    """What the engines say of it."""

    def __init__(self, slot: Slot) -> None:
        self._counts, self._trouble = slot.doubles("fleet"), slot.doubles("fleet_trouble")

    def late(self) -> None:
        """Count a question that was not answered in time."""
        self._counts[LATE] += 1

    def passed_on(self) -> None:
        """Count one that another backend is asked in its place, whether it was put or not."""
        self._counts[PASSED_ON] += 1

    def note(self, trouble: int) -> None:
        """Note for how many open models it cannot be asked now."""
        self._trouble[0] = trouble


def counts_of(slots: Sequence[Slot]) -> FleetCounts:
    """Return what all workers have counted."""
    rows = [list(slot.doubles("fleet")) for slot in slots]
    return FleetCounts(
        late=int(sum(row[LATE] for row in rows)),
        passed_on=int(sum(row[PASSED_ON] for row in rows)),
        trouble=int(sum(slot.doubles("fleet_trouble")[0] for slot in slots)),
    )
