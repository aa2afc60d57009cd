"""One computation and the readers who share it.

A group follows a source: when the last sample of a window has come it makes the frame, encodes it, and leaves it where
its readers look. It never waits for them: a reader who comes late finds the newest frame and the number of those it has
missed. The first reader starts the group, the last one to leave stops it; its latest events stay for a reader who was
cut off and comes back. On which thread it does that is said in following.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.emg.signal.windows import Grid
from app.errors import MyostreamError
from app.inference.gestures.events import Reason
from app.serving.counters.stream_stats import StreamStats
from app.serving.process.work_loop import WorkLoop
from app.serving.sources.signal_feed import STALL_S, SignalFeed
from app.serving.streams.due_windows import Due, DueWindows
from app.serving.streams.events import ENDED, FRAMES, Event, Frame, ModelChange, Trouble
from app.serving.streams.following import Following
from app.serving.streams.frames import FrameMaker
from app.serving.streams.group_events import TURN, Encode, GroupEvent, GroupEvents
from app.serving.streams.signal_frames import SignalFrameMaker
from app.serving.streams.turns import Turns
from app.serving.streams.value_frames import ValueFrameMaker

log = logging.getLogger(__name__)

Maker = FrameMaker | SignalFrameMaker | ValueFrameMaker

MAX_LAG_S = 0.1  # a group further behind its source than this skips to the newest window
RELEASE_S = (
    0.2  # without a sample, and what is held ends: a stall is one a little later, and 0.3 s are promised
)
SILENT = ("stalled", "disconnected", "ended")


def nothing(_sample: int = 0) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Another model: it makes the frames of all windows that end at `from_sample` of the source, or later."""

    from_sample: int
    make: Callable[[], Maker]
    grid: Grid
    feed: SignalFeed
    event: ModelChange

    @property
    def over(self) -> bool:
        """Whether a group that begins now begins with this model, or a later one."""
        return self.from_sample <= self.feed.path.to_source(self.feed.ring.newest)


