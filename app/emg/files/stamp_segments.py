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

from app.emg.files.layout import Segment

Times = npt.NDArray[np.float64]

LEAST_HOLE = 5.0, 0.05  # samples, and seconds: the larger of the two
NEAR_S = 10.0  # around a step, to tell whether it is caught up with
BESIDE_S = 1.0  # around a hole, to tell how long it is: a clock may wander by 0.2 s in a minute
KNOT_S = 5.0  # between the places of the line that stands for the times
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
    measured, seconds = 1 / interval, len(times) * interval
    tolerance = RATE_TOLERANCE + JITTER_S / seconds
    fits = nominal > 0 and math.isclose(measured, nominal, rel_tol=tolerance)
    rate = given or (nominal if fits else measured)
    return Timeline(tuple(runs), float(rate), measured, tuple(_segments(runs, rate)))


def _interval(times: Times) -> float:
    """Return the time between two samples, most of which are not at a hole."""
    block = min(len(times) - 1, max(50, len(times) // 64))
    ends = times[::block][: (len(times) - 1) // block + 1]
    return float(np.median(np.diff(ends)) / block)


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
    """Return the run with the line through its times; of a short one, a straight line."""
    rows = np.arange(len(times), dtype=np.float64)
    step = _slope(rows, times, interval)
    count = int(len(times) * interval / KNOT_S)
    parts = np.array_split(np.arange(len(times)), count) if count > 1 else [np.arange(len(times))]
    knots = np.array([rows[part].mean() for part in parts])
    middles = np.array([times[part].mean() for part in parts])
    ends = np.array([0.0, len(times)])
    outside = np.array([middles[0] - knots[0] * step, middles[-1] + (len(times) - knots[-1]) * step])
    return Run(
        first=first,
        rows=len(times),
        knots=np.concatenate((ends[:1], knots, ends[1:])),
        times=np.maximum.accumulate(np.concatenate((outside[:1], middles, outside[1:]))),
        step_s=step,
        lost_s=max(0.0, hole),
        backward=hole < 0,
    )


def _slope(rows: Times, times: Times, interval: float) -> float:
    """Return the time from one sample to the next; of too few for a line, `interval`."""
    if len(times) < 50:
        return interval
    middle = rows - rows.mean()
    slope = float(middle @ (times - times.mean()) / (middle @ middle))
    return slope if 0.5 < slope / interval < 2 else interval


def _segments(runs: Sequence[Run], rate: float) -> list[Segment]:
    made: list[Segment] = []
    for run in runs:
        end = made[-1].index + made[-1].rows if made else 0
        made.append(Segment(run.first, run.rows, end + round(run.lost_s * rate), run.backward))
    return made
