"""Compute once, fan out: readers who ask for the same share one computation, encoded once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.emg.signal.windows import Grid
from app.serving.counters.stream_stats import StreamStats
from app.serving.process.work_loop import WorkLoop
from app.serving.sources.signal_feed import SignalFeed
from app.serving.streams.due_windows import DueWindows
from app.serving.streams.events import ENDED, ModelChange, StreamOptions
from app.serving.streams.gestures.told import GestureMark
from app.serving.streams.group import Change, Group, Maker, nothing
from app.serving.streams.group_events import Encode
from app.serving.streams.reader import Reader
from app.serving.streams.turns import Turns

IDLE_GROUPS = 32  # groups without readers whose events are kept

Make = Callable[[StreamOptions], Maker]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a source's windows are read from one of its samples on; `event` tells the streams of it."""

    from_sample: int
    feed: SignalFeed
    make: Make
    event: ModelChange

    def change(self, options: StreamOptions) -> Change:
        """Return it for the group of those options."""
        return Change(
            self.from_sample,
            partial(self.make, options),
            # window k ends at the same time on every grid; one of fewer samples than frames shows some of them twice
            self.feed.grid(options.fps, repeats=True),
            self.feed,
            self.event,
        )


class Broadcast:
    """The groups of one source that are read in the same way, which may change."""

    def __init__(
        self,
        feed: SignalFeed,
        make: Make,
        encode: Encode,
        stats: StreamStats,
        turns: Turns | None = None,
        glance: Callable[[int], None] = nothing,
        due_windows: DueWindows | None = None,
        event: ModelChange | None = None,
        loop: WorkLoop | None = None,
    ) -> None:
        """`glance` looks, before each window, whether a change is to be made; `event` tells of the model."""
        self._event = event
        self._glance, self._due_windows = glance, due_windows or DueWindows()
        self._feed, self._make, self._encode, self._stats = feed, make, encode, stats
        self._turns, self._loop = turns or Turns(), loop or WorkLoop()
        self._groups: dict[StreamOptions, Group] = {}
        self._coming: list[Reading] = []  # changes ahead, in their order
        self._lock = threading.Lock()

    @property
    def running(self) -> dict[StreamOptions, Group]:
        """Return the groups that have readers."""
        return {options: group for options, group in list(self._groups.items()) if group.readers}

    def join(
        self, options: StreamOptions, after: int | None = None, told: GestureMark | None = None
    ) -> Reader:
        """Return a place in the group of those options.

        `after` is the last window a returning reader has seen, `told` the last it heard of gestures.

        Raises:
            DataError: the source has no grid for that fps.
        """
        with self._lock:
            group = self._groups.pop(options, None) or self._group(options)
            self._groups[options] = group  # last in the dict: the longest idle are the first to be forgotten
            group.readers += 1
            starts = group.readers == 1
            if starts:
                group.begin()
            first, joined = max(group.newest, group.began), group.count
        if starts:  # without the lock: it waits for the thread, and a crowd would queue behind each such wait
            group.start()
        return Reader(group, lambda: self._leave(group), first, after, joined, told)

    def reached(self, options: StreamOptions) -> int:
        """Return the newest window on the grid of those options; -1 before the first.

        One that a group had of the source before counts: this one may not have begun.
        """
        feed = self._feed
        for coming in list(self._coming):  # as `_settle`, without its lock: who asks may hold a group's
            if coming.from_sample > feed.path.to_source(feed.ring.newest):
                break
            feed = coming.feed
        group = self._groups.get(options)
        newest = feed.grid(options.fps).last_at_or_before(feed.ring.newest)
        return newest if group is None else max(newest, group.reached)

    @property
    def looked_at(self) -> int:
        """Return the source's sample up to which a window was looked at; 0 before the first."""
        return max((group.looked_at for group in list(self._groups.values())), default=0)

    def change(self, reading: Reading) -> None:
        """Have all groups read otherwise from that sample on."""
        with self._lock:
            self._settle()
            self._coming.append(reading)
            for options, group in self._groups.items():
                group.change(reading.change(options))

    def move(self, feed: SignalFeed, make: Make | None = None, event: ModelChange | None = None) -> None:
        """Have all groups go on with another source; a group that is too fast for it gets its fastest grid."""
        with self._lock:
            self._feed, self._make, self._coming, self._event = feed, make or self._make, [], event
            for options, group in self._groups.items():
                grid = feed.grid(min(options.fps, feed.rate))
                group.move(partial(self._make, options), grid, feed, event)

    def end(self, why: str = ENDED) -> None:
        """End all streams: there will be no more frames."""
        for group in list(self._groups.values()):
            group.end(why)

    def tell(self, message: str) -> None:
        """Have every reader told of a trouble."""
        for group in list(self._groups.values()):
            if group.readers:
                group.say(message)

    def _group(self, options: StreamOptions) -> Group:
        self._settle()
        return Group(
            partial(self._make, options),
            self._grid(options),
            self._feed,
            self._encode,
            self._stats,
            self._turns,
            changes=[one.change(options) for one in self._coming],
            glance=self._glance,
            due_windows=self._due_windows,
            model=self._event,
            loop=self._loop,
        )

    def _settle(self) -> None:
        """Forget the readings that are over: a new group begins with the one of now."""
        while self._coming and self._coming[0].from_sample <= self._feed.path.to_source(
            self._feed.ring.newest
        ):
            reading = self._coming.pop(0)
            self._feed, self._make, self._event = reading.feed, reading.make, reading.event

    def _grid(self, options: StreamOptions) -> Grid:
        return self._feed.grid(options.fps)

    def _leave(self, group: Group) -> None:
        with self._lock:
            group.readers -= 1
            if group.readers == 0:
                group.stop()
            idle = [options for options, group in self._groups.items() if group.readers == 0]
            for options in idle[:-IDLE_GROUPS]:
                del self._groups[options]
