"""What was asked of a person: a plan, and what was done about it on the way (pause, resume, redo, skip).

All is counted in samples since the recording's first, so the same actions at the same samples give the same course,
however late anybody hears of them. A course never changes; an action makes another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.emg.recording.prompts.label_plan import LabelPlan
from app.emg.source import UNLABELLED, Labels
from app.errors import BusyError

ACTIONS = ("pause", "resume", "redo", "skip")
OFFER = "offer"  # what the recorder does itself: it waits whether the last step is to be done again
GET_READY_S = 2.0  # before what is asked anew, and no more than the plan's own countdown
OFFER_S = 8.0
MAX_ACTIONS = 1000
NEVER = 2**62  # a sample that does not come

DONE, REDONE, SKIPPED = "done", "redone", "skipped"


@dataclass(frozen=True, slots=True)
class Action:
    """What was done at that sample. `index` is the entry that is to be done again; None: the last, or this one."""

    at: int
    action: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that was asked, from sample `begin` to before `end`. `step` is an index into the plan's."""

    step: int
    begin: int
    end: int
    state: str = DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the person is to do now. `label` is None while one gets ready, while it is paused, and at the end."""

    label: str | None
    next_label: str | None
    seconds_left: float
    seconds: float  # of what is under way, from its begin
    step: int  # 1..steps; 0 during the countdown
    steps: int
    repetition: int  # of this step, or of the one to come
    repetitions: int
    paused: bool
    total_seconds_left: float


@dataclass(frozen=True)
class Course:
    """What was asked, and what is to come: from `at` on a get-ready, then `pending`, one after the other.

    While it is paused nothing comes.
    """

    plan: LabelPlan
    rate: float  # Hz
    past: tuple[Entry, ...]
    at: int
    ready_s: float
    pending: tuple[int, ...]  # steps
    paused: bool = False
    again: bool = False  # what comes first is asked again
    actions: int = 0

    def act(self, action: Action) -> Course:
        """Return the course after that.

        Raises:
            BusyError: it makes no sense at that sample, or there were MAX_ACTIONS; says why.
        """
        if self.actions >= MAX_ACTIONS:
            raise BusyError(f"a recording takes {MAX_ACTIONS} actions; this one has had them")
        do = {
            "pause": self._paused,
            "resume": self._resumed,
            "redo": self._redone,
            "skip": self._skipped,
            OFFER: self._offered,
        }
        return replace(do[action.action](action), actions=self.actions + 1)

    @property
    def end(self) -> int:
        """Before which sample the last step ends; while it is paused that is nowhere."""
        return NEVER if self.paused else int(self._ends[-1])

    def over(self, position: int) -> bool:
        """Whether nothing is asked any more at that sample."""
        return position >= self.end

    def entries(self, position: int) -> tuple[Entry, ...]:
        """Return what was asked before that sample and is not under way. The order never changes, it only grows."""
        return self._at(position)[0]

    def under_way(self, position: int) -> Entry | None:
        """Return the step that is asked at that sample, as far as it is."""
        return self._at(position)[1]

    def label_rows(self, positions: npt.NDArray[np.int64]) -> tuple[Labels, Labels]:
        """Label and repetition (n,) of samples by their distance from the recording's first.

        Only what was done to its end counts, or is under way: all else is UNLABELLED and has repetition 0.
        """
        names, steps = self.plan.gesture_names, self.plan.steps
        held, begins, ends = self._held
        ids = np.array([UNLABELLED, *(names.index(steps[one.step].label) for one in held)], np.int16)
        repetitions = np.array([0, *(steps[one.step].repetition for one in held)], np.int16)
        row = np.searchsorted(begins, positions, side="right")
        row = np.where(positions < ends[row], row, 0)
        return ids[row], repetitions[row]

    def held_at(self, position: int) -> tuple[Entry | None, int]:
        """Return the step that a sample counts for, None for none, and before which sample that changes."""
        held, begins, ends = self._held
        row = int(np.searchsorted(begins, position, side="right"))
        if position < ends[row]:
            return held[row - 1], int(ends[row])
        return None, int(begins[row]) if row < len(begins) else NEVER

    def is_rest(self, entry: Entry) -> bool:
        """Whether that was to be rest."""
        return self.plan.steps[entry.step].label == self.plan.rest

    def prompt(self, position: int) -> Prompt | None:
        """Return what is asked of the person at that sample; None once it is over."""
        if self.over(position):
            return None
        row, steps = self._row(position), self.plan.steps
        now = self.pending[row - 1] if row else None
        coming = self.pending[row] if row < len(self.pending) else None
        shown = coming if now is None else now
        begin = int(self._ends[row - 1]) if row else self.at
        return Prompt(
            label=None if now is None else steps[now].label,
            next_label=None if coming is None else steps[coming].label,
            seconds_left=0.0 if self.paused else (int(self._ends[row]) - position) / self.rate,
            seconds=0.0 if self.paused else (int(self._ends[row]) - begin) / self.rate,
            step=self._number(row, shown),
            steps=len(steps),
            repetition=steps[-1 if shown is None else shown].repetition,
            repetitions=max(step.repetition for step in steps),
            paused=self.paused,
            total_seconds_left=self._left(position),
        )

    def _number(self, row: int, shown: int | None) -> int:
        if not row and not self.past:
            return 0
        return len(self.plan.steps) if shown is None else shown + 1

    def _left(self, position: int) -> float:
        if not self.pending:
            return 0.0
        if self.paused:
            return self._get_ready_s + sum(self.plan.steps[step].seconds for step in self.pending)
        return float(int(self._ends[-1]) - position) / self.rate

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        """(1 + pending,): before which sample the get-ready and each step end."""
        until = np.cumsum([self.ready_s, *(self.plan.steps[step].seconds for step in self.pending)])
        return self.at + np.floor(until * self.rate + 0.5).astype(np.int64)

    @cached_property
    def _held(self) -> tuple[list[Entry], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What counts, in its order, with the begins, and the ends behind a 0."""
        held = [one for one in self.past if one.state == DONE and one.end > one.begin] + self._scheduled
        begins = np.array([one.begin for one in held], np.int64)
        return held, begins, np.array([0, *(one.end for one in held)], np.int64)

    @property
    def _scheduled(self) -> list[Entry]:
        """What is to come, or has come since the last action."""
        if self.paused:
            return []
        ends = self._ends.tolist()
        return [Entry(step, ends[k], ends[k + 1]) for k, step in enumerate(self.pending)]

    @property
    def _get_ready_s(self) -> float:
        return min(GET_READY_S, self.plan.countdown_s)

    def _row(self, position: int) -> int:
        """Return 0 while one gets ready or it is paused, k while `pending[k - 1]` is asked, and one more when over."""
        return 0 if self.paused else int(np.searchsorted(self._ends, position, side="right"))

    def _at(self, position: int) -> tuple[tuple[Entry, ...], Entry | None, tuple[int, ...]]:
        """Return what was asked before that sample, what is asked there, and what comes after."""
        row = self._row(position)
        if row == 0:
            return self.past, None, self.pending
        ends = self._ends[: row + 1].tolist()
        past = [Entry(step, ends[k], ends[k + 1]) for k, step in enumerate(self.pending[: row - 1])]
        if row > len(self.pending):
            return (*self.past, *past), None, ()
        now = Entry(self.pending[row - 1], ends[row - 1], position, REDONE)
        return (*self.past, *past), now, self.pending[row:]

    def _paused(self, action: Action) -> Course:
        if self.paused:
            raise BusyError("the prompts are paused already")
        if self.over(action.at):
            raise BusyError("the plan is over; there is nothing to pause")
        past, now, later = self._at(action.at)
        again = self.again and now is None
        return replace(
            self,
            past=_with(past, now),
            at=action.at,
            ready_s=0.0,
            pending=later if now is None else (now.step, *later),
            paused=True,
            again=again,
        )

    def _resumed(self, action: Action) -> Course:
        if not self.paused:
            raise BusyError("the prompts are not paused")
        return replace(self, at=action.at, ready_s=self._get_ready_s if self.pending else 0.0, paused=False)

    def _redone(self, action: Action) -> Course:
        past, now, later = self._at(action.at)
        if action.index is None and self.again and now is None and later:
            raise BusyError("what comes next is asked again already")
        which = self._to_redo(past, now) if action.index is None else _checked(past, action.index)
        if which is None:  # what is under way
            assert now is not None  # else there would be an index
            past, pending = _with(past, now), (now.step, *later)
        else:
            asked = past[which]
            past = _with((*past[:which], replace(asked, state=REDONE), *past[which + 1 :]), now)
            pending = (asked.step, *(() if now is None else (now.step,)), *later)
        ready_s = 0.0 if self.paused else self._get_ready_s
        return replace(self, past=past, at=action.at, ready_s=ready_s, pending=pending, again=True)

    def _to_redo(self, past: Sequence[Entry], now: Entry | None) -> int | None:
        """Return which entry is meant where none is named; None: the step under way.

        That is the gesture under way; while one rests, the gesture before; before the first gesture, the rest.
        """
        if now is not None and not self.is_rest(now):
            return None
        asked = [k for k, one in enumerate(past) if one.state != REDONE]
        gestures = [k for k in asked if not self.is_rest(past[k])]
        if gestures:
            return gestures[-1]
        if now is not None:
            return None
        if not asked:
            raise BusyError("nothing has been asked yet that could be done again")
        return asked[-1]

    def _skipped(self, action: Action) -> Course:
        if self.over(action.at):
            raise BusyError("the plan is over; there is nothing to skip")
        past, now, later = self._at(action.at)
        if now is not None:
            left_out = replace(now, state=SKIPPED)
            return replace(
                self, past=(*past, left_out), at=action.at, ready_s=0.0, pending=later, again=False
            )
        if not later:  # it waits whether the last is to be done again
            return replace(self, past=past, at=action.at, ready_s=0.0, paused=False, again=False)
        left_out = Entry(later[0], action.at, action.at, SKIPPED)  # before it began
        ready_s = 0.0 if self.paused else (int(self._ends[0]) - action.at) / self.rate
        return replace(
            self, past=(*past, left_out), at=action.at, ready_s=ready_s, pending=later[1:], again=False
        )

    def _offered(self, action: Action) -> Course:
        if not self.over(action.at):
            raise BusyError("the plan is not over yet")
        past, _, _ = self._at(action.at)
        return replace(self, past=past, at=action.at, ready_s=OFFER_S, pending=(), again=False)


def course_of(plan: LabelPlan, rate: float) -> Course:
    """Return the course of a plan about which nothing has been done."""
    return Course(plan, rate, (), 0, plan.countdown_s, tuple(range(len(plan.steps))))


def _with(past: tuple[Entry, ...], cut: Entry | None) -> tuple[Entry, ...]:
    """Add what was cut short, unless that was before its first sample."""
    return past if cut is None or cut.end <= cut.begin else (*past, cut)


def _checked(past: Sequence[Entry], index: int) -> int:
    if not 0 <= index < len(past):
        raise BusyError(f"there is no repetition {index} yet; there are {len(past)}, counted from 0")
    if past[index].state == REDONE:
        raise BusyError(f"repetition {index} has been asked again already")
    return index
