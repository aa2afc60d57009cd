"""What the readers of one computation are told, where they look for it, and who hears of it at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from app.inference.gestures.events import GestureEvent, Reason
from app.serving.streams.events import ENDED, Event, ModelChange, Told, Trouble, must_be_told

HISTORY = 64  # events that are kept: 2 s at 30 fps
KEPT = 256  # events that no reader may miss: a gesture a second for two minutes
TURN = 100  # listeners served before the other work of this process gets its turn


class GroupEvent(NamedTuple):
    """One event, encoded."""

    number: int  # of all events of the group
    k: int  # the window on the grid; for what is no frame, the window waited for
    position: int  # frames of the group before this one, those skipped included; -1 for what is no frame
    body: bytes
    event: Told  # the same, for listeners in this process


Listener = Callable[[GroupEvent], None]
Encode = Callable[[Event], bytes]


class GroupEvents:
    """The newest events, and those who listen. Events are put by one thread at a time, under `one_at_a_time`."""

    def __init__(self, encode: Encode, model: ModelChange | None = None) -> None:
        """`encode` makes bodies; `model` is what the readers would be told of the one that makes the first frames."""
        self._encode = encode
        self.began = 0  # the first event since there are readers: what is kept from before is no news
        self.ended = False  # nothing will come any more
        self.why_ended = ENDED
        self.history: tuple[GroupEvent, ...] = ()
        self.listeners: dict[object, Listener] = {}
        # what no reader may miss, also one that is so late that the history has it no more
        self.kept: tuple[GroupEvent, ...] = ()  # replaced and not changed, as readers go through it meanwhile
        self.held: GroupEvent | None = None  # the onset of the gesture that is held
        # whoever tells the readers something, and a reader that begins to listen
        self.one_at_a_time = threading.Lock()
        self._news, self._news_wanted = threading.Event(), False
        self._models: list[tuple[int, ModelChange | None]] = [
            (-1, model)
        ]  # and the event from which on it is so

    @property
    def count(self) -> int:
        """Events so far."""
        return self.history[-1].number + 1 if self.history else 0

    @property
    def newest(self) -> int:
        """The number of the newest frame or change of the source, or of the first event to come."""
        news = (event.number for event in reversed(self.history) if not isinstance(event.event, Trouble))
        return next(news, self.count)

    def model_at(self, number: int) -> ModelChange | None:
        """Return what its readers were told of the model that made the frames before the event of that number."""
        return [model for since, model in self._models if since < number or since < 0][-1]

    @property
    def news(self) -> threading.Event:
        """Return what is set at the next event, or when it ends; to be asked for before the look at what is there."""
        self._news_wanted = True
        return self._news

    def wake(self) -> None:
        """Have every reader look up, because something other than an event has happened."""
        if self._news_wanted:  # who asks from now on finds what has happened
            self._news_wanted = False
            news, self._news = self._news, threading.Event()
            news.set()

    def read_by(self, model: ModelChange | None) -> None:
        """Know that another model makes the frames from the next event on, without an event that says so."""
        self._models.append((self.count - 1, model))

    def encoded(self, event: Event) -> bytes:
        """Return the body of an event, also of one that a single reader is told."""
        return self._encode(event)

    def put(self, told: GroupEvent) -> None:
        """Leave an event where readers look, and have it heard; of gestures only what fits to what is held."""
        gesture = told.event
        if isinstance(gesture, GestureEvent):
            holds = self._held_gesture
            if (holds is not None and holds.id == gesture.id) == (gesture.phase == "onset"):
                return  # it has been told, or was released meanwhile
            if gesture.phase == "onset":
                self.release_held("gap")
            told = told._replace(number=self.count)
        self._leave(told)
        if isinstance(gesture, GestureEvent) and gesture.phase != "hold":
            self.held = told if gesture.phase == "onset" else None

    def release_held(self, reason: Reason) -> None:
        """Tell the end of the gesture that is held, where one is: what would end it may never come."""
        held = self._held_gesture
        if held is not None:
            released = held.released(reason, time.time())
            self.held = None
            last = self.history[-1].k if self.history else -1
            self._leave(GroupEvent(self.count, last, -1, self._encode(released), released))

    @property
    def _held_gesture(self) -> GestureEvent | None:
        held = None if self.held is None else self.held.event
        return held if isinstance(held, GestureEvent) else None

    def _leave(self, told: GroupEvent) -> None:
        self.history = (*self.history[1 - HISTORY :], told)
        if isinstance(told.event, ModelChange):
            known = [one for one in self._models if one[0] >= self.history[0].number]
            before = [one for one in self._models if one[0] < self.history[0].number]
            self._models = [*before[-1:], *known, (told.number, told.event)]
        if must_be_told(told.event):
            self.kept = (*self.kept[1 - KEPT :], told)
        self.wake()
        for turn, listener in enumerate(list(self.listeners.values()), start=1):
            listener(told)
            if turn % TURN == 0:
                time.sleep(0)
