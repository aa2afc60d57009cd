"""One client's place in a group, and what it has missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.inference.gestures.events import GestureEvent
from app.serving.streams.events import Event, ModelChange
from app.serving.streams.gestures.told import GestureMark
from app.serving.streams.group_events import GroupEvent, GroupEvents


class Reader:
    """One client's place in a group.

    `first` is the number of the first event that is news to it, the newest that was there when it came; from `joined`
    on they are of its own time. `after` is the last window it has seen, if it was here before, and `told` the last it
    heard of gestures then. One that is held when a reader comes is the first that it is told.
    """

    def __init__(
        self,
        group: GroupEvents,
        leave: Callable[[], None],
        first: int,
        after: int | None = None,
        joined: int = 0,
        told: GestureMark | None = None,
    ) -> None:
        self._group, self._leave, self._joined = group, leave, joined
        self._next, self._after = first, after
        self._position: int | None = None
        self._left = False
        self._owed = self._not_told(told)

    @property
    def ended(self) -> bool:
        """Nothing will come any more, and all that came has been taken."""
        return self._group.ended and not self._fresh() and not self._owed

    @property
    def over(self) -> bool:
        """Whether nothing will come any more, whatever has been taken."""
        return self._group.ended

    @property
    def why_ended(self) -> str:
        return self._group.why_ended

    def model(self, replays: bool) -> ModelChange | None:
        """Return what is to be told of the model that made the first frame which this reader gets.

        `replays`: it begins with what it has not seen of what is kept, else with what comes now.
        """
        unseen = self._unseen(self._group.history) if replays else []
        return self._group.model_at(min(self._next, unseen[0].number if unseen else self._next))

    def replay(self) -> list[tuple[GroupEvent, int]]:
        """Return the frames kept that this reader has not seen, each with the number of frames missed before it.

        Changes of the model come between them.
        """
        if self._after is None:
            return []
        history = self._group.history
        self._next = history[-1].number + 1 if history else 0
        events = {event.number: event for event in (*self._take_owed(), *self._unseen(history))}
        return [(event, self._missed(event)) for _, event in sorted(events.items())]

    def _unseen(self, history: tuple[GroupEvent, ...]) -> list[GroupEvent]:
        after = self._after
        if after is None:
            return []
        kept = [e for e in history if e.position >= 0 or isinstance(e.event, ModelChange)]
        return [event for event in kept if event.k > after - (event.position < 0)]

    def take(self, timeout_s: float) -> list[tuple[GroupEvent, int]]:
        """Return what is new, at most one frame and that the newest, each with the number of frames missed before it.

        Waits up to `timeout_s`; empty when nothing came.
        """
        news = self._group.news
        if not self._fresh() and not self._owed and not self._group.ended:
            news.wait(timeout_s)
        return [(event, self._missed(event)) for event in self._told()]

    def _told(self) -> list[GroupEvent]:
        """Go on to the newest event, and return what of those since the last time is to be told."""
        fresh = self._fresh()
        if (
            not fresh
        ):  # the release of a gesture that was held when nobody listened is older than all that is news
            return self._take_owed()
        # what must be told is so also where this reader is so late that the history has it no longer
        late = [event for event in self._group.kept if self._next <= event.number < fresh[0].number]
        before = [event for event in self._take_owed() if event.number < self._next]
        self._next = fresh[-1].number + 1
        newest = max(event.position for event in fresh)
        news = [event for event in fresh if event.position in (-1, newest) and not self._had(event)]
        return [*before, *late, *news]

    def listen(self, listener: Callable[[GroupEvent, int], bool]) -> None:
        """Have every event given to `listener` that comes, or has come since it joined or last took one.

        It must not wait.

        It is called with the event and the frames missed before it, and says whether it took it: one that it
        did not take is missed.
        """

        def give(event: GroupEvent) -> None:
            position, after = self._position, self._after
            if not listener(event, self._missed(event)):
                self._position, self._after = position, after

        def offered(event: GroupEvent) -> None:
            if self._left or event.number < self._next:  # it may leave while others are served
                return
            self._next = event.number + 1
            if self._position is not None and event.position == self._position + 1:  # nearly always
                if listener(event, 0):
                    self._position = event.position
            elif not self._had(event):  # from a worker that was ahead of this one
                give(event)

        with (
            self._group.one_at_a_time
        ):  # what has come since it last took something is given now: nothing between
            self._next = max(self._next, self._joined)
            for event in self._told():
                give(event)
            self._group.listeners[self] = offered

    def follow(
        self, listener: Callable[[GroupEvent], None]
    ) -> tuple[tuple[GroupEvent, ...], ModelChange | None]:
        """Have every event given to `listener` as it is made, for others who are told elsewhere. It must not wait.

        Returns the events that are kept from before, and what was told of the model before the first of them.
        """
        with self.at_rest() as kept:
            self._group.listeners[self] = listener
            return kept

    @contextmanager
    def at_rest(self) -> Iterator[tuple[tuple[GroupEvent, ...], ModelChange | None]]:
        """Have no event made until the end of the block; gives what `follow` returns."""
        group = self._group
        with group.one_at_a_time:
            history, held = group.history, group.held
            model = group.model_at(history[0].number if history else group.count)
            older = held is not None and history and held.number < history[0].number
            yield (held, *history) if older and held is not None else history, model

    def close(self) -> None:
        """Leave the group. Safe to call twice."""
        if not self._left:
            self._left = True
            self._group.listeners.pop(self, None)
            self._leave()

    def exclusively(self, step: Callable[[], None]) -> None:
        """Do that while nothing is given to a listener of the group."""
        with self._group.one_at_a_time:
            step()

    def encoded(self, event: Event) -> bytes:
        """Return the body of an event for this reader alone."""
        return self._group.encoded(event)

    def gesture(self, identity: int) -> GestureEvent | None:
        """Return that gesture where it is held, or this reader will be told that it ended; None where neither is so."""
        for event in (self._group.held, *self._owed):
            gesture = None if event is None else event.event
            if isinstance(gesture, GestureEvent) and gesture.id == identity:
                return gesture
        return None

    def class_name(self, index: int) -> str:
        """Return what the model that reads the source calls that class."""
        model = self._group.model_at(self._group.count)
        classes = () if model is None else model.classes
        return classes[index] if index < len(classes) else f"class {index}"

    def _not_told(self, told: GestureMark | None) -> list[GroupEvent]:
        """Return what this reader is to be told of gestures before anything that comes from now on."""
        group = self._group
        if told is None and self._after is None:
            return [] if group.held is None else [group.held]
        kept = [(event, event.event) for event in group.kept if isinstance(event.event, GestureEvent)]
        if told is None:
            return [event for event, _ in kept if event.k >= (self._after or 0)]
        return [event for event, gesture in kept if told.before(gesture)]

    def _take_owed(self) -> list[GroupEvent]:
        owed, self._owed = self._owed, []
        return owed

    def _fresh(self) -> tuple[GroupEvent, ...]:
        history = self._group.history  # one look: the group may publish meanwhile
        fresh = history[-1].number + 1 - self._next if history else 0
        return history[-fresh:] if fresh > 0 else ()

    def _had(self, event: GroupEvent) -> bool:
        """Whether it had this frame before its connection was cut."""
        return event.position >= 0 and self._after is not None and event.k <= self._after

    def _missed(self, event: GroupEvent) -> int:
        if event.position < 0:
            return 0
        missed = 0
        if self._position is not None:
            missed = event.position - self._position - 1
        elif self._after is not None:  # across a reconnect only the grid can say
            missed = max(event.k - self._after - 1, 0)
        self._position = event.position
        return missed
