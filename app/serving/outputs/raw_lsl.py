"""The samples of a source that no model reads, on to LSL: there is nothing else to send of it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from socket import socket

import numpy as np

from app.emg.description import describe_source
from app.emg.lsl.signal_outlet import SignalOutlet
from app.emg.source import Chunk, Samples
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.sources.acquisition import Acquisition

log = logging.getLogger(__name__)

LOOK_S = 0.25  # how often we look for a new source
RETRY_S = 5.0  # after a failure
WAITING = 256  # chunks that may wait; the oldest are dropped


class RawLsl:
    """Follows the default source, whichever that is now, in one worker of a server."""

    def __init__(
        self,
        source_id: str,
        pipelines: SourcePipelines,
        try_lock: Callable[[str], socket | None],
        open_outlet: Callable[..., SignalOutlet] = SignalOutlet,
    ) -> None:
        self._source_id, self._pipelines = source_id, pipelines
        self._try_lock, self._open_outlet = try_lock, open_outlet
        self._waiting: deque[tuple[Samples, float]] = deque(maxlen=WAITING)
        self._acquisition: Acquisition | None = None
        self._outlet: SignalOutlet | None = None
        self._lock: socket | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="raw LSL", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Take the stream from the network. Safe to call twice."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
                self._wake.wait(LOOK_S)
                self._wake.clear()
                while self._outlet is not None and self._waiting:
                    self._outlet.push(*self._waiting.popleft())
            except Exception:  # of liblsl, anything; it may be better by and by
                log.exception("the signal cannot be sent to LSL; it is tried again in %g s", RETRY_S)
                self._leave()
                self._stop.wait(RETRY_S)
        self._leave()

    def _follow(self) -> None:
        """Send what the default source delivers, where no model reads it and no other worker sends it."""
        pipeline = self._pipelines.default
        wanted = None if pipeline is None or pipeline.manifest is not None else pipeline.acquisition
        if wanted is self._acquisition:
            return
        self._leave()
        if wanted is None:
            return
        self._lock = self._try_lock("output-lsl-signal")
        if self._lock is None:
            return
        self._outlet = self._open_outlet(self._source_id, describe_source(wanted.source))
        self._acquisition = wanted
        wanted.taps.append(self._tap)

    def _tap(self, chunk: Chunk, arrived: float) -> None:
        """Take a chunk on the acquisition's thread: without a wait."""
        self._waiting.append((np.array(chunk.samples), arrived))
        self._wake.set()

    def _leave(self) -> None:
        if self._acquisition is not None:
            with contextlib.suppress(ValueError):
                self._acquisition.taps.remove(self._tap)
        if self._outlet is not None:
            self._outlet.close()
        if self._lock is not None:
            self._lock.close()
        self._acquisition = self._outlet = self._lock = None
        self._waiting.clear()
