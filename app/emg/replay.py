"""Where a replay is and where it is to go on: told and obeyed by whoever plays it, asked and ordered by any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.emg.files.timeline import Timeline


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """What somebody wants: to go on at a sample of the timeline, to pause or to play. None: as it is."""

    number: int  # later orders have higher ones; 0: there is none
    at: int | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class ReplayState:
    """Which order was obeyed last, the sample of the timeline that comes next, and whether it waits before that."""

    obeyed: int = 0
    at: int = 0
    paused: bool = False


class ReplayControl(Protocol):
    """What the processes of a server know together of one replay."""

    def order(self) -> ReplayOrder:
        """Return the newest. Cheap: it is asked before every chunk."""

    def give(self, at: int | None, paused: bool | None) -> int:
        """Give an order; return its number."""

    def state(self) -> ReplayState | None:
        """Return what whoever plays has told last; None before the first chunk."""

    def tell(self, state: ReplayState) -> None:
        """Tell how it is, as the process that plays."""


class OwnControl:
    """That of a replay which one process has for itself."""

    def __init__(self) -> None:
        self._order, self._state = ReplayOrder(0), None

    _state: ReplayState | None

    def order(self) -> ReplayOrder:
        return self._order

    def give(self, at: int | None, paused: bool | None) -> int:
        self._order = ReplayOrder(self._order.number + 1, at, paused)
        return self._order.number

    def state(self) -> ReplayState | None:
        return self._state

    def tell(self, state: ReplayState) -> None:
        self._state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPosition:
    """Where a replay is: in which file, and after how many of its seconds, of those that all files last together."""

    file: str
    position_seconds: float
    duration_seconds: float
    paused: bool


class Replay:
    """One replay, in each process that shares it."""

    def __init__(self, timeline: Timeline, rate: float) -> None:
        self.timeline, self._rate = timeline, rate  # Hz
        self.control: ReplayControl = OwnControl()

    @property
    def duration_s(self) -> float:
        return self.timeline.samples / self._rate

    @property
    def position(self) -> ReplayPosition:
        """Return where it is."""
        state = self.control.state() or ReplayState()
        at = min(state.at, self.timeline.samples)
        return ReplayPosition(
            file=self.timeline.place(min(at, self.timeline.samples - 1)).recording.name,
            position_seconds=at / self._rate,
            duration_seconds=self.duration_s,
            paused=state.paused,
        )

    def order(self, position_s: float | None, paused: bool | None) -> int:
        """Have it go on at a position within its duration, or wait; return the number of the order."""
        at = None if position_s is None else min(round(position_s * self._rate), self.timeline.samples - 1)
        return self.control.give(at, paused)

    def obeyed(self, number: int) -> bool:
        """Return whether that order, or a later one, has been obeyed."""
        state = self.control.state()
        return state is not None and state.obeyed >= number
