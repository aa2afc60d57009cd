"""On which thread a group follows its source: the one of all groups, or, where a frame may take long, its own.

Long takes a model that is asked on the engine's thread (nobody else's frame may wait for its answer), and a crowd of
readers: the thread that serves it lets others have their turn in between, and would let all other groups wait.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from app.emg.signal.ring import Ring
from app.serving.process.work_loop import FAST_FRAMES, FRAMES, WorkLoop
from app.serving.sources.signal_feed import STALL_S
from app.serving.streams.turns import FAST_FPS, Turns

if TYPE_CHECKING:
    from app.serving.streams.group import Group

STATE_POLL_S = STALL_S / 8  # how often a thread of its own, to which no samples come, looks at its source


class Following:
    """A group from its start to its stop; a job of the worker's loop."""

    queued = False

    def __init__(self, group: Group, loop: WorkLoop, turns: Turns) -> None:
        self.rank = FAST_FRAMES if group.fps > FAST_FPS else FRAMES
        self._group, self._loop, self._turns = group, loop, turns
        self._stop = threading.Event()
        self._started = self._begun = self._alone = False
        self._ring: Ring | None = None  # that is watched
        self._awaited = 0  # the sample of it before which the next window ends
        self._idle = False  # nothing has come since the last look at the source

    def start(self) -> None:
        self._started = True
        self._loop.add(self)

    def stop(self) -> None:
        """Make no more frames; what is being made is not published. Safe to call twice."""
        self._stop.set()
        self._watch(None)
        if self._started:
            self._loop.remove(self)

    def soon(self) -> None:
        """Have it looked at how things are with the next window."""
        if self._started and not self._alone:
            self._loop.soon(self)

    def step(self) -> None:
        """Make one frame, where its last sample is there."""
        group, stop = self._group, self._stop
        if stop.is_set() or self._alone:
            return
        if not self._begun:
            self._begun = True
            group.begin_at_newest(stop)
        if not group.quick:
            self._leave_loop()
            return
        try:
            if not group.turned_over(stop):
                self._advance()
            while group.turned_over(
                stop
            ):  # before the next window is awaited, in the ring that it will be in
                pass
        except Exception:
            group.failed()
        if group.ended:
            self.stop()
        elif not stop.is_set():
            self._await_next()

    def tend(self) -> None:
        """Look at a source from which no window has come since the last time."""
        if self._idle and self._begun and not self._alone:
            self._group.look_at_source()
            self._loop.soon(self)
        self._idle = True

    def _advance(self) -> None:
        ring = self._group.feed.ring
        if ring.newest >= self._group.awaited:
            self._idle = False
            self._group.make_frame(self._stop)
        elif ring.closed:
            self._group.look_at_source()

    def _await_next(self) -> None:
        self._awaited = self._group.awaited
        self._watch(self._group.feed.ring)
        self._written()  # it may be there already

    def _watch(self, ring: Ring | None) -> None:
        watched, self._ring = self._ring, ring
        if watched is not ring:
            if watched is not None:
                watched.unwatch(self._written)
            if ring is not None:
                ring.watch(self._written)
                if self._stop.is_set():  # meanwhile: whoever did that has seen the ring before
                    self._watch(None)

    def _written(self) -> None:
        """See, on the thread that fills the ring, whether the next window is there."""
        ring = self._ring
        if ring is None:
            return
        if there := ring.newest >= self._awaited:
            self._group.note_due()
        if (there or ring.closed) and not self._alone:
            self._loop.soon(self)

    def _leave_loop(self) -> None:
        self._alone = True
        threading.Thread(target=self._run, name="stream group", daemon=True).start()

    def _run(self) -> None:
        group, stop = self._group, self._stop
        while not stop.is_set() and not group.ended:
            if group.quick:
                self._alone = False
                self._loop.soon(self)
                return
            try:
                self._wait_and_advance()
            except Exception:
                group.failed()
        self.stop()

    def _wait_and_advance(self) -> None:
        """Make the next frame when its last sample has come, and its turn."""
        group, stop = self._group, self._stop
        if group.turned_over(stop):
            return
        self._awaited = group.awaited
        self._watch(group.feed.ring)  # also while a frame is made: others may have it predicted with theirs
        came = group.feed.ring.wait_beyond(group.awaited - 1, timeout=STATE_POLL_S)
        if stop.is_set():  # another may have gone on meanwhile
            return
        if not came:
            group.look_at_source()
            return
        with self._turns.turn(group.fps):
            if not stop.is_set():
                group.make_frame(stop)
