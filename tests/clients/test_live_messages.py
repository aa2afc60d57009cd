"""Bytes of the live socket: every field of a message of samples, and of a record."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.api.live import events
from myostream_client import Record, records_of
from myostream_client.live.messages import (
    FLOAT32,
    FORMATS,
    GESTURE,
    INT16,
    INT24,
    PHASES,
    REASONS,
    VARIANTS,
    AuxBlock,
    samples_message,
    windows_message,
)

# the bytes are struct's of the documented formats; JavaScript and C++ are held to the same
CASES: dict[str, Any] = json.loads(Path(__file__).with_name("live_cases.json").read_text())
COUNTS = [[1, -2], [300, -300], [-32768, 32767]]
FLAT = (1, -2, 300, -300, -32768, 32767)


def test_a_message_is_a_header_and_values_sample_after_sample() -> None:
    """Version, format, auxiliary blocks, 0, count, first sample; little-endian."""
    found = samples_message(2**40 + 1, COUNTS, INT16)
    assert found == bytes.fromhex("01020000 03000000 0100000000010000") + struct.pack("<6h", *FLAT)
    found = samples_message(0, COUNTS, FLOAT32)
    assert found == bytes.fromhex("01010000 03000000 0000000000000000") + struct.pack("<6f", *FLAT)


def test_three_bytes_carry_24_bits() -> None:
    found = samples_message(0, [[1, -1], [2**23 - 1, -(2**23)]], INT24)
    assert found[:4] == b"\x01\x03\x00\x00"
    assert found[16:] == bytes.fromhex("010000 ffffff ffff7f 000080")


@pytest.mark.parametrize("form", [FLOAT32, INT16, INT24])
def test_arrays_and_lists_give_the_same_bytes_in_whatever_order_they_lie(form: int) -> None:
    told = samples_message(7, COUNTS, form)
    array = np.array(COUNTS, np.int32)
    assert samples_message(7, array, form) == told
    assert samples_message(7, np.asfortranarray(array), form) == told
    assert samples_message(7, array.astype(">i4"), form) == told
    assert samples_message(7, np.repeat(array, 2, axis=1)[:, ::2], form) == told


def test_what_comes_beside_follows_with_headers_of_its_own() -> None:
    aux = [AuxBlock(0, 50, [[0.5, 1.5]]), AuxBlock(3, 2**33, np.array([[1.0], [2.0]]))]
    found = samples_message(9, [[1, 2]], INT16, aux)
    assert found == b"".join(
        (
            struct.pack("<BBBBIQ", 1, 2, 2, 0, 1, 9),
            struct.pack("<2h", 1, 2),
            struct.pack("<BBHIQ", 0, 0, 0, 1, 50),
            struct.pack("<2f", 0.5, 1.5),
            struct.pack("<BBHIQ", 3, 0, 0, 2, 2**33),
            struct.pack("<2f", 1.0, 2.0),
        )
    )


def test_windows_have_a_number_in_the_place_of_a_sample() -> None:
    windows = np.arange(12, dtype="f4").reshape(2, 3, 2)
    assert windows_message(77, windows, FLOAT32) == struct.pack("<BBBBIQ12f", 1, 1, 0, 0, 2, 77, *range(12))


@pytest.mark.parametrize(
    ("samples", "form"),
    [
        ([[2**23]], INT24),
        (np.array([[-(2**23) - 1]]), INT24),
        ([[40_000]], INT16),
        (np.array([[0], [40_000]]), INT16),
        (np.array([[-32_769]], np.int32), INT16),
        (np.array([[np.nan]]), INT16),
        ([[2**40]], INT24),
    ],
)
def test_what_does_not_fit_is_refused(samples: list[list[float]], form: int) -> None:
    with pytest.raises(ValueError, match="int24 goes from" if form == INT24 else "int16 goes from"):
        samples_message(0, samples, form)


def test_a_record_has_32_bytes() -> None:
    data = struct.pack("<BBHQfffHHI", 1, 1, 4, 2**40, 0.75, 0.5, 0.25, 65535, 7, 9)
    assert len(data) == 32
    frame = Record(
        kind=1,
        prediction=4,
        sample_index=2**40,
        age_ms=0.75,
        confidence=0.5,
        intensity=0.25,
        decision=None,
        dropped=7,
        frame=9,
    )
    assert records_of(data) == [frame]
    assert records_of(data * 3) == [frame] * 3


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33), b"\x02" + bytes(31)])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"32 bytes each|version 2"):
        records_of(data)


def test_a_gesture_in_32_bytes_says_what_it_is() -> None:
    what = PHASES.index("release") | VARIANTS.index("double") << 2 | REASONS.index("stalled") << 4
    data = struct.pack("<BBHQfffHHI", 1, 4, 2, 2**40, 1.5, 0.875, 0.25, what, 300, 77)
    (record,) = records_of(data)
    assert (record.kind, record.prediction, record.sample_index, record.held_s) == (GESTURE, 2, 2**40, 1.5)
    assert (record.phase, record.variant, record.reason) == ("release", "double", "stalled")
    assert (record.confidence, record.intensity, record.dropped, record.frame) == (0.875, 0.25, 300, 77)
    assert record.decision is None


def test_the_words_of_a_gesture_are_the_server_s() -> None:
    assert (PHASES, VARIANTS, REASONS) == (events.PHASES, events.VARIANTS, events.REASONS)


@pytest.mark.parametrize("case", CASES["messages"], ids=lambda case: case["name"])
def test_the_cases_of_all_clients(case: dict[str, Any]) -> None:
    aux = [AuxBlock(one["stream"], one["first_sample"], one["rows"]) for one in case["aux"]]
    form = FORMATS[case["format"]]
    assert samples_message(case["first_sample"], case["rows"], form, aux).hex() == case["hex"]


@pytest.mark.parametrize("case", CASES["records"], ids=lambda case: case["name"])
def test_the_records_of_all_clients(case: dict[str, Any]) -> None:
    fields = {name: value for name, value in case.items() if name not in ("name", "hex")}
    assert records_of(bytes.fromhex(case["hex"])) == [Record(**fields)]
