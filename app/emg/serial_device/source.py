"""A serial device as a source: it may be unplugged and come back, and nothing restarts but the signal."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.description import SourceDescription
from app.emg.serial_device import baud as bauds
from app.emg.serial_device.csv_lines import CsvDecoder
from app.emg.serial_device.decoder import Decoder, Run
from app.emg.serial_device.frames import aux_name
from app.emg.serial_device.packets import PacketDecoder
from app.emg.serial_device.port import PortInfo, SerialPort, find_usb, list_ports, parse_usb
from app.emg.source import Chunk
from app.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

NAP_S = 0.1  # a silent device still notices within this time that it was closed
NOISE_S = 2.0  # bytes for so long without one sample are no signal
LEAST_NOISE = 64  # bytes; less may be a frame that was cut
SILENT_S = 5.0  # not one byte after opening; an Arduino that was reset by it speaks within 2 s
CLOCK_SLACK_S = 1.0  # what the driver may have held back when lost samples are checked against the clock
FASTER = 1.2  # than nominal, when they are
PAUSE_S = 0.25  # without a sample; a device that begins anew takes longer


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialOptions:
    """What to open, and what it delivers. What is None there, the device says; `describe` asks it.

    Raises:
        ConfigError: neither a port nor a USB id, or more samples than the baud rate can carry.
    """

    channels: int | None = None
    sampling_rate: float | None = None  # Hz, nominal
    port: str | None = None  # such as /dev/ttyUSB0
    usb: str | None = None  # vid:pid or vid:pid:serial; finds the port under whatever name it has now
    baud: int | None = None  # None: the usual one of the format
    format: str = "binary"  # or csv
    units: str = "uV"
    scale: float = 1.0  # units for one count; 1 leaves it to the device, if it says it
    channel_names: tuple[str, ...] = ()
    aux_streams: tuple[AuxStream, ...] = ()  # what it delivers beside EMG

    def __post_init__(self) -> None:
        if self.port is None and self.usb is None:
            raise ConfigError("EMG_PORT is empty: name a serial port, such as /dev/ttyUSB0, or EMG_USB")
        if self.usb is not None:
            parse_usb(self.usb)
        if self.channels is not None and self.sampling_rate is not None:
            bauds.require(self.bits_per_second, self.channels, self.sampling_rate, self.format)

    @property
    def bits_per_second(self) -> int:
        return bauds.DEFAULT.get(self.format, 0) if self.baud is None else self.baud

    @property
    def note(self) -> str | None:
        """What to know where the samples fit through the line only just."""
        if self.channels is None or self.sampling_rate is None:
            return None
        return bauds.note(self.bits_per_second, self.channels, self.sampling_rate, self.format)

    def device(self, list_ports: Callable[[], Sequence[PortInfo]] = list_ports) -> str:
        """Return the port's name now.

        Raises:
            SourceError: there is no such USB device.
        """
        if self.usb is not None:
            return find_usb(self.usb, list_ports(), preferred=self.port)
        assert self.port is not None  # __post_init__ has seen to it
        return self.port

    def as_described(self, description: SourceDescription) -> SerialOptions:
        """Return these, with what the device says of itself."""
        return replace(
            self,
            channels=description.channels,
            sampling_rate=description.sampling_rate,
            units=description.units,
            channel_names=description.channel_names,
            aux_streams=description.aux_streams,
        )


class SerialSource:
    """Samples of a serial device. The port is opened by `read`, again and again until it is there.

    The sample index counts on over a reconnect, and the first chunk after one says `restart`.
    """

    name = "serial"

    def __init__(
        self,
        options: SerialOptions,
        *,
        list_ports: Callable[[], Sequence[PortInfo]] = list_ports,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if options.channels is None or options.sampling_rate is None:
            raise ConfigError("a serial source needs channels and rate: `describe` asks the device for them")
        self.options = options
        self.channels, self.sampling_rate, self.units = options.channels, options.sampling_rate, options.units
        self.channel_names, self.aux_streams = options.channel_names, options.aux_streams
        self._aux_numbers = {stream.name: number for number, stream in enumerate(options.aux_streams)}
        self.gesture_names: Sequence[str] = ()
        self.opened = 0  # times
        self._list_ports, self._clock = list_ports, clock
        self._decoder = _decoder(options, self.channels)
        self._noted: set[str] = set()  # what was assumed, and said
        self._port: SerialPort | None = None
        self._ready: deque[Chunk] = deque()
        self._index = 0
        self._restart = True  # owed by the next chunk
        self._silent_since: float | None = None  # since it was opened; None: it has spoken
        self._last_sample_at = self._noise_since = clock()
        self._noise_bytes = 0  # since the last sample
        self._closed = False
        self._reading = threading.Lock()  # whoever holds it may use, open or close the port
        if options.note:
            log.warning("%s", options.note)

    @property
    def numbered(self) -> bool:
        """Whether the device counts its samples, as every frame does and lines may."""
        return self._decoder.numbered

    @property
    def sums(self) -> dict[str, int]:
        """What has been seen since the start, by name: frames or lines, errors, losses, and how often it was opened."""
        return {**self._decoder.sums, "opened": self.opened}

    @property
    def notes(self) -> Sequence[str]:
        """What is assumed of the device, having seen what it sends."""
        return self._decoder.notes

    def read(self) -> Chunk | None:
        """Return the next samples, a few ms of them; None once closed.

        Raises:
            SourceError: the port cannot be opened, was unplugged, or delivers no samples; one line with the cure.
        """
        with self._reading:
            while not self._closed:
                if self._ready:
                    return self._ready.popleft()
                self._receive()
        return None

    def close(self) -> None:
        self._closed = True
        with self._reading:  # the reader looks at `_closed` every NAP_S
            self._drop_port()

    def _receive(self) -> None:
        if self._port is None:
            self._port = self._open()
        try:
            data = self._port.read(NAP_S)
        except SourceError:
            self._drop_port()
            raise
        now = self._clock()
        if data:
            if now - self._last_sample_at > PAUSE_S:
                self._decoder.paused()
            runs = self._decoder.feed(data, self._most_lost(now))
            self._ready.extend(map(self._chunk, runs))
            self._say_notes()
            self._expect_samples(len(data), bool(runs), now)
        elif self._silent_since is not None and now - self._silent_since > SILENT_S:
            self._silent_since = now
            raise SourceError(
                f"{self._port.device} is open, but has sent nothing: is the device running, and does it send by itself?"
            )

    def _say_notes(self) -> None:
        for note in self._decoder.notes:
            if note not in self._noted:
                self._noted.add(note)
                log.info("%s: %s", self.options.port or self.options.usb, note)

    def _open(self) -> SerialPort:
        options = self.options
        device = options.device(self._list_ports)
        port = SerialPort(device, options.bits_per_second, self._list_ports)
        log.info("%s is open at %d baud, %s", device, options.bits_per_second, options.format)
        self.opened += 1
        self._decoder.reset()
        self._restart = True
        self._silent_since = self._last_sample_at = self._clock()
        self._noise_bytes = 0
        return port

    def _drop_port(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _most_lost(self, now: float) -> int:
        """Return the samples that can have been taken since the last one came."""
        return round((now - self._last_sample_at + CLOCK_SLACK_S) * FASTER * self.sampling_rate)

    def _chunk(self, run: Run) -> Chunk:
        index, restart = self._index + run.lost, run.restart or self._restart
        self._index = index + len(run.samples)
        self._restart = False
        scale = self.options.scale if self.options.scale != 1.0 or run.scale is None else run.scale
        samples = run.samples * np.float32(scale)
        return Chunk(index=index, samples=samples, restart=restart, aux=self._aux(run, index))

    def _aux(self, run: Run, index: int) -> tuple[AuxChunk, ...]:
        """Return what came beside the run, of the streams that were there when the device was described."""
        named = ((self._aux_numbers.get(aux_name(part.kind)[0]), part) for part in run.aux)
        return tuple(
            AuxChunk(stream=number, at=float(index + part.offset), samples=part.samples)
            for number, part in named
            if number is not None and part.samples.shape[1] == self.aux_streams[number].channels
        )

    def _expect_samples(self, n_bytes: int, got_some: bool, now: float) -> None:
        """Bytes without samples for 2 s are not waited for in silence."""
        self._silent_since = None
        if got_some:
            self._last_sample_at, self._noise_bytes = now, 0
            return
        if self._noise_bytes == 0:
            self._noise_since = now
        self._noise_bytes += n_bytes
        seconds = now - self._noise_since
        if seconds > NOISE_S and self._noise_bytes >= LEAST_NOISE:
            seen, self._noise_bytes, self._restart = self._noise_bytes, 0, True
            assert self._port is not None
            raise SourceError(
                f"{self._port.device} sent {seen} bytes in {seconds:.0f} s at {self.options.bits_per_second} baud, "
                f"but no sample as {self.options.format}: {self._decoder.complaint}"
            )


def _decoder(options: SerialOptions, channels: int) -> Decoder:
    if options.format == "csv":
        return CsvDecoder(channels, options.sampling_rate)
    return PacketDecoder(channels, options.sampling_rate)
