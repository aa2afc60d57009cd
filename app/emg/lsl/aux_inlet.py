"""An LSL stream beside the EMG's: read on a thread of its own, for it may come later than that, and go."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any

import numpy as np

from app.counted import counted
from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.lsl.finder import CALL_WAIT_S, POLL_S, Query, StreamFinder
from app.emg.signal.time_axis import AuxPlacer, Axis
from app.emg.signal.timestamps import Stamps
from app.emg.source import Samples
from app.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

NAP_S = 0.01
RETRY_S = 1.0
KEPT = 4096  # pulls, while no EMG comes that tells what time it is
MOST = 4096  # samples in one pull


class AuxInlet:
    """Collects the samples of one stream until they are asked for."""

    def __init__(self, number: int, query: Query, stream: AuxStream, lsl: Any) -> None:
        self._query, self._stream, self._lsl = query, stream, lsl
        self._finder = StreamFinder(query, lsl)
        self._placer = AuxPlacer(number, stream.sampling_rate)
        self._pulled: deque[tuple[Stamps, Samples] | None] = deque(maxlen=KEPT)  # None: it was opened anew
        self._trouble = ""  # said last
        self._thread = threading.Thread(target=self._run, name=f"LSL {query}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._finder.closed = True

    def chunks(self, axis: Axis) -> list[AuxChunk]:
        """Return what has come since the last call, on the axis of the EMG."""
        found: list[AuxChunk] = []
        while self._pulled:
            pulled = self._pulled.popleft()
            if pulled is None:
                self._placer.reset()
                continue
            try:
                found += self._placer.place(*pulled, axis)
            except SourceError as error:  # a stamp that is no number
                log.debug("%s: %s", self._query, error)
        return found

    def _run(self) -> None:
        while not self._finder.closed:
            try:
                self._receive(self._opened())
            except (ConfigError, SourceError) as error:
                if str(error) != self._trouble and not self._finder.closed:
                    log.warning("nothing beside the EMG: %s", error)
                self._trouble = str(error)
            time.sleep(POLL_S if self._finder.closed else RETRY_S)

    def _opened(self) -> Any:
        inlet, said = self._finder.inlet(self._finder.find())
        if said.channels != self._stream.channels:
            raise ConfigError(
                f"the LSL stream {said.name} has {counted(said.channels, 'channel')}; it had {self._stream.channels}"
            )
        self._finder.patiently(lambda: inlet.time_correction(CALL_WAIT_S), "does not tell its clock")
        self._finder.patiently(lambda: inlet.open_stream(CALL_WAIT_S), "does not begin")
        self._finder.rest()
        self._trouble = ""
        self._pulled.append(None)
        return inlet

    def _receive(self, inlet: Any) -> None:
        """Collect samples until the stream has gone.

        Raises:
            SourceError: it has.
        """
        while not self._finder.closed:
            try:
                values, stamps = inlet.pull_chunk(0.0, MOST)
                offset_s = inlet.time_correction(0.0)
            except self._lsl.util.TimeoutError:
                values, stamps = (), ()
            except self._lsl.util.LostError:
                raise SourceError(f"the LSL stream {self._query} has gone") from None
            if stamps:
                table = np.asarray(values, np.float32).reshape(len(stamps), self._stream.channels)
                self._pulled.append((np.asarray(stamps, np.float64) + offset_s, table))
            time.sleep(NAP_S)
