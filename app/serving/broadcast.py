"""Compute once, fan out: readers who ask for the same share one computation, encoded once.

A group is one thread that follows a source: it waits for the last sample of each window, makes the frame, encodes
it, and leaves it where its readers look. It never waits for them: a reader who comes late finds the newest frame and
the number of those it has missed. The first reader starts the group, the last one to leave ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.emg.windows import Grid
from app.errors import MyostreamError
from app.serving.acquisition import STALL_S, Acquisition
from app.serving.events import Event, Frame, StreamOptions, Trouble
from app.serving.frames import FrameMaker
from app.serving.stats import StreamStats

log = logging.getLogger(__name__)

Encode = Callable[[Event], bytes]

KEPT = 64  # events a group keeps for readers who were busy sending
MAX_LAG_S = 0.1  # a group further behind its source than this skips to the newest window
STALLED = ("stalled", "disconnected", "ended")


@dataclass(frozen=True, slots=True)
class Published:
    """One event, encoded. `position` counts the frames of the group, those skipped included; -1: no frame."""

    number: int  # of all events of the group
    position: int
    body: bytes


class Group:
    """One computation and the readers who share it."""

    def __init__(
        self,
        maker: FrameMaker,
        grid: Grid,
        acquisition: Acquisition,
        encode: Encode,
        stats: StreamStats,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._maker, self._grid, self._acquisition = maker, grid, acquisition
        self._encode, self._stats, self._clock = encode, stats, clock
        self.readers = 0  # kept by Broadcast, under its lock
        self.ended = False  # the source has ended: nothing will come any more
        self.kept: tuple[Published, ...] = ()
        self.news = threading.Event()  # replaced at every event, so that each wakes those who wait for it
        self._position = 0
        self._stop = threading.Event()
        self._stalled = False
        self._said: tuple[str, float] = ("", 0.0)

    def start(self) -> None:
        threading.Thread(target=self._run, name="stream group", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        ring = self._acquisition.ring
        k = max(self._grid.last_at_or_before(ring.newest), 0)  # the first event is for the window just past
        while not self._stop.is_set():
            try:
                k = self._step(k)
            except Exception:
                log.exception("a frame failed")
                self._say("internal error; the server's log has it")
                k += 1
            if self.ended:
                return

    def _step(self, k: int) -> int:
        """Make the frame of window k when its last sample has come. The window to wait for next."""
        ring = self._acquisition.ring
        if not ring.wait_beyond(self._grid.end_of(k) - 1, timeout=STALL_S):
            self._look_at_source()
            return k
        if self._stalled:
            self._stalled = False
            self._publish(self._maker.source_change("recovered", "running"))
        late = self._grid.last_at_or_before(ring.newest) - k
        if late > self._grid.fps * MAX_LAG_S + 1:
            self._position += late
            k += late
        try:
            frame = self._maker.frame(self._grid.end_of(k))
        except MyostreamError as error:
            self._say(str(error))
            return k + 1
        if frame is not None:
            self._publish(frame)
        return k + 1

    def _look_at_source(self) -> None:
        state = self._acquisition.state
        if state in STALLED and not self._stalled:
            self._stalled = True
            self._publish(self._maker.source_change("stalled", state))
        if state == "ended":
            self.ended = True
            self.news.set()

    def _say(self, message: str) -> None:
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
        number = self.kept[-1].number + 1 if self.kept else 0
        self.kept = (*self.kept[1 - KEPT :], Published(number, position, body))
        news, self.news = self.news, threading.Event()
        news.set()


class Reader:
    """One client's place in a group."""

    def __init__(self, group: Group, leave: Callable[[], None]) -> None:
        self._group, self._leave = group, leave
        frames = [event for event in group.kept if event.position >= 0]
        self._next = frames[-1].number if frames else 0  # the newest frame is this reader's first
        self._position: int | None = None
        self._left = False

    @property
    def ended(self) -> bool:
        """Nothing will come any more, and all that came has been taken."""
        return self._group.ended and not self._fresh()

    def take(self, timeout_s: float) -> list[tuple[Published, int]]:
        """What is new, at most one frame and that the newest, each with the number of frames missed before it.

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
        taken = [event for event in fresh if event.position in (-1, newest)]
        return [(event, self._missed(event)) for event in taken]

    def close(self) -> None:
        """Leave the group. Safe to call twice."""
        if not self._left:
            self._left = True
            self._leave()

    def _fresh(self) -> tuple[Published, ...]:
        kept = self._group.kept
        count = kept[-1].number + 1 - self._next if kept else 0
        return kept[-count:] if count > 0 else ()

    def _missed(self, event: Published) -> int:
        if event.position < 0:
            return 0
        missed = 0 if self._position is None else event.position - self._position - 1
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
    ) -> None:
        self._acquisition, self._make, self._encode, self._stats = acquisition, make, encode, stats
        self._groups: dict[StreamOptions, Group] = {}
        self._lock = threading.Lock()

    @property
    def groups(self) -> int:
        return len(self._groups)

    def join(self, options: StreamOptions) -> Reader:
        """A place in the group of those options.

        Raises:
            DataError: the source has no grid for that fps.
        """
        with self._lock:
            group = self._groups.get(options)
            if group is None:
                grid = Grid(self._acquisition.source.sampling_rate, options.fps)
                group = Group(self._make(options), grid, self._acquisition, self._encode, self._stats)
                self._groups[options] = group
                group.start()
            group.readers += 1
        return Reader(group, lambda: self._leave(options, group))

    def _leave(self, options: StreamOptions, group: Group) -> None:
        with self._lock:
            group.readers -= 1
            if group.readers == 0:
                group.stop()
                self._groups.pop(options, None)
