"""The append-only log of a recording: what is complete in it stays readable, wherever the writer was cut off.

A file is MAGIC and then records, little-endian:

    kind u8 | flags u8 | 0 u16 | payload bytes u32 | sample index i64 | count u32 | CRC-32 u32 | payload

SAMPLES: `count` samples (count, channels) float32 and, with HAS_LABELS, `count` int16 after them, and with
HAS_REPETITIONS as many again. PREDICTION: prediction i32, confidence f32, decision i32; its sample index is the end of
its window. AUX: stream u16 | 0 (6 bytes) | at f64, and `count` samples (count, the stream's channels) float32 from
there on; its sample index is `at`, rounded down. MODEL: JSON, which model is used from that sample on; the predictions
behind it are in its classes. The CRC is that of the first 20 bytes and the payload. A record that
does not add up, and all after it, was never written.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from app.emg.auxiliary import AuxChunk
from app.emg.recording.json_fields import maybe, read_object, text_of, texts_of
from app.emg.source import Chunk, Labels, Samples

MAGIC = b"MYOREC\x01\n"
SAMPLES, PREDICTION, AUX, MODEL = 1, 2, 3, 4
RESTART, HAS_LABELS, HAS_REPETITIONS = 1, 2, 4
MAX_PAYLOAD = 64 * 2**20  # bytes; a length above is damage

_HEAD = struct.Struct("<BBHIqI")
_CRC = struct.Struct("<I")
_JUDGED = struct.Struct("<ifi")
_AUX = struct.Struct("<H6xd")
_MOST_AT = 2.0**62  # samples
_AT_ERROR = (
    0.01  # samples that an auxiliary chunk may be off the place where it would continue the one before
)
HEAD_BYTES = _HEAD.size + _CRC.size


@dataclass(frozen=True, slots=True)
class RecordedPrediction:
    """What was seen in the window that ends before `sample_index`."""

    sample_index: int
    prediction: int
    confidence: float
    decision: int


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """Another model reads the source from that sample on; without a name none does."""

    sample_index: int
    name: str | None
    sha256: str | None = None  # of its manifest.json
    classes: tuple[str, ...] = ()


Entry = Chunk | AuxChunk | RecordedPrediction | RecordedModel


def encode(entry: Entry) -> bytes:
    """Return one record. What a chunk brings beside its samples is not in it: that has records of its own."""
    if isinstance(entry, AuxChunk):
        payload = _AUX.pack(entry.stream, entry.at) + np.ascontiguousarray(entry.samples, "<f4").tobytes()
        return _record(AUX, 0, math.floor(entry.at), len(entry.samples), payload)
    if isinstance(entry, RecordedPrediction):
        payload = _JUDGED.pack(entry.prediction, entry.confidence, entry.decision)
        return _record(PREDICTION, 0, entry.sample_index, 1, payload)
    if isinstance(entry, RecordedModel):
        said = {"name": entry.name, "sha256": entry.sha256, "classes": entry.classes}
        return _record(MODEL, 0, entry.sample_index, 0, json.dumps(said).encode())
    payload = np.ascontiguousarray(entry.samples, "<f4").tobytes()
    flags = RESTART if entry.restart else 0
    if entry.labels is not None:
        flags |= HAS_LABELS
        payload += np.ascontiguousarray(entry.labels, "<i2").tobytes()
    if entry.repetitions is not None:
        flags |= HAS_REPETITIONS
        payload += np.ascontiguousarray(entry.repetitions, "<i2").tobytes()
    return _record(SAMPLES, flags, entry.index, len(entry.samples), payload)


def read(file: BinaryIO, channels: int, aux: Sequence[int] = ()) -> Iterator[Entry]:
    """Yield what is whole in a log, from its beginning; `aux` is how many channels each auxiliary stream has."""
    for _, entry in read_with_ends(file, channels, aux):
        yield entry


def read_with_ends(file: BinaryIO, channels: int, aux: Sequence[int] = ()) -> Iterator[tuple[int, Entry]]:
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
        if kind == AUX:
            entry: Entry | None = _aux_entry(count, payload, aux)
        else:
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
        if run and not (follows and _columns(chunk) == _columns(run[0])):
            yield _one(run)
            run = []
        run.append(chunk)
        end = chunk.index + len(chunk.samples)
    if run:
        yield _one(run)


def _columns(chunk: Chunk) -> tuple[bool, bool]:
    return chunk.labels is not None, chunk.repetitions is not None


def _one(run: list[Chunk]) -> Chunk:
    labels = [chunk.labels for chunk in run if chunk.labels is not None]
    repetitions = [chunk.repetitions for chunk in run if chunk.repetitions is not None]
    return Chunk(
        index=run[0].index,
        samples=np.concatenate([chunk.samples for chunk in run]),
        labels=np.concatenate(labels) if labels else None,
        restart=run[0].restart,
        repetitions=np.concatenate(repetitions) if repetitions else None,
    )


def joined_aux(chunks: Iterable[AuxChunk], steps: Sequence[float]) -> Iterator[AuxChunk]:
    """The same of auxiliary chunks; `steps` is how many EMG samples lie between two samples of each stream."""
    runs: dict[int, list[AuxChunk]] = {}
    for chunk in chunks:
        run = runs.setdefault(chunk.stream, [])
        expected = run[0].at + steps[chunk.stream] * sum(len(one.samples) for one in run) if run else 0.0
        if run and abs(chunk.at - expected) > _AT_ERROR:
            yield _one_aux(run)
            run.clear()
        run.append(chunk)
    for run in runs.values():
        yield _one_aux(run)


def _one_aux(run: list[AuxChunk]) -> AuxChunk:
    samples = np.concatenate([chunk.samples for chunk in run])
    return AuxChunk(stream=run[0].stream, at=run[0].at, samples=samples)


def _record(kind: int, flags: int, index: int, count: int, payload: bytes) -> bytes:
    head = _HEAD.pack(kind, flags, 0, len(payload), index, count)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def _crc(head: bytes) -> int:
    found: int = _CRC.unpack_from(head, _HEAD.size)[0]
    return found


def _entry(kind: int, flags: int, index: int, count: int, payload: bytes, channels: int) -> Entry | None:
    if kind == PREDICTION and len(payload) == _JUDGED.size:
        return RecordedPrediction(index, *_JUDGED.unpack(payload))
    if kind == MODEL:
        return _model_entry(index, payload)
    values, each = 4 * count * channels, 2 * count
    labelled, repeated = bool(flags & HAS_LABELS), bool(flags & HAS_REPETITIONS)
    if kind != SAMPLES or len(payload) != values + each * (labelled + repeated):
        return None
    samples: Samples = np.frombuffer(payload, "<f4", count * channels).reshape(count, channels)
    labels: Labels | None = np.frombuffer(payload, "<i2", count, values) if labelled else None
    repetitions: Labels | None = (
        np.frombuffer(payload, "<i2", count, values + each * labelled) if repeated else None
    )
    restart = bool(flags & RESTART)
    return Chunk(index=index, samples=samples, labels=labels, restart=restart, repetitions=repetitions)


def _model_entry(index: int, payload: bytes) -> RecordedModel | None:
    try:
        said = read_object(payload, MAX_PAYLOAD)
        name, sha256 = maybe(text_of, said, "name"), maybe(text_of, said, "sha256")
        return RecordedModel(index, name, sha256, texts_of(said, "classes"))
    except ValueError:  # of JSON and of Unicode, too
        return None


def _aux_entry(count: int, payload: bytes, aux: Sequence[int]) -> AuxChunk | None:
    if len(payload) < _AUX.size:
        return None
    stream, at = _AUX.unpack_from(payload)
    if stream >= len(aux) or not abs(at) < _MOST_AT or len(payload) != _AUX.size + 4 * count * aux[stream]:
        return None
    samples: Samples = np.frombuffer(payload, "<f4", offset=_AUX.size).reshape(count, aux[stream])
    return AuxChunk(stream=stream, at=at, samples=samples)
