"""Compute once, fan out: readers who ask for the same share one computation, encoded once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from app.emg.signal.windows import Grid
from app.serving.counters.stream_stats import StreamStats
from app.serving.sources.acquisition import Acquisition
from app.serving.streams.events import StreamOptions
from app.serving.streams.group import Encode, Group, Maker
from app.serving.streams.reader import Reader
from app.serving.streams.turns import Turns

IDLE_GROUPS = 32  # groups without readers whose events are kept


class Broadcast:
    """The groups of one source."""

    def __init__(
        self,
        acquisition: Acquisition,
        make: Callable[[StreamOptions], Maker],
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
        """Return the newest window on the grid of those options; -1 before the first.

        One that a group had of the source before counts: this one may not have begun.
        """
        group = self._groups.get(options)
        newest = self._grid(options).last_at_or_before(self._acquisition.ring.newest)
        return newest if group is None else max(newest, group.reached)

    def move(self, acquisition: Acquisition) -> None:
        """Have all groups go on with another source; a group that is too fast for it gets its fastest grid."""
        with self._lock:
            self._acquisition = acquisition
            for options, group in self._groups.items():
                grid = Grid(acquisition.rate, min(options.fps, acquisition.rate))
                group.move(partial(self._make, options), grid, acquisition)

    def tell(self, message: str) -> None:
        """Have every reader told of a trouble."""
        for group in list(self._groups.values()):
            if group.readers:
                group.say(message)

    def _group(self, options: StreamOptions) -> Group:
        return Group(
            partial(self._make, options),
            self._grid(options),
            self._acquisition,
            self._encode,
            self._stats,
            self._turns,
        )

    def _grid(self, options: StreamOptions) -> Grid:
        return Grid(self._acquisition.rate, options.fps)

    def _leave(self, group: Group) -> None:
        with self._lock:
            group.readers -= 1
            if group.readers == 0:
                group.stop()
            idle = [options for options, group in self._groups.items() if group.readers == 0]
            for options in idle[:-IDLE_GROUPS]:
                del self._groups[options]
