"""The binary messages of samples: all formats to the bit, and everything that can be wrong with them."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.codec.live_samples import read_header, read_pushed
from app.emg.auxiliary import AuxStream
from app.errors import DataError

AUX = (
    AuxStream(name="accelerometer", channel_names=("x", "y", "z"), units="g", sampling_rate=50.0),
    AuxStream(name="trigger", channel_names=("on",), units="unknown", sampling_rate=2000.0),
)


def message(
    values: bytes, count: int, *, form: int = 1, first: int = 0, aux: int = 0, version: int = 1, zero: int = 0
) -> bytes:
    """By the text of docs/live.md."""
    return struct.pack("<BBBBIQ", version, form, aux, zero, count, first) + values


def aux_block(stream: int, count: int, first: int, values: bytes) -> bytes:
    return struct.pack("<BBHIQ", stream, 0, 0, count, first) + values


def int24(value: int) -> bytes:
    return value.to_bytes(3, "little", signed=True)


@given(st.lists(st.integers(-(2**23), 2**23 - 1), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_three_bytes_are_the_number_they_were(values: list[int]) -> None:
    found = read_pushed(message(b"".join(map(int24, values)), 2, form=3), 2, scale=0.5)
    assert found.samples.tolist() == [[values[0] / 2, values[1] / 2], [values[2] / 2, values[3] / 2]]


def test_two_bytes_and_four() -> None:
    shorts = np.array([[-32768, 32767], [0, -1]], "<i2")
    found = read_pushed(message(shorts.tobytes(), 2, form=2, first=2**53 - 1), 2, scale=0.25)
    assert found.first_sample == 2**53 - 1
    np.testing.assert_array_equal(found.samples, shorts * np.float32(0.25))
    floats = np.array([[1.5, -2.25]], "<f4")
    np.testing.assert_array_equal(read_pushed(message(floats.tobytes(), 1), 2).samples, floats)


def test_the_scale_is_of_counts_and_not_of_floats() -> None:
    assert read_pushed(message(struct.pack("<f", 3.0), 1), 1, scale=7.0).samples.tolist() == [[3.0]]


def test_what_comes_beside_is_read_with_its_own_index() -> None:
    values = np.arange(6, dtype="<f4")
    blocks = aux_block(0, 2, 75, values.tobytes()) + aux_block(1, 1, 3000, struct.pack("<f", 1.0))
    found = read_pushed(message(bytes(8), 1, first=3000, aux=2) + blocks, 2, AUX)
    assert [(one.stream, one.first_sample, one.samples.tolist()) for one in found.aux] == [
        (0, 75, [[0, 1, 2], [3, 4, 5]]),
        (1, 3000, [[1.0]]),
    ]


WRONG: list[tuple[bytes, str]] = [
    (b"", "header of 16 bytes"),
    (message(bytes(8), 1)[:15], "header of 16 bytes"),
    (message(bytes(8), 1, version=2), "version 2"),
    (message(bytes(8), 1, form=0), "format 0"),
    (message(bytes(8), 1, form=9), "format 9"),
    (message(bytes(8), 1, zero=1), "fourth byte"),
    (message(b"", 0), "at least one sample"),
    (message(bytes(8), 1, first=2**63), "at most 9007199254740991"),
    (message(bytes(8), 2), "16 bytes after the header, got 8"),
    (message(bytes(9), 1), "8 bytes after the header, got 9"),
    (message(bytes(8), 2**32 - 1), "got 8"),
    (message(bytes(8), 1, aux=3), "declared with 2 auxiliary streams; 3 blocks"),
    (message(bytes(8), 1, aux=1), "header of 16 bytes"),
    (message(bytes(8), 1, aux=1) + aux_block(2, 1, 0, bytes(12)), "streams 0 to 1, got 2"),
    (message(bytes(8), 1, aux=1) + aux_block(0, 0, 0, b""), "at least one sample"),
    (message(bytes(8), 1, aux=1) + aux_block(0, 1, 2**60, bytes(12)), "index up to"),
    (message(bytes(8), 1, aux=1) + aux_block(0, 2, 0, bytes(12)), "is cut: it says 2"),
    (message(bytes(8), 1, aux=1) + aux_block(0, 1, 0, bytes(13)), "1 bytes came after"),
]


@pytest.mark.parametrize(("data", "words"), WRONG)
def test_what_is_wrong_is_said(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_pushed(data, 2, AUX)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_every_cut_and_every_flipped_bit_is_samples_or_an_error(data: Any) -> None:
    whole = message(bytes(range(48)), 6, aux=1) + aux_block(0, 1, 3, bytes(12))
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at in data.draw(st.lists(st.integers(0, max(len(cut) - 1, 0)), max_size=3)) if cut else []:
        cut[at] ^= data.draw(st.integers(1, 255))
    with suppress(DataError):
        found = read_pushed(bytes(cut), 2, AUX)
        assert found.samples.shape == (read_header(bytes(cut)).number, 2)
