"""A source fed by hand, and frames without a model, for tests of groups and streams."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from app.api.sse import events as sse
from app.emg.signal.ring import Ring
from app.emg.signal.windows import Grid
from app.errors import MyostreamError
from app.inference.gestures.events import GestureEvent, Phase, Reason
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.events import Frame, SourceChange, StreamOptions
from app.serving.streams.window_classifier import WindowResult

RATE = 100.0
OPTIONS = StreamOptions(fps=10, backend="fake")


class HandFed:
    """Stands where an Acquisition does; the test says what comes and what state the source is in."""

    def __init__(self, rate: float = RATE) -> None:
        self.ring = Ring(2000, 1)
        self.state, self.length, self.lossy = "running", 10, False
        self.source = SimpleNamespace(sampling_rate=rate, name="hand")
        self.rate = rate
        self.path = SimpleNamespace(to_source=lambda end: end)

    def grid(self, fps: float, *, repeats: bool = False) -> Grid:
        return Grid(self.rate, fps, repeats=repeats)

    def feed(self, samples: int) -> None:
        self.ring.write(self.ring.newest, np.zeros((samples, 1), np.float32))

    def window(self, fps: float = OPTIONS.fps) -> None:
        """As many samples as complete the next window of that grid."""
        grid = Grid(self.source.sampling_rate, fps)
        newest = self.ring.newest
        self.feed(grid.end_of(grid.first_at_or_after(newest + 1)) - newest)


class FakeMaker:
    """Makes a frame of every window, and counts how many makers and frames there have been."""

    quick = True  # a test may set it for all

    def __init__(
        self, fails: set[int], spoilt: set[int], gestures: dict[int, tuple[GestureEvent, ...]] | None = None
    ) -> None:
        self._gestures = gestures or {}
        self.frames: list[int] = []
        self.held: GestureEvent | None = None
        self._fails, self._spoilt = fails, spoilt

    def frame(self, end: int) -> Frame | None:
        if end in self._fails:
            raise MyostreamError("no luck")
        if end in self._spoilt:
            return None
        self.frames.append(end)
        told = self._gestures.get(end, ())
        for gesture in told:
            self.held = None if gesture.phase == "release" else gesture
        return replace(make_frame(end), gestures=told)

    def let_go(self, reason: Reason) -> list[GestureEvent]:
        """The release of the gesture that is held."""
        held, self.held = self.held, None
        return [] if held is None else [held.released(reason, 0.0)]

    def source_change(self, status: str, state: str) -> SourceChange:
        return SourceChange(
            status=status, timestamp=0.0, decision=0, decision_label="rest", source_state=state
        )


class Station:
    """A broadcast of a hand-fed source, and all that it has made."""

    def __init__(self, rate: float = RATE, fails: frozenset[int] = frozenset()) -> None:
        self.source = HandFed(rate)
        self.makers: list[FakeMaker] = []
        self.stats = StreamStats()
        self.fails = set(fails)
        self.gestures: dict[int, tuple[GestureEvent, ...]] = {}  # by the ends of the windows that tell them
        self.spoilt: set[int] = set()  # ends of windows of which too much is lost
        self.broadcast = Broadcast(self.source, self._make, sse.encode, self.stats)  # type: ignore[arg-type]  # an Acquisition by what is asked of it

    def _make(self, options: StreamOptions) -> FakeMaker:
        self.makers.append(FakeMaker(self.fails, self.spoilt, self.gestures))
        return self.makers[-1]

    @property
    def frames(self) -> list[int]:
        return [end for maker in self.makers for end in maker.frames]


def make_frame(end: int) -> Frame:
    window = WindowResult(
        prediction=1,
        confidence=0.9,
        probabilities=[0.1, 0.9],
        backend="fake",
        latency_ms=0.1,
        wait_ms=0.0,
        intensity=0.5,
        missing=0,
        dead=[],
        truth=None,
        acquired_at=None,
        segment=0,
    )
    return Frame(
        timestamp=1.5,
        window=window,
        label="fist",
        decision=1,
        decision_label="fist",
        cpu_percent=1.0,
        sample_index=end,
        age_ms=1.0,
    )


def make_gesture(phase: Phase, identity: int, reason: Reason | None = None) -> GestureEvent:
    return GestureEvent(
        gesture="fist",
        phase=phase,
        id=identity,
        variant="single",
        index=1,
        sample_index=identity,
        began_at=identity,
        refined_by=0,
        strength=0.5,
        confidence=0.9,
        held_s=0.0,
        reason=reason or ("rest" if phase == "release" else None),
        timestamp=1.5,
    )


def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for another thread to have done it."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.002)


def sample_index(body: bytes) -> int:
    index: int = json.loads(body + b"}")["sample_index"]
    return index
