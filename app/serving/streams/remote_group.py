"""A computation of another worker, as its readers here see it: for them it is what a group is.

The worker that reads the source, its owner, publishes what its group tells. Owners come and go: a reader is told
nothing twice and nothing in the wrong order, hears `stalled` where its owner falls silent, and `recovered` before the
first frame of the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.serving.streams.carried_events import Carried
from app.serving.streams.events import ENDED, Event, ModelChange, SourceChange, Trouble
from app.serving.streams.group_events import HISTORY, GroupEvent, GroupEvents

SILENT_S = 0.75  # without a word of the owner, which says something four times a second
LATE_S = 1.0  # a frame that was so much longer on its way than others is too old to be acted upon
DRIFT = 2e-4  # of two machines' clocks, at most
CATCH_UP_S = 2.0  # for a new owner to come to where the one before was; else its samples are counted anew

Origin = tuple[int, int]  # the owner's token, and which opening of the topic it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an owner has of a group when it is asked."""

    origin: Origin
    count: int  # of its events
    reached: int  # its newest window
    now: float  # on its clock
    model: ModelChange | None  # before the first of `events`
    events: Sequence[Carried]


class RemoteGroup(GroupEvents):
    """`readers` is kept by who gives places in it.

    `lacks`: what its owner has is to be asked for, and given to `adopt`.
    """

    def __init__(
        self,
        encode: Callable[[Event], bytes],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(encode)
        self._clock, self._wall = clock, wall
        self.readers = 0
        self.lacks = True
        self.reached = -1  # the newest window that the owner had
        self.origin: Origin | None = None
        self._number = -1  # the owner's newest event that was taken
        self._theirs: int | None = None  # the owner's position of the newest frame; None: another owner's
        self._k, self._position = -1, -1  # of the newest frame
        self._stalled = False
        self._waiting: list[tuple[Origin, Carried]] = []  # they came while others were missing
        self._heard_at = clock()
        self._offset: tuple[float, float] | None = None  # least time on the way, with the clocks', and when
        self._behind_since: float | None = None  # the owner sends what was had already

    def expect(self, k: int) -> None:
        """Know that window `k` has been told, by an owner that is gone: its readers hear what comes after."""
        with self.one_at_a_time:
            self._k = max(self._k, k)

    def hear(self, token: int, carried: Carried) -> None:
        """Take what the owner of that token has published."""
        with self.one_at_a_time:
            origin = token, carried.opening
            if self.ended or (self.origin is not None and origin < self.origin):
                return
            if origin != self.origin:
                self._wait(origin, carried)
                return
            if self.lacks or carried.number > self._number + 1:
                self._wait(origin, carried)
                return
            now = self._heard_at = self._clock()
            if carried.event is not None and carried.number == self._number + 1:
                self._next(carried, carried.event, now)

    def _wait(self, origin: Origin, carried: Carried) -> None:
        """Keep it until what is missing before it has been asked for."""
        self.lacks = True
        if carried.event is not None:
            self._waiting = [*self._waiting[1 - HISTORY :], (origin, carried)]

    def adopt(self, kept: Kept) -> None:
        """Take what its owner has, as far as it is news, and then what has come since."""
        with self.one_at_a_time:
            if self.ended or (self.origin is not None and kept.origin < self.origin):
                return
            now = self._heard_at = self._clock()
            if kept.origin != self.origin:
                self.origin, self._number, self._theirs = kept.origin, -1, None
                self.release_held("gap")  # the owner after it does not know of what that one held
                self._offset = self._behind_since = None
            self.reached = kept.reached
            self._take_kept(kept)
            self._number = max(self._number, kept.count - 1)
            waiting, self._waiting, self.lacks = self._waiting, [], False
            for origin, carried in waiting:
                if origin == self.origin and carried.event is not None and carried.number > self._number:
                    self._next(carried, carried.event, now)

    def _take_kept(self, kept: Kept) -> None:
        begins = not self.history and not self.listeners
        events = [one for one in kept.events if one.event is not None and one.number > self._number]
        fresh = [one for one in events if begins or self._is_news(one, kept.now)]
        first = fresh[0].number if fresh else kept.count
        model, state = kept.model, None
        for one in kept.events:
            event = None if one.event is None else one.event.event
            if one.number < first and isinstance(event, ModelChange):
                model = event
            elif one.number < first and isinstance(event, SourceChange):
                state = (
                    one.event if event.status == "stalled" else None
                )  # `recovered` comes with the next frame
        self._read_anew(model, begins)
        if state is not None and not begins:
            self._take(state)
        for one in fresh:
            if one.event is not None:
                self._take(one.event)

    def _is_news(self, one: Carried, now: float) -> bool:
        """Whether it is a frame that may still be told, or what is said after such."""
        assert one.event is not None
        return one.at > 0 and now - one.at < LATE_S and (one.event.position < 0 or one.event.k > self._k)

    def _read_anew(self, model: ModelChange | None, begins: bool) -> None:
        """Have the readers know which model makes the frames from now on."""
        known = self.model_at(self.count)
        if begins or (known is None and not self.history):
            self._models = [(-1, model)]
        elif model is not None and (
            known is None or (model.model, model.sha256) != (known.model, known.sha256)
        ):
            self._say(model)

    def _next(self, carried: Carried, event: GroupEvent, now: float) -> None:
        """Take the owner's next event; a frame that comes too late is passed over, and counts as missed."""
        self._number = carried.number
        late = self._late_s(carried.at, now) > LATE_S
        if event.position >= 0 and event.k <= self._k:
            self._behind_since = self._behind_since or now
            if now - self._behind_since > CATCH_UP_S:
                self._finish(ENDED)  # the samples are counted anew: it is another source of that name
        elif event.position < 0 or not late:
            self._take(event)

    def _late_s(self, at: float, now: float) -> float:
        """Return how much longer it was on its way than others were, in s."""
        taken = now - at
        least, since = self._offset or (taken, now)
        self._offset = min(least + DRIFT * (now - since), taken), now
        return taken - self._offset[0]

    def _take(self, event: GroupEvent) -> None:
        told = event.event
        if isinstance(told, SourceChange):
            if (told.status == "stalled") != self._stalled:
                self._stalled = told.status == "stalled"
                self.put(event._replace(number=self.count))
            return
        if event.position < 0:
            self.put(event._replace(number=self.count))
            return
        if event.k <= self._k:
            return
        self._behind_since = None
        if self._stalled:
            self._change_source("recovered", "running")
        if self._theirs is not None:
            self._position += max(event.position - self._theirs, 1)
        else:  # of another owner only the grid can say
            self._position += event.k - self._k if self._k >= 0 else 1
        self._k, self._theirs = event.k, event.position
        self.reached = max(self.reached, event.k)
        self.put(event._replace(number=self.count, position=self._position))

    def look(self) -> None:
        """Tell the readers of an owner from which nothing is heard; called often."""
        with self.one_at_a_time:
            if self.ended or self._stalled or self._clock() - self._heard_at <= SILENT_S:
                return
            self._change_source("stalled", "disconnected")

    def stall(self) -> None:
        """The same at once, of an owner that is known to be gone."""
        with self.one_at_a_time:
            if not self.ended and not self._stalled:
                self._change_source("stalled", "disconnected")

    def _change_source(self, status: str, state: str) -> None:
        self._stalled = status == "stalled"
        if self._stalled:
            self.release_held("stalled")
        model = self.model_at(self.count)
        if model is None:
            self._say(SourceChange(status=status, timestamp=self._wall(), source_state=state))
        else:
            self._say(model.source_change(status, state, self._wall()))

    def say(self, message: str) -> None:
        """Tell the readers of a trouble."""
        with self.one_at_a_time:
            self._say(Trouble(error=message, timestamp=self._wall()))

    def _say(self, event: Event) -> None:
        self.put(GroupEvent(self.count, self._k, -1, self._encode(event), event))

    def finish(self, why: str = ENDED) -> None:
        """End the readers' streams. Safe to call twice."""
        with self.one_at_a_time:
            self._finish(why)

    def _finish(self, why: str) -> None:
        if not self.ended:
            self.release_held("completed" if why == ENDED else "shutdown")
            self.why_ended, self.ended = why, True
            self.wake()
