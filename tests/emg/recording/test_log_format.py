"""The log: whole records are read back, and nothing that is not whole."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.auxiliary import AuxChunk
from app.emg.recording.log_format import (
    HEAD_BYTES,
    MAGIC,
    Entry,
    RecordedModel,
    RecordedPrediction,
    encode,
    joined,
    joined_aux,
    read,
    read_with_ends,
)
from app.emg.source import Chunk
from tests.emg.written import ACCELEROMETER, CHANNELS, RATE, aux, chunk

ENTRIES: list[Entry] = [
    chunk(0),
    RecordedPrediction(10, 1, 0.75, 1),
    chunk(10, label=None),
    chunk(40, restart=True, label=1),
    RecordedPrediction(50, 0, 0.5, 0),
    aux(0, 13.25, 4),
    aux(1, -2.5, 1),
    replace(chunk(60, label=1), repetitions=np.full(10, 3, np.int16)),
    replace(chunk(70, label=None), repetitions=np.full(10, 3, np.int16)),
    RecordedModel(75, "anna.2", "c" * 64, ("rest", '手 "x"')),
    RecordedModel(80, None),
]
AUX = (3, 1)  # channels of each auxiliary stream


def log(entries: list[Entry]) -> bytes:
    return MAGIC + b"".join(encode(entry) for entry in entries)


def same(one: Entry, two: Entry) -> bool:
    if isinstance(one, RecordedPrediction | RecordedModel) or isinstance(
        two, RecordedPrediction | RecordedModel
    ):
        return one == two
    if isinstance(one, AuxChunk) or isinstance(two, AuxChunk):
        assert isinstance(one, AuxChunk)
        assert isinstance(two, AuxChunk)
        return (one.stream, one.at) == (two.stream, two.at) and np.array_equal(one.samples, two.samples)
    labels = (one.labels is None) == (two.labels is None) and (
        one.labels is None or two.labels is None or np.array_equal(one.labels, two.labels)
    )
    place = (one.index, one.restart) == (two.index, two.restart)
    repetitions = (one.repetitions is None) == (two.repetitions is None) and (
        one.repetitions is None or two.repetitions is None or np.array_equal(one.repetitions, two.repetitions)
    )
    return place and labels and repetitions and np.array_equal(one.samples, two.samples)


def test_all_that_was_written_is_read_back() -> None:
    found = list(read(io.BytesIO(log(ENTRIES)), CHANNELS, AUX))
    assert len(found) == len(ENTRIES)
    assert all(same(one, two) for one, two in zip(found, ENTRIES, strict=True))


def test_every_cut_leaves_exactly_the_records_before_it() -> None:
    content = log(ENTRIES)
    ends = [len(MAGIC)]
    for entry in ENTRIES:
        ends.append(ends[-1] + len(encode(entry)))
    for cut in range(len(content)):
        whole = sum(end <= cut for end in ends[1:])
        found = list(read_with_ends(io.BytesIO(content[:cut]), CHANNELS, AUX))
        assert len(found) == whole
        assert not found or found[-1][0] == ends[whole]


@given(st.integers(0, len(log(ENTRIES)) - 1), st.integers(1, 255))
def test_a_flipped_byte_ends_the_log_where_it_lies(at: int, change: int) -> None:
    content = bytearray(log(ENTRIES))
    content[at] ^= change
    found = list(read(io.BytesIO(bytes(content)), CHANNELS, AUX))
    starts = np.cumsum([len(MAGIC), *(len(encode(entry)) for entry in ENTRIES)])
    assert len(found) == max(int((starts <= at).sum()) - 1, 0)
    assert all(same(one, two) for one, two in zip(found, ENTRIES, strict=False))


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_after_a_record_is_not_taken_for_one(garbage: bytes) -> None:
    found = list(read(io.BytesIO(log(ENTRIES[:1]) + garbage), CHANNELS, AUX))
    assert len(found) == 1


def test_a_length_that_no_record_has_is_not_read_into_memory() -> None:
    torn = bytearray(encode(ENTRIES[0])[:HEAD_BYTES])
    torn[4:8] = b"\xff\xff\xff\xff"
    assert list(read(io.BytesIO(MAGIC + bytes(torn)), CHANNELS, AUX)) == []


def test_a_file_of_another_kind_holds_nothing() -> None:
    assert list(read(io.BytesIO(b"PK\x03\x04" + log(ENTRIES)), CHANNELS, AUX)) == []


@pytest.mark.parametrize("channels", [1, 2, 4, 400])
def test_records_of_another_number_of_channels_are_refused(channels: int) -> None:
    assert list(read(io.BytesIO(log([chunk(0)])), channels)) == []


def test_chunks_that_continue_each_other_become_one_record() -> None:
    chunks = [chunk(0), chunk(10), chunk(20, restart=True), chunk(30), chunk(50), chunk(60, label=None)]
    found = list(joined(chunks))
    assert [(c.index, len(c.samples), c.restart) for c in found] == [
        (0, 20, False),
        (20, 20, True),
        (50, 10, False),
        (60, 10, False),
    ]
    assert np.array_equal(
        np.concatenate([c.samples for c in found]), np.concatenate([c.samples for c in chunks])
    )
    assert found[3].labels is None


def test_no_chunk_is_no_record() -> None:
    assert list(joined([])) == []


def test_a_chunk_keeps_its_bits() -> None:
    odd = np.array([[np.float32(1e-45), np.float32(3.4e38), np.float32(-0.0)]], np.float32)
    (found,) = read(io.BytesIO(log([Chunk(index=2**40, samples=odd)])), CHANNELS, AUX)
    assert isinstance(found, Chunk)
    assert found.samples.tobytes() == odd.tobytes()
    assert found.index == 2**40


@pytest.mark.parametrize("streams", [(), (3,), (2, 1), (3, 2)], ids=str)
def test_auxiliary_records_of_other_streams_than_the_header_names_are_refused(
    streams: tuple[int, ...],
) -> None:
    content = log([aux(1, 7.5, 3), aux(0, 0.0, 3)])
    assert len(list(read(io.BytesIO(content), CHANNELS, (3, 1)))) == 2
    assert len(list(read(io.BytesIO(content), CHANNELS, streams))) < 2


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e300])
def test_a_place_that_is_nowhere_is_damage(at: float) -> None:
    content = bytearray(log([aux(0, 5.0, 1)]))
    begin = len(MAGIC) + HEAD_BYTES
    struct.pack_into("<d", content, begin + 8, at)
    head = bytes(content[len(MAGIC) : begin - 4])
    struct.pack_into("<I", content, begin - 4, zlib.crc32(content[begin:], zlib.crc32(head)))
    assert list(read(io.BytesIO(bytes(content)), CHANNELS, AUX)) == []


@pytest.mark.parametrize(
    "said", ['{"name": 3, "sha256": null, "classes": []}', '{"name": "a", "sha256": "b"}', "[", "\xff"]
)
def test_a_model_that_does_not_add_up_is_damage(said: str) -> None:
    payload = said.encode("latin-1")
    head = struct.pack("<BBHIqI", 4, 0, 0, len(payload), 7, 0)
    record = head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload
    assert list(read(io.BytesIO(log([chunk(0)]) + record), CHANNELS, AUX))[1:] == []


def test_auxiliary_chunks_that_continue_each_other_become_one_record() -> None:
    """Each stream for itself: in between there is the other's."""
    step = RATE / ACCELEROMETER.sampling_rate
    chunks = [aux(0, 2.5, 2), aux(1, 0.0, 1), aux(0, 2.5 + 2 * step, 3), aux(0, 2.5 + 5 * step + 1.0, 1)]
    found = list(joined_aux(chunks, [step, RATE / 0.5]))
    assert sorted((one.stream, one.at, len(one.samples)) for one in found) == [
        (0, 2.5, 5),
        (0, 2.5 + 5 * step + 1.0, 1),
        (1, 0.0, 1),
    ]
