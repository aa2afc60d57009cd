"""The append-only log of a recording: what is complete in it stays readable, wherever the writer was cut off.

A file is MAGIC and then records, little-endian:

    kind u8 | flags u8 | 0 u16 | payload bytes u32 | sample index i64 | count u32 | CRC-32 u32 | payload

SAMPLES: `count` samples (count, channels) float32 and, with HAS_LABELS, `count` int16 after them. PREDICTION:
prediction i32, confidence f32, decision i32; its sample index is the end of its window. The CRC is that of the
first 20 bytes and the payload. A record that does not add up, and all after it, was never written.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from app.emg.source import Chunk, Labels, Samples

MAGIC = b"MYOREC\x01\n"
SAMPLES, PREDICTION = 1, 2
RESTART, HAS_LABELS = 1, 2
MAX_PAYLOAD = 64 * 2**20  # bytes; a length above is damage

_HEAD = struct.Struct("<BBHIqI")
_CRC = struct.Struct("<I")
_JUDGED = struct.Struct("<ifi")
HEAD_BYTES = _HEAD.size + _CRC.size


@dataclass(frozen=True, slots=True)
class RecordedPrediction:
    """What was seen in the window that ends before `sample_index`."""

    sample_index: int
    prediction: int
    confidence: float
    decision: int


Entry = Chunk | RecordedPrediction


def encode(entry: Entry) -> bytes:
    """One record."""
    if isinstance(entry, RecordedPrediction):
        payload = _JUDGED.pack(entry.prediction, entry.confidence, entry.decision)
        return _record(PREDICTION, 0, entry.sample_index, 1, payload)
    payload = np.ascontiguousarray(entry.samples, "<f4").tobytes()
    flags = RESTART if entry.restart else 0
    if entry.labels is not None:
        flags |= HAS_LABELS
        payload += np.ascontiguousarray(entry.labels, "<i2").tobytes()
    return _record(SAMPLES, flags, entry.index, len(entry.samples), payload)


def read(file: BinaryIO, channels: int) -> Iterator[Entry]:
    """Yield what is whole in a log, from its beginning."""
    for _, entry in read_with_ends(file, channels):
        yield entry


def read_with_ends(file: BinaryIO, channels: int) -> Iterator[tuple[int, Entry]]:
    """Yield the same, each with the position after it: where the file may be cut."""
    if file.read(len(MAGIC)) != MAGIC:
        return
    at = len(MAGIC)
    while True:
        head = file.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES:
            return
        kind, flags, _, length, index, count = _HEAD.unpack_from(head)
        if length > MAX_PAYLOAD:
            return
        payload = file.read(length)
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(head[: _HEAD.size])) != _crc(head):
            return
        at += HEAD_BYTES + length
        entry = _entry(kind, flags, index, count, payload, channels)
        if entry is None:
            return
        yield at, entry


def joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Chunks that continue each other as one: a record costs the same for 10 samples and for 1000."""
    run: list[Chunk] = []
    end = 0
    for chunk in chunks:
        follows = run and chunk.index == end and not chunk.restart
        if run and not (follows and (chunk.labels is None) == (run[0].labels is None)):
            yield _one(run)
            run = []
        run.append(chunk)
        end = chunk.index + len(chunk.samples)
    if run:
        yield _one(run)


def _one(run: list[Chunk]) -> Chunk:
    labels = [chunk.labels for chunk in run if chunk.labels is not None]
    return Chunk(
        index=run[0].index,
        samples=np.concatenate([chunk.samples for chunk in run]),
        labels=np.concatenate(labels) if labels else None,
        restart=run[0].restart,
    )


def _record(kind: int, flags: int, index: int, count: int, payload: bytes) -> bytes:
    head = _HEAD.pack(kind, flags, 0, len(payload), index, count)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def _crc(head: bytes) -> int:
    found: int = _CRC.unpack_from(head, _HEAD.size)[0]
    return found


def _entry(kind: int, flags: int, index: int, count: int, payload: bytes, channels: int) -> Entry | None:
    if kind == PREDICTION and len(payload) == _JUDGED.size:
        return RecordedPrediction(index, *_JUDGED.unpack(payload))
    size = 4 * count * channels
    if kind != SAMPLES or len(payload) != size + (2 * count if flags & HAS_LABELS else 0):
        return None
    samples: Samples = np.frombuffer(payload, "<f4", count * channels).reshape(count, channels)
    labels: Labels | None = np.frombuffer(payload, "<i2", count, size) if flags & HAS_LABELS else None
    return Chunk(index=index, samples=samples, labels=labels, restart=bool(flags & RESTART))
