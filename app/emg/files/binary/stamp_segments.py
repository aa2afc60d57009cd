"""Finds the true rate and the holes of a regular signal from the times of its samples, which jitter.

A sample's time is when it was noticed: late by what it waited, never early. So a hole is where the least lateness of
what follows is larger than of what came before; a delay that is caught up with is none. pyxdf's own removal of jitter
sees only pauses of more than 1 s and 500 samples, and draws the times of all that lies around shorter ones apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.emg.files.binary.layout import Segment

Times = npt.NDArray[np.float64]

LONGEST_HOLE_S = 86_400.0  # longer is no pause of a recording: a clock was set
LEAST_HOLE = 5.0, 0.05  # samples, and seconds: the larger of the two
NEAR_S = 10.0  # around a step, to tell whether it is caught up with
BESIDE_S = 1.0  # around a hole, to tell how long it is: a clock may wander by 0.2 s in a minute
KNOT_S = 5.0  # between the places of the line that stands for the times
LEAST_KNOTS, MOST_KNOTS = 8, 400
EARLIEST = 5  # per cent: what is least late, but for strays
RATE_TOLERANCE = 0.01  # of the rate in a header
JITTER_S = 0.1  # by which the ends of a short recording may be off


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Samples without a hole: `rows` from row `first` on, `lost_s` after the last of the run before.

    `knots` are rows, counted from `first`, and `times` are theirs without jitter.
    """

    first: int
    rows: int
    knots: Times
    times: Times
    step_s: float
    lost_s: float
    backward: bool  # its clock began again

    @property
    def start_s(self) -> float:
        return float(self.times[0])

    @property
    def end_s(self) -> float:
        return float(self.times[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The runs of a signal, its rate, and the axis of samples that it makes."""

    runs: tuple[Run, ...]
    rate: float  # Hz
    measured: float  # Hz
    segments: tuple[Segment, ...]

    def place(self, seconds: float) -> float:
        """Return the sample index at a time, with a fraction; outside of the signal, by its rate."""
        following = (k for k, run in enumerate(self.runs) if seconds < run.end_s)
        k = next(following, len(self.runs) - 1)
        run, index = self.runs[k], self.segments[k].index
        if seconds < run.start_s:
            return index + (seconds - run.start_s) * self.rate
        beyond = max(0.0, seconds - run.end_s) * self.rate
        return index + float(np.interp(seconds, run.times, run.knots)) + beyond

    def at(self, row: int) -> float:
        """Return the time of a row, without its jitter."""
        run = next(run for run in reversed(self.runs) if row >= run.first)
        return float(np.interp(row - run.first, run.knots, run.times))


def timeline(times: Times, nominal: float, given: float | None = None) -> Timeline | None:
    """Return how a signal of that nominal rate runs (0: not known); None where its times do not go on."""
    if len(times) < 2 or not np.isfinite(times).all():
        return None
    interval = _interval(times)
    if not interval > 0:
        return None
    for _ in range(2):  # the second time with the rate that the first has found
        runs = _runs(times, interval)
        interval = sum(run.rows * run.step_s for run in runs) / sum(run.rows for run in runs)
    measured, seconds = _measured(runs, interval), len(times) * interval
    tolerance = RATE_TOLERANCE + JITTER_S / seconds
    fits = nominal > 0 and math.isclose(measured, nominal, rel_tol=tolerance)
    rate = given or (nominal if fits else measured)
    return Timeline(tuple(runs), float(rate), measured, tuple(_segments(runs, rate)))


def _measured(runs: Sequence[Run], interval: float) -> float:
    """Return the rate from the first knot of each run to its last: also where a clock wanders, it fills the time."""
    long = [run for run in runs if len(run.knots) > 3]
    rows = sum(float(run.knots[-2] - run.knots[1]) for run in long)
    seconds = sum(float(run.times[-2] - run.times[1]) for run in long)
    return rows / seconds if seconds > 0 else 1 / interval


def _interval(times: Times) -> float:
    """Return the time between two samples: on the mean of blocks that are not far from most, so without long holes.

    Blocks grow until they are longer than the packets in which the samples came.
    """
    block = min(len(times) - 1, max(50, len(times) // 64))
    while True:
        steps = np.diff(times[::block]) / block
        middle = float(np.median(steps))
        if (steps > 0.1 * middle).mean() > 0.95 or block * 4 > len(times):
            break
        block *= 4
    near = steps[np.abs(steps - middle) <= 0.5 * abs(middle)]
    return float(near.mean()) if len(near) else middle


def _runs(times: Times, interval: float) -> list[Run]:
    late = times - np.arange(len(times)) * interval
    least = max(LEAST_HOLE[0] * interval, LEAST_HOLE[1])
    edges, lost = [0], [0.0]
    for k in (np.flatnonzero(np.abs(np.diff(times)) > least) + 1).tolist():
        if abs(_later(late, edges[-1], k, NEAR_S / interval)) > least / 2:
            edges.append(k)
            lost.append(_later(late, edges[-2], k, BESIDE_S / interval))
    return [
        _run(times[a:b], a, interval, hole)
        for (a, b), hole in zip(pairwise([*edges, len(times)]), lost, strict=True)
    ]


def _later(late: Times, begin: int, k: int, near: float) -> float:
    """Return by how much the least lateness grows at row `k`, looked at over `near` rows before and behind."""
    rows = max(20, int(near))
    before, after = late[max(begin, k - rows) : k], late[k : k + rows]
    return float(np.percentile(after, EARLIEST) - np.percentile(before, EARLIEST))


def _run(times: Times, first: int, interval: float, hole: float) -> Run:
    """Return the run with the line of those of its samples that were least late, one knot every KNOT_S."""
    rows = np.arange(len(times), dtype=np.float64)
    late = times - rows * interval
    count = min(max(int(len(times) * interval / KNOT_S), LEAST_KNOTS), MOST_KNOTS, max(1, len(times) // 10))
    parts = np.array_split(np.arange(len(times)), count)
    knots = np.array([rows[part].mean() for part in parts])
    least = np.array([np.percentile(late[part], EARLIEST) for part in parts])
    step = interval + _slope(knots, least)
    middles = least + knots * interval
    begin, end = middles[0] - knots[0] * step, middles[-1] + (len(times) - knots[-1]) * step
    return Run(
        first=first,
        rows=len(times),
        knots=np.concatenate(([0.0], knots, [float(len(times))])),
        times=np.maximum.accumulate(np.concatenate(([begin], middles, [end]))),
        step_s=step,
        lost_s=hole if 0 <= hole <= LONGEST_HOLE_S else 0.0,
        backward=not 0 <= hole <= LONGEST_HOLE_S,
    )


def _slope(knots: Times, least: Times) -> float:
    """Return the slope that half of all pairs exceed (Theil and Sen): a late stretch does not bend it."""
    if len(knots) < 3:
        return 0.0
    a, b = np.triu_indices(len(knots), 1)
    return float(np.median((least[b] - least[a]) / (knots[b] - knots[a])))


def _segments(runs: Sequence[Run], rate: float) -> list[Segment]:
    made: list[Segment] = []
    for run in runs:
        end = made[-1].index + made[-1].rows if made else 0
        made.append(Segment(run.first, run.rows, end + round(run.lost_s * rate), run.backward))
    return made
