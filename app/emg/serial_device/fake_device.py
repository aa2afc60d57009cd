"""A serial device without hardware: any source's samples as the bytes that a sketch would send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from app.emg.serial_device import frames
from app.emg.source import Chunk, Samples, Source

# What a reader that is late finds again: a serial driver of Linux keeps 64 KiB at least (tty_buffer.c), a
# pseudo-terminal 12 KiB only. What goes beyond is lost, for a converter does not wait.
FIFO_BYTES = 65536
ACCELEROMETER, TILT_SCALE, TURN_S = 1, 0.001, 10.0  # its kind; g for one count; for a turn


class Line(Protocol):
    """Where the bytes go: a pseudo-terminal or a serial port."""

    def write(self, data: bytes) -> int:
        """How many of the bytes were taken without waiting."""


class Encoder(Protocol):
    """Makes pieces of bytes that are sent whole or not at all."""

    def encode(self, chunk: Chunk) -> list[bytes]: ...


class PacketEncoder:
    """Binary frames. Frame k holds the samples from k x per_frame on; one that misses a sample is not made.

    With a `rate` they are of version 2, and say it and the scale; else of version 1. `tilt_every`: so many EMG samples
    lie between two of an accelerometer that is slowly turned, beside the EMG; it needs version 2.
    """

    def __init__(
        self,
        channels: int,
        scale: float = 1.0,
        per_frame: int = 1,
        *,
        rate: float | None = None,
        tilt_every: int | None = None,
    ) -> None:
        self._scale, self._per_frame, self._rate, self._tilt_every = scale, per_frame, rate, tilt_every
        self._held = np.zeros((0, channels), np.int16)  # of a frame that is not full yet
        self._next = 0  # sample index

    def encode(self, chunk: Chunk) -> list[bytes]:
        if chunk.index != self._next:
            self._held = self._held[:0]
        self._next = chunk.index + len(chunk.samples)
        samples = np.concatenate([self._held, counts(chunk.samples, self._scale)])
        first = self._next - len(samples)
        start = -first % self._per_frame  # a frame whose beginning was lost is lost
        whole = max(0, len(samples) - start) // self._per_frame
        end = start + whole * self._per_frame
        self._held = samples[end:]
        size = self._per_frame
        return [
            self._frame(samples[at : at + size], (first + at) // size, first + at)
            for at in range(start, end, size)
        ]

    def _frame(self, samples: frames.Counts, counter: int, index: int) -> bytes:
        if self._rate is None:
            return frames.encode(samples, counter, len(samples))
        blocks = [] if self._tilt_every is None else self._tilt(index, self._tilt_every)
        return frames.encode2(samples, counter, self._rate, self._scale, blocks=blocks)

    def _tilt(self, index: int, every: int) -> list[bytes]:
        """Return the accelerometer's block of the first frame that begins `every` samples after the last one's."""
        if index % every >= self._per_frame or self._rate is None:
            return []
        angle = 2.0 * np.pi * index / self._rate / TURN_S
        tilted = np.array([[np.sin(angle), 0.0, np.cos(angle)]], np.float32)
        return [frames.encode_block(ACCELEROMETER, counts(tilted, TILT_SCALE), every, TILT_SCALE)]


class CsvEncoder:
    """Lines of counts, with the sample index in front where asked."""

    def __init__(self, scale: float = 1.0, counter: bool = True) -> None:
        self._scale, self._counter = scale, counter

    def encode(self, chunk: Chunk) -> list[bytes]:
        rows = counts(chunk.samples, self._scale).tolist()
        if self._counter:
            rows = [[chunk.index + number, *row] for number, row in enumerate(rows)]
        return [(",".join(map(str, row)) + "\r\n").encode() for row in rows]


def counts(samples: Samples, scale: float) -> frames.Counts:
    """Return what a 16-bit converter with `scale` units a count makes of the samples."""
    rounded: frames.Counts = np.clip(np.rint(samples / scale), -32768, 32767).astype(np.int16)
    return rounded


class FakeDevice:
    """Sends a source's samples when they are due, and never waits for the line: what does not fit is lost.

    `damage` is the share of frames or lines in which one byte is wrong, as on a bad cable.
    """

    def __init__(
        self,
        source: Source,
        encoder: Encoder,
        line: Line,
        *,
        damage: float = 0.0,
        seed: int = 0,
        fifo_bytes: int = FIFO_BYTES,
    ) -> None:
        self._source, self._encoder, self._line = source, encoder, line
        self._damage, self._random = damage, np.random.default_rng(seed)
        self._fifo, self._fifo_bytes = bytearray(), fifo_bytes
        self.samples = self.damaged = self.overruns = 0

    def run(self) -> Iterator[int]:
        """Send until the source ends; after each of its chunks, how many samples it has been in all."""
        while (chunk := self._source.read()) is not None:
            for piece in self._encoder.encode(chunk):
                self._send(piece)
            self._flush()
            self.samples += len(chunk.samples)
            yield self.samples

    def _send(self, piece: bytes) -> None:
        if len(self._fifo) > self._fifo_bytes:
            self._flush()
        if len(self._fifo) > self._fifo_bytes:
            self.overruns += 1
            return
        if self._damage and self._random.random() < self._damage:
            wrong = bytearray(piece)
            wrong[self._random.integers(len(wrong))] ^= int(self._random.integers(1, 256))
            piece, self.damaged = bytes(wrong), self.damaged + 1
        self._fifo += piece

    def _flush(self) -> None:
        del self._fifo[: self._line.write(bytes(self._fifo))]
