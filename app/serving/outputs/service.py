"""Decisions for programs that speak no HTTP: as LSL streams, and as lines of text over UDP."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from app.config import Settings
from app.emg.lsl.library import load_pylsl
from app.emg.udp_line import UdpLine
from app.errors import MyostreamError
from app.inference.manifest import Manifest
from app.serving.counters.shared_metrics import OutputCounts, SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.outputs.lsl import LslSender
from app.serving.outputs.raw_lsl import RawLsl
from app.serving.outputs.sender import OutputState, Sender, SenderGuard
from app.serving.outputs.udp import UdpSender
from app.serving.outputs.values import ValueLslSender, ValueUdpSender
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.streams.events import Frame, SignalFrame, SourceChange, StreamOptions, Told, ValueFrame
from app.serving.streams.group_events import GroupEvent
from app.serving.streams.reader import Reader

log = logging.getLogger(__name__)

FPS = 30.0
LOOK_S = 0.25  # how often we look for a new source, or repeat the rest
SILENT_S = 0.5  # without a frame for so long, the decision is rest
WAITING = 64  # frames that a slow receiver may make wait; the oldest are dropped


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
    ) -> None:
        self.ways, self._pipelines, self._backend, self._clock = ways, pipelines, backend, clock
        self._pipeline: SourcePipeline | None = None
        self._reader: Reader | None = None
        self._waiting: deque[Told] = deque(maxlen=WAITING)
        self._frame_at = clock()
        if own is not None:
            self._read_by(own)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def states(self, counts: Mapping[str, OutputCounts]) -> dict[str, OutputState]:
        """Return how it is with each way out, by name."""
        return {way.name: OutputState(counts[way.name].state, way.reason) for way in self.ways}

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
            self._leave()
            for way in self.ways:
                way.close()

    def _turn(self) -> None:
        """Look which ways and which source are ours, then send what comes until the next look."""
        opened = [way.open() for way in self.ways]
        if any(opened):
            self._follow_default()
        else:
            self._leave()
        self._wake.wait(LOOK_S)
        self._wake.clear()
        self._send_waiting()

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
            self._reader = pipeline.broadcast.join(StreamOptions(fps=FPS, backend=self._backend()))
        except MyostreamError as error:
            log.warning("nothing of the source %s is sent: %s", pipeline.name, error)
        else:
            if pipeline.use.model is not None:
                self._read_by(pipeline.use.model.manifest)
            self._reader.listen(self._offered)
            for published, _ in self._reader.take(0.0):  # came before we listened
                self._waiting.append(published.event)

    def _read_by(self, manifest: Manifest) -> None:
        for way in self.ways:
            way.read_by(manifest)

    def _leave(self) -> None:
        reader, self._reader, self._pipeline = self._reader, None, None
        if reader is not None:
            reader.close()
        self._waiting.clear()  # what nobody could send is old when somebody can

    def _offered(self, published: GroupEvent, _missed: int) -> bool:
        """Take an event on the group's thread, without a wait."""
        self._waiting.append(published.event)
        self._wake.set()
        return True

    def _send_waiting(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if isinstance(event, Frame | ValueFrame):
                self._frame_at = self._clock()
                if event.model is not None:
                    self._read_by(event.model.manifest)
                for way in self.ways:
                    way.frame(event)
            elif isinstance(event, SignalFrame) or _stalled(event):
                self._frame_at = self._clock() - SILENT_S
        if self._clock() - self._frame_at >= SILENT_S:
            for way in self.ways:
                way.rest()


def _stalled(event: Told) -> bool:
    return isinstance(event, SourceChange) and event.status == "stalled"


def make_outputs(
    settings: Settings,
    own: Manifest | None,
    pipelines: SourcePipelines,
    backend: Callable[[], str],
    worker_group: WorkerGroup,
    metrics: SharedMetrics,
) -> Outputs | None:
    """Return what EMG_LSL_OUTLET and EMG_UDP ask for; None where they ask for nothing.

    `own` is the server's own model.

    Raises:
        ConfigError: pylsl is not there, or the UDP host has no address.
    """
    senders: dict[str, Callable[[Manifest], Sender]] = {}
    if settings.lsl_outlet:
        load_pylsl()
        senders["lsl"] = lambda model: (ValueLslSender if model.gives_values else LslSender)(settings, model)
    if settings.udp is not None:
        address = settings.udp
        UdpLine(*address).close()
        senders["udp"] = lambda model: (ValueUdpSender if model.gives_values else UdpSender)(address, model)
    ways = [
        SenderGuard(name, opens, worker_group.try_lock, metrics.output(name))
        for name, opens in senders.items()
    ]
    return Outputs(ways, pipelines, backend, own) if ways else None


def make_raw_lsl(settings: Settings, pipelines: SourcePipelines, worker_group: WorkerGroup) -> RawLsl | None:
    """Return what sends the signal of a source that no model reads, where EMG_LSL_OUTLET asks for LSL.

    Raises:
        ConfigError: pylsl is not there.
    """
    if not settings.lsl_outlet:
        return None
    load_pylsl()
    return RawLsl(f"myostream:{settings.bind}", pipelines, worker_group.try_lock)
