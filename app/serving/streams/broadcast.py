"""Compute once, fan out: readers who ask for the same share one computation, encoded once.

A group is one thread that follows a source: it waits for the last sample of each window, makes the frame, encodes
it, and leaves it where its readers look. It never waits for them: a reader who comes late finds the newest frame and
the number of those it has missed. The first reader starts the group, the last one to leave stops it; its latest
events stay for a reader who was cut off and comes back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from app.emg.signal.windows import Grid
from app.errors import MyostreamError
from app.serving.counters.stream_stats import StreamStats
from app.serving.sources.acquisition import STALL_S, Acquisition
from app.serving.streams.events import Event, Frame, StreamOptions, Trouble
from app.serving.streams.frames import FrameMaker
from app.serving.streams.turns import Turns

log = logging.getLogger(__name__)

Encode = Callable[[Event], bytes]

HISTORY = 64  # events that a group keeps: 2 s at 30 fps
IDLE_GROUPS = 32  # groups without readers whose events are kept
STATE_POLL_S = STALL_S / 4  # how often a group without samples looks at its source
MAX_LAG_S = 0.1  # a group further behind its source than this skips to the newest window
TURN = 50  # listeners served before the other work of this process gets its turn
SILENT = ("stalled", "disconnected", "ended")


class GroupEvent(NamedTuple):
    """One event, encoded."""

    number: int  # of all events of the group
    k: int  # the window on the grid; for what is no frame, the window waited for
    position: int  # frames of the group before this one, those skipped included; -1 for what is no frame
    body: bytes
    event: Event  # the same, for listeners in this process


Listener = Callable[[GroupEvent], None]


class Group:
    """One computation and the readers who share it."""

    def __init__(
        self,
        make: Callable[[], FrameMaker],
        grid: Grid,
        acquisition: Acquisition,
        encode: Encode,
        stats: StreamStats,
        turns: Turns | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._turns = turns or Turns()
        self._make, self._grid, self._acquisition = make, grid, acquisition
        self._encode, self._stats, self._clock = encode, stats, clock
        self.readers = 0  # kept by Broadcast, under its lock
        self.began = 0  # the first event since there are readers: what is kept from before is no news
        self.ended = False  # the source has ended: nothing will come any more
        self.history: tuple[GroupEvent, ...] = ()
        self.news = threading.Event()  # replaced at every event, so that each wakes those who wait for it
        self.listeners: dict[object, Listener] = {}
        self._k = -1  # the last window that was made or skipped
        self._position = 0
        self._stalled = self._failing = False
        self._framed_to = 0  # the sample before which the last frame's window ended
        self._said: tuple[str, float] = ("", 0.0)
        self._stop = threading.Event()

    @property
    def count(self) -> int:
        """Events so far."""
        return self.history[-1].number + 1 if self.history else 0

    @property
    def newest(self) -> int:
        """The number of the newest frame or change of the source, or of the first event to come."""
        news = (event.number for event in reversed(self.history) if not isinstance(event.event, Trouble))
        return next(news, self.count)

    def start(self) -> None:
        """Follow the source from its newest window on."""
        self._stop = threading.Event()  # the thread before may not have seen yet that it was stopped
        threading.Thread(target=self._run, args=(self._stop,), name="stream group", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def wake(self) -> None:
        """Have every reader look up, because something other than an event has happened."""
        news, self.news = self.news, threading.Event()
        news.set()

    def _run(self, stop: threading.Event) -> None:
        ring, maker = self._acquisition.ring, self._make()
        self._stalled, self._framed_to = False, ring.newest + self._acquisition.length
        # the first event is at once, for the window just past; that of a silent source says nothing of now
        silent = self._acquisition.state in SILENT
        k = max(self._grid.last_at_or_before(ring.newest) + silent, self._k + 1, 0)
        self._position += k - self._k - 1 if self._k >= 0 else 0
        self._k = k - 1
        while not stop.is_set() and not self.ended:
            try:
                self._waited(maker, stop)
            except Exception:
                if not self._failing:  # once, not with every frame
                    log.exception("a frame failed")
                self._failing = True
                self.say("internal error; the server's log has it")
                self._k += 1

    def _waited(self, maker: FrameMaker, stop: threading.Event) -> None:
        """Make the next frame when its last sample has come, and its turn."""
        came = self._acquisition.ring.wait_beyond(self._grid.end_of(self._k + 1) - 1, timeout=STATE_POLL_S)
        if stop.is_set():  # a newer thread may have gone on meanwhile
            return
        if not came:
            self._look_at_source(maker)
            return
        with self._turns.turn(self._grid.fps):
            if not stop.is_set():
                self._step(maker, stop)

    def _step(self, maker: FrameMaker, stop: threading.Event) -> None:
        """Make the next frame; its last sample is there."""
        ring, k = self._acquisition.ring, self._k + 1
        late = self._grid.last_at_or_before(ring.newest) - k
        if late > self._grid.fps * MAX_LAG_S + 1:
            self._position += late
            k += late
        try:
            frame = maker.frame(self._grid.end_of(k))
        except MyostreamError as error:
            if stop.is_set():
                return
            self._k = k
            self.say(str(error))
            return
        if stop.is_set():
            return
        self._k = k
        if self._failing:
            self._failing = False
            log.warning("frames are made again")
        if frame is None:  # too much of the window is lost
            spoilt_s = (self._grid.end_of(k) - self._framed_to) / self._grid.rate
            if spoilt_s > STALL_S:
                self._say_stalled(maker)
            return
        self._framed_to = self._grid.end_of(k)
        if self._stalled:
            self._stalled = False
            self._publish(maker.source_change("recovered", "running"))
        self._publish(frame)

    def _look_at_source(self, maker: FrameMaker) -> None:
        state = self._acquisition.state
        if state in SILENT:
            self._say_stalled(maker, state)
        if state == "ended":
            self.ended = True
            self.wake()

    def _say_stalled(self, maker: FrameMaker, state: str = "stalled") -> None:
        """Say once that decisions would hang on an old window."""
        if not self._stalled:
            self._stalled = True
            self._publish(maker.source_change("stalled", state))

    def say(self, message: str) -> None:
        """One event for a trouble, however many frames it spoils within a second."""
        now = self._clock()
        if message != self._said[0] or now - self._said[1] > 1.0:
            self._said = message, now
            self._publish(Trouble(error=message, timestamp=time.time()))

    def _publish(self, event: Event) -> None:
        began = self._clock()
        body = self._encode(event)
        position = -1
        if isinstance(event, Frame):
            self._stats.frame_encoded((self._clock() - began) * 1e3)
            position = self._position
            self._position += 1
        published = GroupEvent(self.count, self._k, position, body, event)
        self.history = (*self.history[1 - HISTORY :], published)
        self.wake()
        for turn, listener in enumerate(list(self.listeners.values()), start=1):
            listener(published)
            if turn % TURN == 0:
                time.sleep(0)


class Reader:
    """One client's place in a group.

    `first` is the number of the first event that is news to it; `after` the last window it has seen, if it was here
    before.
    """

    def __init__(self, group: Group, leave: Callable[[], None], first: int, after: int | None = None) -> None:
        self._group, self._leave = group, leave
        self._next, self._after = first, after
        self._position: int | None = None
        self._left = False

    @property
    def ended(self) -> bool:
        """Nothing will come any more, and all that came has been taken."""
        return self._group.ended and not self._fresh()

    def replay(self) -> list[tuple[GroupEvent, int]]:
        """Return the frames kept that this reader has not seen, each with the number of frames missed before it."""
        if self._after is None:
            return []
        after = self._after
        history = self._group.history
        self._next = history[-1].number + 1 if history else 0
        return [(event, self._missed(event)) for event in history if event.position >= 0 and event.k > after]

    def take(self, timeout_s: float) -> list[tuple[GroupEvent, int]]:
        """Return what is new, at most one frame and that the newest, each with the number of frames missed before it.

        Waits up to `timeout_s`; empty when nothing came.
        """
        news = self._group.news
        fresh = self._fresh()
        if not fresh and not self._group.ended:
            news.wait(timeout_s)
            fresh = self._fresh()
        if not fresh:
            return []
        self._next = fresh[-1].number + 1
        newest = max(event.position for event in fresh)
        told = [event for event in fresh if event.position in (-1, newest) and not self._had(event)]
        return [(event, self._missed(event)) for event in told]

    def listen(self, listener: Callable[[GroupEvent, int], bool]) -> None:
        """Have every event given to `listener` as it is published; it must not wait.

        It is called with the event and the frames missed before it, and says whether it took it: one that it
        did not take is missed.
        """

        def offered(event: GroupEvent) -> None:
            if self._left or event.number < self._next:  # it may leave while others are served
                return
            self._next = event.number + 1
            position, after = self._position, self._after
            if not listener(event, self._missed(event)):
                self._position, self._after = position, after

        self._group.listeners[self] = offered

    def close(self) -> None:
        """Leave the group. Safe to call twice."""
        if not self._left:
            self._left = True
            self._group.listeners.pop(self, None)
            self._leave()

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


class Broadcast:
    """The groups of one source."""

    def __init__(
        self,
        acquisition: Acquisition,
        make: Callable[[StreamOptions], FrameMaker],
        encode: Encode,
        stats: StreamStats,
        turns: Turns | None = None,
    ) -> None:
        self._acquisition, self._make, self._encode, self._stats = acquisition, make, encode, stats
        self._turns = turns or Turns()
        self._groups: dict[StreamOptions, Group] = {}
        self._lock = threading.Lock()

    @property
    def running(self) -> dict[StreamOptions, int]:
        """The number of readers of every group that has some."""
        return {options: g.readers for options, g in list(self._groups.items()) if g.readers}

    def join(self, options: StreamOptions, after: int | None = None) -> Reader:
        """Return a place in the group of those options; `after` is the last window a returning reader has seen.

        Raises:
            DataError: the source has no grid for that fps.
        """
        with self._lock:
            group = self._groups.pop(options, None) or self._group(options)
            self._groups[options] = group  # last in the dict: the longest idle are the first to be forgotten
            group.readers += 1
            starts = group.readers == 1
            if starts:
                group.began = group.count
            first = max(group.newest, group.began)
        if starts:  # without the lock: it waits for the thread, and a crowd would queue behind each such wait
            group.start()
        return Reader(group, lambda: self._leave(group), first, after)

    def reached(self, options: StreamOptions) -> int:
        """Return the newest window on the grid of those options; -1 before the first."""
        return Grid(self._acquisition.source.sampling_rate, options.fps).last_at_or_before(
            self._acquisition.ring.newest
        )

    def tell(self, message: str) -> None:
        """Have every reader told of a trouble."""
        for group in list(self._groups.values()):
            if group.readers:
                group.say(message)

    def _group(self, options: StreamOptions) -> Group:
        grid = Grid(self._acquisition.source.sampling_rate, options.fps)
        return Group(
            lambda: self._make(options), grid, self._acquisition, self._encode, self._stats, self._turns
        )

    def _leave(self, group: Group) -> None:
        with self._lock:
            group.readers -= 1
            if group.readers == 0:
                group.stop()
            idle = [options for options, group in self._groups.items() if group.readers == 0]
            for options in idle[:-IDLE_GROUPS]:
                del self._groups[options]