class Group(GroupEvents):
    """One computation and the readers who share it."""

    def __init__(
        self,
        make: Callable[[], Maker],
        grid: Grid,
        feed: SignalFeed,
        encode: Encode,
        stats: StreamStats,
        turns: Turns | None = None,
        clock: Callable[[], float] = time.perf_counter,
        changes: Sequence[Change] = (),
        glance: Callable[[int], None] = nothing,
        due_windows: DueWindows | None = None,
        model: ModelChange | None = None,
        loop: WorkLoop | None = None,
    ) -> None:
        """`changes` are those ahead, in their order; `glance` looks, before each window, whether there is another.

        `model` is what the readers would be told of the one that makes the first frames.
        """
        super().__init__(encode, model)
        self._due_windows = due_windows or DueWindows()
        self._turns, self._loop = turns or Turns(), loop or WorkLoop()
        self._make, self._grid, self._feed = make, grid, feed
        self._changes, self._glance = list(changes), glance
        self._stats, self._clock = stats, clock
        self.readers = 0  # kept by Broadcast, under its lock
        self._since = 0 if model is None else model.from_sample  # no window that ends before is this model's
        self._k = -1  # the last window that was made or skipped
        self._position = 0
        self._stalled = self._failing = False
        self._framed_to = 0  # the sample before which the last frame's window ended
        self._said: tuple[str, float] = ("", 0.0)
        self._following = Following(self, self._loop, self._turns)  # not started
        self._maker: Maker | None = None  # of the frames just now
        self.looked_at = 0  # the source's sample up to which a window was looked at

    @property
    def reached(self) -> int:
        """The last window that was made or skipped; -1 before the first."""
        return self._k

    @property
    def complete(self) -> bool:
        """Whether the next window is there."""
        return bool(self.readers) and self._feed.ring.newest >= self._grid.end_of(self._k + 1)

    @property
    def gesture_figures(self) -> dict[str, Any] | None:
        """Return what the gestures told are worth by the labels, since it began or its model did; see GestureScore."""
        return self._maker.gesture_figures if isinstance(self._maker, FrameMaker) else None

    def due(self) -> Due | None:
        """Return the next window, where it is there and its prediction not known yet."""
        maker = self._maker
        if self._changes or not isinstance(maker, FrameMaker) or not self.complete:
            return None
        return maker.due(self._grid.end_of(self._k + 1))

    def begin(self) -> None:
        """Be ready for a first reader: what came before is no news to it, another model of meanwhile included."""
        self._release_held("gap")
        if over := self._over:
            self._turn_over(over)
        self.began = self.count

    def start(self, stalled: bool = False) -> None:
        """Follow the source from its newest window on; `stalled`: its readers were told so, and wait to hear more."""
        self._stalled = stalled
        self._following = Following(self, self._loop, self._turns)
        self._following.start()

    def stop(self) -> None:
        self._following.stop()

    def end(self, why: str = ENDED) -> None:
        """Have no more frames made; the readers' streams end, and say why."""
        self.stop()
        self._release_held("completed" if why == ENDED else "shutdown")
        self.why_ended, self.ended = why, True
        self.wake()

    def change(self, change: Change) -> None:
        """Have another model make the frames from its sample on."""
        if not self.readers:  # nobody goes through them: of those that are over, the newest is enough
            del self._changes[: max(len(self._over) - 1, 0)]
        self._changes.append(change)
        self._following.soon()

    def move(
        self, make: Callable[[], Maker], grid: Grid, feed: SignalFeed, model: ModelChange | None = None
    ) -> None:
        """Go on with another source: readers hear `stalled` now, and `recovered` before its first frame."""
        self.stop()
        if self.readers and not self._stalled and self._maker is not None:
            self._release_held("stalled")
            self._publish(self._maker.source_change("stalled", "disconnected"))
        self._make, self._grid, self._feed = make, grid, feed
        self._changes, self.looked_at = [], 0
        self.read_by(model)
        self._since = 0 if model is None else model.from_sample
        self.ended, self.why_ended = False, ENDED  # that was the source before
        if self.readers:
            self.start(stalled=True)

    @property
    def feed(self) -> SignalFeed:
        """Return that whose windows it waits for."""
        return self._feed

    @property
    def fps(self) -> float:
        return self._grid.fps

    @property
    def awaited(self) -> int:
        """Return the sample of the feed before which its next window ends."""
        return self._grid.end_of(self._k + 1)

    @property
    def quick(self) -> bool:
        """Whether a frame takes so little time, and waits for nobody, that others may wait for it."""
        return (self._maker is None or self._maker.quick) and len(self.listeners) <= TURN

    def begin_at_newest(self, stop: threading.Event) -> None:
        """Have the first event be at once, for the window just past."""
        if self._over:
            self._turn_over(self._over, stop)
        else:
            self._maker = self._make()
        ring = self._feed.ring
        self._framed_to = ring.newest + self._feed.length
        silent = self._feed.state in SILENT  # of such a source, the window just past says nothing of now
        k = max(self._grid.last_at_or_before(ring.newest) + silent, self._k + 1, 0)
        while self._feed.path.to_source(self._grid.end_of(k)) < self._since:  # it is the model's before
            k += 1
        self._position += k - self._k - 1 if self._k >= 0 else 0
        self._k = k - 1

    def note_due(self) -> None:
        """Have the next window, which is there, predicted with those of others."""
        self._due_windows.look((self,))

    def turned_over(self, stop: threading.Event) -> bool:
        """Take the changes that hold for the next window; False where there are none.

        What filled the ring until now may not do so for long: a window of the next model is awaited in its own.
        """
        return bool(self._changes) and self._turned_over(self._feed.path.to_source(self.awaited), stop)

    def failed(self) -> None:
        """Have the frame passed over that has just failed; to be called where the error is handled."""
        if not self._failing:  # once, not with every frame
            log.exception("a frame failed")
        self._failing = True
        if self._maker is not None:
            self._let_go(self._maker, "stalled")
        self.say("internal error; the server's log has it")
        self._k += 1

    def make_frame(self, stop: threading.Event) -> None:
        """Make the next frame; its last sample is there."""
        maker = self._maker
        assert maker is not None  # since it began
        ring, k = self._feed.ring, self._k + 1
        late = self._grid.last_at_or_before(ring.newest) - k
        if late > self._grid.fps * MAX_LAG_S + 1:
            self._position += late
            k += late
        end = self._grid.end_of(k)
        self._k = k - 1
        self.looked_at = self._feed.path.to_source(end)
        # whoever decides upon a change just now sees how far this group is, or this sees the change
        self._glance(self.looked_at)
        if self._turned_over(self.looked_at, stop):
            return
        self._due_windows.predict(self)
        try:
            frame = maker.frame(end)
        except MyostreamError as error:
            if stop.is_set():
                return
            self._k = k
            self.say(str(error))
            self._say_spoilt(maker, end)
            return
        if stop.is_set():
            return
        self._k = k
        if self._failing:
            self._failing = False
            log.warning("frames are made again")
        if frame is None:  # too much of the window is lost
            self._let_go(maker, "gap", stop)
            self._say_spoilt(maker, end)
            return
        self._framed_to = end
        if self._stalled:
            self._stalled = False
            self._publish(maker.source_change("recovered", "running"), stop)
        self._publish(frame, stop)
        if isinstance(frame, Frame):
            for gesture in frame.gestures:
                self._publish(gesture, stop)

    def _turned_over(self, sample: int, stop: threading.Event) -> bool:
        """Take the changes that hold for the window which ends at that sample of the source; False where none does."""
        due = [one for one in self._changes if one.from_sample <= sample]
        if due:
            self._turn_over(due, stop)
        return bool(due)

    @property
    def _over(self) -> list[Change]:
        """Return those of the changes ahead after which a group begins that begins now."""
        newest = max((at for at, one in enumerate(self._changes) if one.over), default=-1)
        return self._changes[: newest + 1]

    def _turn_over(self, due: Sequence[Change], stop: threading.Event | None = None) -> None:
        """Take the newest of these, which are the first of those ahead."""
        self._changes = self._changes[len(due) :]
        newest = due[-1]
        if self._maker is not None:
            self._let_go(self._maker, "model", stop)
        self._make, self._grid, self._feed = newest.make, newest.grid, newest.feed
        self._maker, self._since = newest.make(), newest.from_sample
        self._framed_to = self._grid.end_of(self._k)
        self._publish(newest.event, stop)

    def look_at_source(self) -> None:
        """Tell the readers of a source from which nothing comes."""
        state = self._feed.state
        if self.held is not None and self._maker is not None and self._silent_s > RELEASE_S:
            self._let_go(self._maker, "completed" if state == "ended" else "stalled")
        if state in SILENT and self._maker is not None:
            self._say_stalled(self._maker, state)
        if state == "ended":
            self.ended = True
            self.wake()

    @property
    def _silent_s(self) -> float:
        """Return how long ago the newest sample came; 0 where nobody knows."""
        ring = self._feed.ring
        at = ring.acquired_at(ring.newest - 1)
        return self._clock() - at if at else 0.0

    def _say_spoilt(self, maker: Maker, end: int) -> None:
        """Say that decisions fall to rest, where there has been no frame for so long."""
        if (end - self._framed_to) / self._grid.rate > STALL_S:
            self._say_stalled(maker)

    def _say_stalled(self, maker: Maker, state: str = "stalled") -> None:
        """Say once that decisions would hang on an old window."""
        if not self._stalled:
            self._stalled = True
            lost: Reason = "gap" if self._feed.lossy else "stalled"
            self._let_go(maker, "completed" if state == "ended" else lost)
            self._publish(maker.source_change("stalled", state))

    def _let_go(self, maker: Maker, reason: Reason, stop: threading.Event | None = None) -> None:
        """Tell the end of the gesture that is held, where one is: what would end it may never come."""
        for gesture in maker.let_go(reason):
            self._publish(gesture, stop)

    def _release_held(self, reason: Reason) -> None:
        """Tell the same once it is stopped, whatever its thread is just doing."""
        with self.one_at_a_time:
            self.release_held(reason)

    def say(self, message: str) -> None:
        """One event for a trouble, however many frames it spoils within a second."""
        now = self._clock()
        if message != self._said[0] or now - self._said[1] > 1.0:
            self._said = message, now
            self._publish(Trouble(error=message, timestamp=time.time()))

    def _publish(self, event: Event, stop: threading.Event | None = None) -> None:
        """Leave an event where readers look; nothing where `stop` is set, as its source is no more."""
        with self.one_at_a_time:
            if stop is None or not stop.is_set():
                self._put(event)

    def _put(self, event: Event) -> None:
        began = self._clock()
        body = self._encode(event)
        position = -1
        if isinstance(event, FRAMES):
            self._stats.frame_encoded((self._clock() - began) * 1e3)
            position = self._position
            self._position += 1
        self.put(GroupEvent(self.count, self._k, position, body, event))
