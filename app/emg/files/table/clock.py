"""A column that tells the time: its unit, where it wraps or begins anew, and the period of the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.files.table.fields import DAY_S

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
SPELLINGS = {"sec": "s", "seconds": "s", "\u00b5s": "us", "\u03bcs": "us"}
SLOWEST_HZ, FASTEST_HZ = 40.0, 12_000.0  # a little more than sources may have, for times that are rounded
EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))  # a time since 1970 from 1973 on is larger
WRAPS = tuple(
    sorted(
        {*(2.0**k for k in (16, 24, 32)), *(60.0 * k for k in (1, 60)), *(DAY_S * k for k in (1, 1e3, 1e6))}
    )
)
NEAR = 50  # usual steps that may be missing where a time wraps
BACK_S = (
    1.0  # a clock that is set, or packets out of order, go back by less; beyond, another recording begins
)
EVERY = 64  # rows between those that the period is found from
WINDOW_S = 2.0  # of which one slope is taken


def usual_step(times: Floats) -> float:
    """Return the mean step where steps are usual: holes, falls and bursts do not count much."""
    steps = np.diff(times[np.isfinite(times)])
    rises = steps[steps >= 0]
    if not len(rises) or not rises.any():
        return 0.0
    middle = float(np.median(rises))
    if middle == 0.0:  # most rows share a time: by what it moves over many of them
        width = max(len(rises) // 16, 1)
        sums = np.add.reduceat(rises, np.arange(0, len(rises) - width + 1, width)) / width
        return float(np.median(sums)) or float(rises.mean())
    near = rises[rises <= 3 * middle]
    return float(near.mean())


def unit_of(step: float, largest: float, said: str | None) -> str | None:
    """Return in which unit a clock with this usual step runs; None where no unit makes it a rate of EMG.

    `said` is the unit in the column's name, which is believed where it can be so.
    """
    said = SPELLINGS.get(said or "", said or "").lower() or None
    if step <= 0:
        return None
    for least, unit in EPOCHS:
        if largest >= least and _plausible(step, unit):
            return unit
    if said in UNITS and 1.0 <= 1 / (step * UNITS[said]) <= 1e5:
        return said
    return next((unit for unit in UNITS if _plausible(step, unit)), None)


def _plausible(step: float, unit: str) -> bool:
    return SLOWEST_HZ <= 1 / (step * UNITS[unit]) <= FASTEST_HZ


@dataclass(slots=True)
class Unwrapped:
    """Makes a clock go on: over midnight, where its bits end, and where the device began anew."""

    step: float  # usual, in the clock's unit
    unit: str
    restarts: int = 0
    wraps: int = 0
    _last: float | None = None
    _added: float = 0.0

    def straight(self, times: Floats) -> tuple[Floats, Whole]:
        """Return times in seconds that go on from the last ones, and the places at which another recording begins."""
        if not len(times):
            return times, np.zeros(0, np.int64)
        before = np.concatenate(([times[0] if self._last is None else self._last], times[:-1]))
        added = np.zeros(len(times))
        begun = []
        back = max(BACK_S / UNITS[self.unit], 3 * self.step)
        for k in np.flatnonzero(times < before - back):
            turn = self._turn(float(before[k]), float(times[k]))
            if turn is None:
                begun.append(int(k))
                added[k] = before[k] + self.step - times[k]
                self.restarts += 1
            else:
                added[k] = turn
                self.wraps += 1
        straight = times + self._added + np.cumsum(added)
        self._last, self._added = float(times[-1]), self._added + float(added.sum())
        return straight * UNITS[self.unit], np.array(begun, np.int64)

    def _turn(self, before: float, after: float) -> float | None:
        fell = before + self.step - after
        for turn in WRAPS:
            missing = (turn - fell) / self.step
            if (
                -NEAR <= missing <= max(NEAR, 0.001 * turn / self.step)
                and before <= turn + self.step
                and after >= 0
            ):
                return turn
        return None


def period_of(times: Floats, places: Floats) -> float:
    """Return the seconds from one sample to the next, from some rows' times and the places that they have.

    The median of the slopes over windows of some seconds bears holes; the mean over those near it is exact.
    """
    if len(times) < 2 or places[-1] <= places[0]:
        return 0.0
    rough = float(np.median(np.diff(times) / np.diff(places)))
    if rough <= 0:
        rough = float((times[-1] - times[0]) / (places[-1] - places[0]))
    if rough <= 0:
        return 0.0
    per_row = (places[-1] - places[0]) / (len(places) - 1)
    stride = int(np.clip(WINDOW_S / (rough * per_row), 1, max((len(times) - 1) // 8, 1)))
    times, places = times[::stride], places[::stride]
    spans, counts = np.diff(times), np.diff(places)
    slopes = spans / counts
    middle = float(np.median(slopes))
    near = np.abs(slopes - middle) <= 0.05 * middle
    return float(spans[near].sum() / counts[near].sum()) if near.any() else middle


def even_period(times: Floats) -> float | None:
    """Return the period of times that are mostly one apart from the next, whatever is missing; None: they are not."""
    steps = np.diff(times)
    if len(steps) < 8:
        return None
    middle = float(np.median(steps))
    if middle <= 0:
        return None
    near = steps[np.abs(steps - middle) <= 0.25 * middle]
    return float(near.mean()) if len(near) >= 0.5 * len(steps) else None
