"""A probe of OT Bioelettronica as a source: this machine listens, and the probe dials in, again and again."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.otb.listener import Listener
from app.emg.otb.probes import ACCESSORIES, UNITS, Probe
from app.emg.otb.ramp import Part, RampDecoder
from app.emg.simulated.pacing import Clock
from app.emg.source import Chunk
from app.errors import SourceError

log = logging.getLogger(__name__)

NAP_S = 0.1  # a silent probe still notices within this time that it was closed
PATIENCE_S = 5.0  # for a probe to dial in, and for one that is there to send
REPLACED_S = 1.0  # of silence, after which another that dials in takes the place
CLOCK_SLACK_S = 1.0  # what the radio may have held back when lost samples are checked against the clock
FASTER = 1.2  # than nominal, when they are
READ_BYTES = 65536
STOP_S = 0.5  # for a probe to hang up when it was told to stop
UNREAD_S = 2.0  # of bytes without an instant in them


class OtbSource:
    """The EMG channels of the probe that dials in; the sample index counts on when it does so again.

    `bind` is (address, port) to listen at; port 0 takes a free one.
    """

    name = "otb"
    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        probe: Probe,
        bind: tuple[str, int],
        *,
        units: str = UNITS,
        scale: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.probe, self.units, self._clock = probe, units, clock
        self.channels, self.sampling_rate = probe.channels, probe.sampling_rate
        self.aux_streams: tuple[AuxStream, ...] = probe.description.aux_streams
        self._scale = np.float32(probe.microvolts if scale is None else scale)
        self._listener = Listener(*bind)
        self._connection: socket.socket | None = None
        self._address = ""  # of the probe
        self._decoder = RampDecoder(probe.candidates, probe.value_bytes)
        self._ready: deque[Chunk] = deque()
        self._next = 0  # index of the next sample
        self._restart = True
        self._sample_at: float | None = None  # when the last one came
        self._heard_at = self._waiting_since = clock()
        self._closed = False
        self._reading = threading.Lock()  # whoever holds it may use or close the sockets
        self.opened = 0  # times

    @property
    def port(self) -> int:
        """The port that is listened at, once it is."""
        return self._listener.port

    @property
    def sums(self) -> dict[str, int]:
        """What has been seen since the start, by name."""
        decoder = self._decoder
        return {
            "opened": self.opened,
            "lost_samples": decoder.lost_samples,
            "slips": decoder.slips,
            "skipped_bytes": decoder.skipped_bytes,
            "turned_away": self._listener.turned_away,
        }

    @property
    def notes(self) -> Sequence[str]:
        """What was found out of the probe by looking at what it sends."""
        found = self._decoder.values
        if found is None or found == self.probe.values:
            return ()
        return (f"the probe sends {found} values of an instant; {self.probe.values} were expected",)

    def listen(self) -> None:
        """Begin to listen; does nothing where that has begun.

        Raises:
            SourceError: the address cannot be listened at.
        """
        self._listener.open()

    def read(self) -> Chunk | None:
        """Return the next samples; None once closed.

        Raises:
            SourceError: no probe dials in, it is silent or hangs up, or what it sends has no counter.
        """
        with self._reading:
            while not self._closed:
                if self._ready:
                    return self._ready.popleft()
                self.listen()
                if self._connection is None:
                    self._await_probe()
                else:
                    self._receive(self._connection)
        return None

    def close(self) -> None:
        self._closed = True
        with self._reading:  # the reader looks at `_closed` every NAP_S
            self._hang_up(stop=True)
            self._listener.close()

    def _await_probe(self) -> None:
        dialled = self._listener.accept(NAP_S)
        now = self._clock()
        if dialled is not None:
            self._begin(*dialled)
        elif now - self._waiting_since > PATIENCE_S:
            self._waiting_since = now
            raise SourceError(f"no {self.probe.kind} has dialled in {self._listener.where}")

    def _begin(self, connection: socket.socket, address: str) -> None:
        connection.settimeout(NAP_S)
        try:
            connection.sendall(self.probe.start)
        except OSError as error:
            connection.close()
            log.info("the probe at %s hung up at once (%s)", address, error.strerror)
            return
        self._connection, self._address = connection, address
        self._decoder.reset()
        self._restart, self._heard_at = True, self._clock()
        self.opened += 1
        log.info("a %s has dialled in from %s and was told to begin", self.probe.kind, address)

    def _receive(self, connection: socket.socket) -> None:
        data: bytes | None = None
        try:
            data = connection.recv(READ_BYTES)
        except TimeoutError:
            pass
        except OSError as error:
            self._lose(f"is gone ({error.strerror})")
        now = self._clock()
        if data == b"":
            self._lose("has hung up")
        if data:
            self._heard_at = now
            self._take(data, now)
        self._look_at_others(now)
        if now - self._heard_at > PATIENCE_S:
            self._lose(f"has sent nothing for {PATIENCE_S:g} s")

    def _take(self, data: bytes, now: float) -> None:
        parts = self._decoder.feed(data, self._most_lost(now))
        self._expect_instants()
        for part in parts:
            self._ready.append(self._chunk(part, now))
            self._sample_at = now

    def _expect_instants(self) -> None:
        """See that the probe is the one that was named, and sends what it was asked for.

        Raises:
            SourceError: bytes come and no counter is in them, or the channels are others.
        """
        found, probe = self._decoder.values, self.probe
        if found is not None and found - probe.channels not in (probe.accessories, *ACCESSORIES):
            self._lose(
                f"sends {found} values of an instant; a {probe.kind} that does as asked {probe.values}"
            )
        if self._decoder.unread > UNREAD_S * self.sampling_rate * probe.values * probe.value_bytes:
            self._lose(f"sends bytes without the counter of a {probe.kind}: is EMG_OTB right?")

    def _chunk(self, part: Part, now: float) -> Chunk:
        restart = part.restart or self._restart
        if self._restart and self._sample_at is not None:  # nobody counted while it was away
            self._next += round((now - self._sample_at) * self.sampling_rate)
        elif not self._restart:
            self._next += part.lost
        index = self._next
        self._next, self._restart = index + len(part.values), False
        samples = part.values[:, : self.channels].astype(np.float32) * self._scale
        return Chunk(index=index, samples=samples, restart=restart, aux=self._aux(part, index))

    def _aux(self, part: Part, index: int) -> tuple[AuxChunk, ...]:
        names = ACCESSORIES.get(part.values.shape[1] - self.channels, ())
        chunks = []
        for number, stream in enumerate(self.aux_streams):
            columns = [self.channels + at for at, name in enumerate(names) if name == stream.name]
            if len(columns) == stream.channels:
                samples = part.values[:, columns].astype(np.float32)
                chunks.append(AuxChunk(stream=number, at=float(index), samples=samples))
        return tuple(chunks)

    def _most_lost(self, now: float) -> int:
        if self._sample_at is None:
            return 0
        return round((now - self._sample_at + CLOCK_SLACK_S) * FASTER * self.sampling_rate)

    def _look_at_others(self, now: float) -> None:
        """Take a probe that dials in while this one is silent, as one does that was out of reach; else say no."""
        silent = now - self._heard_at > REPLACED_S
        dialled = self._listener.accept(0.0)
        if dialled is None:
            return
        if silent:
            self._hang_up(stop=False)
            self._begin(*dialled)
        else:
            self._listener.turn_away(*dialled, self._address)

    def _lose(self, what: str) -> NoReturn:
        """Give up the connection.

        Raises:
            SourceError: always.
        """
        address = self._address
        self._hang_up(stop=True)
        raise SourceError(f"the {self.probe.kind} at {address} {what}")

    def _hang_up(self, *, stop: bool) -> None:
        if self._connection is None:
            return
        if stop:
            self._tell_to_stop(self._connection)
        self._connection.close()
        self._connection, self._restart = None, True
        self._waiting_since = self._clock()

    def _tell_to_stop(self, connection: socket.socket) -> None:
        """Send the command, and read on until the probe has done so: closing at once would take it back (RST)."""
        until = self._clock() + STOP_S
        try:
            connection.sendall(self.probe.stop)
            connection.shutdown(socket.SHUT_WR)
            while self._clock() < until and connection.recv(READ_BYTES):
                pass
        except OSError as error:
            log.debug("%s was not told to stop: %s", self._address, error)
