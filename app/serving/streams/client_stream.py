"""What one client is told over time: frames, changes of the source, and always a last word."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from app.inference.gestures.events import GestureEvent, Reason
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.events import CUT_SHORT, Completed, Told, must_be_told
from app.serving.streams.gestures.told import GestureMark, ToldGestures
from app.serving.streams.group_events import GroupEvent
from app.serving.streams.reader import Reader

CLIENT_POLL_S = 0.25  # how often a quiet stream looks whether the client has left or the server stops
PAUSE_S = 0.02  # before a client that reads slowly is looked at again
GIVE_UP_S = 10.0  # a client that has read nothing for so long is closed
MOST_OWED = 256  # events that a client which does not read is told later; with more it is closed


class StreamCursor(NamedTuple):
    """How far a client has come in its stream: enough to go on after a cut connection."""

    run: str  # of the server: another one counts its windows anew
    started_at: float  # Unix s
    k: int  # last window seen
    frames: int
    dropped: int
    gesture: GestureMark | None = None  # the last it heard of gestures

    @property
    def stream(self) -> str:
        """What the ids of this stream's events begin with, also after a reconnect."""
        return f"{self.run}.{round(self.started_at * 1000)}"


class ClientEvent(NamedTuple):  # made for every client and frame: a dataclass takes three times as long
    """One event for one client: the shared body, and what is this client's own."""

    body: bytes
    frame: int  # frames sent before it
    stream: bytes  # as StreamCursor has it; this and the next three are the client's cursor once it has had the event
    k: int
    frames: int
    dropped: int
    event: Told | None = None  # the same, for who writes it in another form; None: the greeting
    gesture: bytes = b""  # what the client's cursor says of gestures then


class EventWriter(Protocol):
    """A way to the client that never waits, such as its socket."""

    def send(self, sent: ClientEvent) -> bool:
        """Send now, or say False: the client has not taken yet what it was sent before.

        Raises:
            OSError: the client has gone.
        """


