"""Decisions and gestures for programs that speak no HTTP: every way out, served by one thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from app.errors import ConfigError, MyostreamError
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.counters.output_row import OutputCounts
from app.serving.outputs.actions.file import ActionFile, ActionsState
from app.serving.outputs.sender import OutputState, SenderGuard
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.streams.events import Frame, SignalFrame, SourceChange, StreamOptions, Told, ValueFrame
from app.serving.streams.group_events import GroupEvent
from app.serving.streams.reader import Reader

log = logging.getLogger(__name__)

FPS = 30.0
LOOK_S = 0.25  # how often we look for a new source, or repeat the rest
TAKE_S = 0.1  # how often we look for a way out that another worker has: it may die holding something
SILENT_S = 0.5  # without a frame for so long, the decision is rest
WAITING = 64  # frames that a slow receiver may make wait; the oldest are dropped
LAST_WORD_S = 1.5  # in which all must have closed


class Outputs:
    """Sends every frame of the default source, whichever that is now; of each way out, one worker of a server.

    It reads like a client with default options, so it shares the computation of those. Frames are of whichever model
    reads the source, and where none does, the decision is rest; `own` is the one that will, before there is a source.
    """

    def __init__(
        self,
        ways: Sequence[SenderGuard],
        pipelines: SourcePipelines,
        backend: Callable[[], str],
        own: Manifest | None,
        clock: Callable[[], float] = time.monotonic,
        actions: ActionFile | None = None,
        stopping: Callable[[], bool] = bool,
        scattered: bool = False,
    ) -> None:
        """Not started.

        `actions` is the table of those that send gestures, None where none does; `stopping`: the server is.
        `scattered`: each source is in one worker, so that only one that has a source is to have a way out.
        """
        self.ways, self._pipelines, self._backend, self._clock = ways, pipelines, backend, clock
        self._pipeline: SourcePipeline | None = None
        self._reader: Reader | None = None
        self._waiting: deque[Told] = deque()
        self._frame_at = clock()
        self._actions, self._stopping, self._stopped = actions, stopping, False
        self._scattered = scattered
        self._manifest: Manifest | None = None  # by which the table was looked over
        if own is not None:
            self._read_by(own)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def actions(self) -> ActionsState | None:
        """Return how it is with the table; None where no way out reads it."""
        return None if self._actions is None else self._actions.state

    def states(self, counts: Mapping[str, OutputCounts]) -> dict[str, OutputState]:
        """Return how it is with each way out, by name."""
        return {way.name: OutputState(counts[way.name].state, way.why) for way in self.ways}

    def close(self) -> None:
        """Say rest as the last word, and leave. Safe to call twice."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._turn()
                except Exception as error:  # of the source; a sender's own go no further than its guard
                    self._give_up(error)
        finally:
            self._leave("shutdown")
            self._close_all()

    def _close_all(self) -> None:
        """Close them beside one another: each may take a while to tell its receiver the last."""
        threads = [
            threading.Thread(target=way.close, name=f"closing {way.name}", daemon=True) for way in self.ways
        ]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + LAST_WORD_S
        for thread in threads:
            thread.join(max(ends - time.monotonic(), 0.0))

    def _turn(self) -> None:
        """Look which ways and which source are ours, then send what comes until the next look."""
        if self._actions is not None and self._actions.look():
            self._expect_gestures()
        if self._scattered and self._pipelines.default is None:
            self._leave()
            for way in self.ways:
                way.close()
            self._stop.wait(TAKE_S)
            return
        opened = [way.open() for way in self.ways]
        if any(opened):
            self._follow_default()
        else:
            self._leave()
        self._wake.wait(LOOK_S if all(opened) else TAKE_S)
        self._wake.clear()
        self._send_waiting()
        if self._stopping() and not self._stopped:  # other parts of the server still end their work
            self._stopped = True
            for way in self.ways:
                way.rest("shutdown")

    def _give_up(self, error: Exception) -> None:
        """Leave the ways to workers that have frames, and begin anew by and by."""
        self._leave()
        for way in self.ways:
            way.give_up(error)
        self._stop.wait(LOOK_S)

    def _follow_default(self) -> None:
        pipeline = self._pipelines.default
        if pipeline is self._pipeline:
            return
        self._leave()
        self._pipeline = pipeline
        if pipeline is None:
            return
        try:
            events = self._actions is not None
            options = StreamOptions(fps=FPS, backend=self._backend(), events=events)
            self._reader = pipeline.broadcast.join(options)
        except MyostreamError as error:
            log.warning("nothing of the source %s is sent: %s", pipeline.name, error)
        else:
            if pipeline.use.model is not None:
                self._read_by(pipeline.use.model.manifest)
            self._reader.listen(self._offered)
            for published, _ in self._reader.take(0.0):  # came before we listened
                self._wait(published.event)

    def _read_by(self, manifest: Manifest) -> None:
        for way in self.ways:
            way.read_by(manifest)
        if manifest is not self._manifest:
            self._manifest = manifest
            self._expect_gestures()

    def _expect_gestures(self) -> None:
        """Say where the table names what the model has not; no mistake of the file, as the model may change."""
        if self._actions is None or self._manifest is None:
            return
        try:
            self._actions.table.expect_gestures(self._manifest)
        except ConfigError as error:
            log.warning("%s; such rows send nothing", error)

    def _leave(self, reason: Reason = "stalled") -> None:
        reader, self._reader, self._pipeline = self._reader, None, None
        if reader is not None:
            reader.close()
            self._send_gestures()  # a release that waits is news; what else waits is old
            for way in self.ways:
                way.rest(reason)
        self._waiting.clear()  # what nobody could send is old when somebody can

    def _offered(self, published: GroupEvent, _missed: int) -> bool:
        """Take an event on the group's thread, without a wait."""
        self._wait(published.event)
        self._wake.set()
        return True

    def _wait(self, event: Told) -> None:
        """Have it wait for our thread; where that is held up, frames go first, and never what a gesture did."""
        self._waiting.append(event)
        if len(self._waiting) > WAITING:
            waiting = tuple(self._waiting)  # at once: our thread takes from it meanwhile
            oldest = next((one for one in waiting if not isinstance(one, GestureEvent)), waiting[0])
            with contextlib.suppress(ValueError):  # our thread has taken it meanwhile
                self._waiting.remove(oldest)

    def _send_gestures(self) -> None:
        for event in [one for one in self._waiting if isinstance(one, GestureEvent)]:
            self._send_gesture(event)

    def _send_gesture(self, event: GestureEvent) -> None:
        if not self._stopped:
            for way in self.ways:
                way.gesture(event)

    def _send_waiting(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if isinstance(event, Frame | ValueFrame):
                self._frame_at = self._clock()
                if event.model is not None:
                    self._read_by(event.model.manifest)
                for way in self.ways:
                    way.frame(event)
            elif isinstance(event, GestureEvent):
                self._send_gesture(event)
            elif isinstance(event, SignalFrame) or _stalled(event):
                self._frame_at = self._clock() - SILENT_S
        if self._clock() - self._frame_at >= SILENT_S:
            for way in self.ways:
                way.rest()


def _stalled(event: Told) -> bool:
    return isinstance(event, SourceChange) and event.status == "stalled"
