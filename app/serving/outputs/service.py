"""Decisions for programs that speak no HTTP: as LSL streams, and as lines of text over UDP."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from app.config import Settings
from app.emg.lsl.outlet import LslOutlets
from app.emg.lsl.source import load_pylsl
from app.emg.udp_line import UdpLine
from app.errors import MyostreamError
from app.inference.manifest import Manifest
from app.serving.streams.broadcast import GroupEvent, Reader
from app.serving.streams.events import Event, Frame, SourceChange, StreamOptions
from app.serving.streams.pipeline import SourcePipeline, SourcePipelines

log = logging.getLogger(__name__)

FPS = 30.0
LOOK_S = 0.25  # how often we look for a new source, or repeat the rest
SILENT_S = 0.5  # without a frame for so long, the decision is rest
WAITING = 64  # frames that a slow receiver may make wait; the oldest are dropped


class Sender(Protocol):
    """One way out. Nothing in it waits or raises because of a receiver."""

    def frame(self, frame: Frame) -> None: ...

    def rest(self) -> None:
        """The source is silent, or the server stops. Said again and again while it lasts."""

    def close(self) -> None: ...


class LslSender:
    """To LSL streams, which exist from the first frame on."""

    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._manifest = manifest
        self._outlets = LslOutlets(
            f"myostream:{settings.bind}", manifest.name, manifest.classes, manifest.rest_class
        )

    def frame(self, frame: Frame) -> None:
        measured_at = frame.timestamp - frame.age_ms / 1e3
        values = (frame.window.prediction, frame.window.confidence, frame.window.intensity, frame.decision)
        self._outlets.push(values, frame.window.probabilities, measured_at)
        self._outlets.mark(frame.decision_label, measured_at)

    def rest(self) -> None:
        self._outlets.mark(self._manifest.rest_class, time.time())

    def close(self) -> None:
        self._outlets.close()


class UdpSender:
    """To whoever reads LibEMG's lines."""

    def __init__(self, address: tuple[str, int], manifest: Manifest) -> None:
        self._line = UdpLine(*address)
        self._rest = manifest.classes.index(manifest.rest_class)

    def frame(self, frame: Frame) -> None:
        self._line.send(frame.decision, frame.window.intensity)

    def rest(self) -> None:
        self._line.send(self._rest, 0.0)

    def close(self) -> None:
        self._line.close()


class Outputs:
    """Sends every frame of the default source, whichever that is now; one worker of a server does.

    It reads like a client with default options, so it shares the computation of those. `claim` gives the right to
    send to one worker at a time.
    """

    def __init__(
        self,
        open_senders: Callable[[], Sequence[Sender]],
        feeds: SourcePipelines,
        backend: Callable[[], str],
        claim: Callable[[str], socket.socket | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_senders, self._feeds, self._backend = open_senders, feeds, backend
        self._claim_right, self._clock = claim, clock
        self._claim: socket.socket | None = None
        self._senders: Sequence[Sender] = ()
        self._feed: SourcePipeline | None = None
        self._reader: Reader | None = None
        self._waiting: deque[Event] = deque(maxlen=WAITING)
        self._frame_at = clock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Say rest as the last word, and leave. Safe to call twice."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._may_send():
                    self._follow_default()
                self._wake.wait(LOOK_S)
                self._wake.clear()
                self._send_waiting()
        except Exception:
            log.exception("the outputs ended")
        finally:
            self._leave()
            for sender in self._senders:
                sender.rest()
                sender.close()
            if self._claim is not None:
                self._claim.close()

    def _may_send(self) -> bool:
        if self._claim is None:
            self._claim = self._claim_right("outputs")
            if self._claim is not None:
                self._senders = self._open_senders()
        return self._claim is not None

    def _follow_default(self) -> None:
        feed = self._feeds.default
        if feed is self._feed:
            return
        self._leave()
        self._feed = feed
        if feed is None:
            return
        try:
            self._reader = feed.broadcast.join(StreamOptions(fps=FPS, backend=self._backend()))
        except MyostreamError as error:
            log.warning("nothing of the source %s is sent: %s", feed.name, error)
        else:
            self._reader.listen(self._offered)
            for published, _ in self._reader.take(0.0):  # came before we listened
                self._waiting.append(published.event)

    def _leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._feed = None

    def _offered(self, published: GroupEvent, _missed: int) -> bool:
        """Called by the group's thread: must not wait."""
        self._waiting.append(published.event)
        self._wake.set()
        return True

    def _send_waiting(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if isinstance(event, Frame):
                self._frame_at = self._clock()
                for sender in self._senders:
                    sender.frame(event)
            elif isinstance(event, SourceChange) and event.status == "stalled":
                self._frame_at = self._clock() - SILENT_S
        if self._clock() - self._frame_at >= SILENT_S:
            for sender in self._senders:
                sender.rest()


def make_outputs(
    settings: Settings,
    manifest: Manifest,
    feeds: SourcePipelines,
    backend: Callable[[], str],
    claim: Callable[[str], socket.socket | None],
) -> Outputs | None:
    """What EMG_LSL_OUTLET and EMG_UDP ask for; None where they ask for nothing.

    Raises:
        ConfigError: pylsl is not there, or the UDP host has no address.
    """
    ways: list[Callable[[], Sender]] = []
    if settings.lsl_outlet:
        load_pylsl()
        ways.append(lambda: LslSender(settings, manifest))
    if settings.udp is not None:
        address = settings.udp
        UdpLine(*address).close()
        ways.append(lambda: UdpSender(address, manifest))
    if not ways:
        return None
    return Outputs(lambda: [way() for way in ways], feeds, backend, claim)