class Stream:
    """Iterate to get what the client is to be sent; None where there is nothing to say just now.

    The last item is `Completed`, unless the client left or stopped reading. With a `writer` the frames take that
    way, straight from the thread that makes them, and the iteration gives only None and the last word.
    """

    def __init__(
        self,
        reader: Reader,
        fps: float,
        duration_s: float | None,
        *,
        run: str,
        stats: StreamStats,
        stopping: Callable[[], bool],
        why_stopping: Callable[[], str] = lambda: "shutdown",
        speed: float
        | None = 1.0,  # of a recording: its frames come so many times as fast; None: in any number
        place: StreamCursor | None = None,
        greeting: bytes | None = None,  # an event before all others
        writer: EventWriter | None = None,
        writable: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reader, self._fps, self._duration, self._stats = reader, fps, duration_s, stats
        self._run, self._stopping, self._writable = run, stopping, writable
        self._why_stopping = why_stopping
        self._writer, self._clock, self._sleep = writer, clock, sleep
        endless = duration_s is None or speed is None
        self._most = None if endless else max(1, round((duration_s or 0.0) * fps * (speed or 1.0)))
        self._started_at = place.started_at if place else wall()
        self._ran_s = max(wall() - self._started_at, 0.0)  # before a reconnect
        self._k = place.k if place else -1
        self.frames = place.frames if place else 0
        self.dropped = place.dropped if place else 0
        if place is not None and place.run != run:  # what was missed, only the clock can say
            self.dropped = max(self.dropped, int(self._ran_s * fps * (speed or 1.0)) - self.frames)
        self._gestures, self._told_mark = ToldGestures(place.gesture if place else None), b""
        self.name = self.place.stream
        self._name = self.name.encode()  # once, not for every frame
        self._greeting = greeting
        self._wall = wall
        self._wake = threading.Event()
        self._hurry: Callable[[], None] | None = None
        self._gone = False
        self._blocked_since: float | None = None
        self._owed: deque[GroupEvent] = (
            deque()
        )  # what must be told, and the client could not take: see `_offered`
        self._lost_gesture = self._recall(place)

    @property
    def place(self) -> StreamCursor:
        return StreamCursor(
            self._run, self._started_at, self._k, self.frames, self.dropped, self._gestures.last
        )

    def attend(self, hurry: Callable[[], None]) -> None:
        """From now on the iteration never waits: it is drawn from every CLIENT_POLL_S, and sooner after `hurry()`."""
        self._hurry = hurry

    def __iter__(self) -> Iterator[ClientEvent | Completed | None]:
        began = self._clock() - self._ran_s
        ends = None if self._duration is None else began + self._duration
        if self._greeting is not None:
            yield self._own(self._greeting)
        if self._lost_gesture:
            yield from self._released("gap")
        if self._duration is not None:
            for event, missed in self._reader.replay():
                yield from self._told(event, missed)
        if self._writer is not None:
            for event, missed in self._reader.take(0.0):
                yield from self._told(event, missed)
            self._reader.listen(self._offered)
        while not self._gone:
            now = self._clock()
            reason = (
                self._why_stopping()
                if self._stopping()
                else self._reader.why_ended
                if self._reader.ended
                else None
            )
            if reason is not None or (ends is not None and now >= ends):
                yield from self._last_events("shutdown" if reason in CUT_SHORT else "completed")
                yield Completed(total_frames=self.frames, duration_seconds=now - began, reason=reason)
                return
            if self._given_up(now):
                return
            wait = CLIENT_POLL_S if ends is None else min(CLIENT_POLL_S, ends - now)
            yield from self._attended(wait) if self._writer is not None else self._news(wait)

    def _news(self, timeout_s: float) -> Iterator[ClientEvent | None]:
        """Wait for events and hand them on, unless the client has not taken what it was sent."""
        if not self._writable():
            self._blocked_since = self._blocked_since or self._clock()
            self._sleep(PAUSE_S)
            yield None  # it may have gone
            return
        self._blocked_since = None
        news = self._reader.take(timeout_s)
        if not news:
            yield None
        for event, missed in news:
            yield from self._told(event, missed)

    def _attended(self, timeout_s: float) -> Iterator[None]:
        """Frames go by the writer meanwhile."""
        if self._hurry is None:
            self._wake.wait(timeout_s)
        if self._owed:  # no other event may come for long
            self._reader.exclusively(self._try_owed)
        if not self._gone:
            yield None  # also while it does not read: it may have gone

    def _offered(self, event: GroupEvent, missed: int) -> bool:
        """Take an event on the group's thread: without a wait, and never raise."""
        assert self._writer is not None
        if self._complete(event):
            return True
        try:
            if event.position >= 0 and not self._owed:  # nearly always, and for a thousand clients
                took = self._writer.send(self._sent(event, missed))
                if took:
                    self._count(event, missed)
            else:
                took = self._pay() and self._give(event, missed)
        except OSError:
            self._left()
            return True
        if not took:
            self._blocked_since = self._blocked_since or self._clock()
            if must_be_told(event.event):
                self._owe(event)
            return False
        self._blocked_since = None
        return True

    def _owe(self, event: GroupEvent) -> None:
        """Keep what must be told until the client takes it; frames come after it, and not in between."""
        self._owed.append(event)
        if len(self._owed) > MOST_OWED:
            self._blocked_since = -GIVE_UP_S  # it reads too slowly to be told what it must know

    def _pay(self) -> bool:
        """Tell what is owed, in its order; whether nothing is left."""
        while self._owed and self._give(self._owed[0], 0):
            self._owed.popleft()
        return not self._owed

    def _try_owed(self) -> None:
        try:
            if self._pay():
                self._blocked_since = None
        except OSError:
            self._left()

    def _left(self) -> None:
        self._gone = True
        (self._hurry or self._wake.set)()

    def _give(self, event: GroupEvent, missed: int) -> bool:
        """Write an event, and before it what must come before; False: the client does not take it now."""
        assert self._writer is not None
        for one in self._due(event):
            if not self._writer.send(self._sent(one, missed)):
                return False
            self._count(one, missed)
        return True

    def _told(self, event: GroupEvent, missed: int) -> Iterator[ClientEvent]:
        if not self._complete(event):
            for one in self._due(event):
                yield self._sent(one, missed)
                self._count(one, missed)

    def _due(self, event: GroupEvent) -> list[GroupEvent]:
        """Return what the client is to be told for an event of the group; of gestures not always just that."""
        gesture = event.event
        if not isinstance(gesture, GestureEvent):
            return [event]
        return [event if one is gesture else self._alone(one) for one in self._gestures.due(gesture)]

    def _alone(self, gesture: GestureEvent) -> GroupEvent:
        return GroupEvent(-1, self._k, -1, self._reader.encoded(gesture), gesture)

    def _released(self, reason: Reason) -> Iterator[ClientEvent]:
        """Tell the end of the gesture of which the client will hear no more."""
        for gesture in self._gestures.end(reason, self._wall()):
            one = self._alone(gesture)
            yield self._sent(one, 0)
            self._count(one, 0)

    def _last_events(self, reason: Reason) -> Iterator[ClientEvent]:
        """Leave the group, and tell what the client must know before its last word."""
        self._reader.close()
        self._reader.exclusively(lambda: None)  # what was being given to it has been
        while self._owed:
            yield from self._told(self._owed.popleft(), 0)
        yield from self._released(reason)

    def _recall(self, place: StreamCursor | None) -> bool:
        """Take up what the client was told before its connection was cut; whether it will not hear how that ended."""
        told = None if place is None else place.gesture
        if told is None or not told.held:
            return False
        known = self._reader.gesture(told.id)
        self._gestures.held = known or _forgotten(told, self._reader.class_name(told.class_index))
        self._told_mark = _mark(told)
        return known is None

    def _complete(self, event: GroupEvent) -> bool:
        """Whether all frames of the duration have been sent or missed."""
        return self._most is not None and event.position >= 0 and self.frames + self.dropped >= self._most

    def _sent(self, event: GroupEvent, missed: int) -> ClientEvent:
        before, dropped = self.frames, self.dropped + missed
        if event.position >= 0:
            return ClientEvent(
                event.body, before, self._name, event.k, before + 1, dropped, event.event, self._told_mark
            )
        mark = self._told_mark
        if isinstance(event.event, GestureEvent):
            mark = _mark(self._gestures.after(event.event))
        return ClientEvent(event.body, before, self._name, self._k, before, dropped, event.event, mark)

    def _own(self, body: bytes) -> ClientEvent:
        return ClientEvent(
            body, self.frames, self._name, self._k, self.frames, self.dropped, None, self._told_mark
        )

    def _count(self, event: GroupEvent, missed: int) -> None:
        if event.position >= 0:
            self.frames += 1
            self.dropped += missed
            self._k = event.k
            self._stats.sent(missed)
        elif isinstance(event.event, GestureEvent):
            self._gestures.told(event.event)
            self._told_mark = _mark(self._gestures.last)

    def _given_up(self, now: float) -> bool:
        return self._blocked_since is not None and now - self._blocked_since > GIVE_UP_S


def _mark(told: GestureMark | None) -> bytes:
    """Return what an event's id says of gestures."""
    return b"" if told is None else told.text.encode()


def _forgotten(told: GestureMark, name: str) -> GestureEvent:
    """Return a gesture of which only that is known, so that its end can be told."""
    return GestureEvent(
        gesture=name,
        phase="onset",
        id=told.id,
        variant="single",
        index=told.class_index,
        sample_index=told.id,
        began_at=told.id,
        refined_by=0,
        strength=0.0,
        confidence=0.0,
        held_s=0.0,
        timestamp=0.0,
    )
