"""WebSocket frames of the Python client: RFC 6455's own examples, and the server's reader beside it."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myostream_client.live.websocket_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    FramingError,
    close_of,
    closing,
    frame,
    masked,
)

MASK = b"\x37\xfa\x21\x3d"


def of_server(
    opcode: int, payload: bytes, *, last: bool = True, reserved: int = 0, mask: bool = False
) -> bytes:
    """One frame as a server sends it."""
    size = len(payload)
    if size < 126:
        length = struct.pack(">B", size)
    else:
        length = struct.pack(">BH", 126, size) if size < 65536 else struct.pack(">BQ", 127, size)
    first = (0x80 if last else 0) | reserved | opcode
    return bytes([first, length[0] | (0x80 if mask else 0)]) + length[1:] + payload


def test_the_examples_of_the_standard() -> None:
    """RFC 6455, section 5.7."""
    assert frame(TEXT, b"Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert frame(PONG, b"Hello", MASK) == bytes.fromhex("8a8537fa213d7f9f4d5158")
    reader = FrameReader()
    assert reader.feed(bytes.fromhex("810548656c6c6f")) == [(TEXT, "Hello")]
    assert reader.feed(bytes.fromhex("010348656c80026c6f")) == [(TEXT, "Hello")]
    assert reader.feed(bytes.fromhex("890548656c6c6f")) == [(PING, b"Hello")]
    assert reader.feed(bytes.fromhex("827e0100") + bytes(256)) == [(BINARY, bytes(256))]
    assert reader.feed(bytes.fromhex("827f0000000000010000") + bytes(65536)) == [(BINARY, bytes(65536))]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_001])
def test_lengths_are_written_as_short_as_they_can_be(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    sent = frame(BINARY, payload[:size], MASK)
    head = {0: 2, 1: 2, 125: 2, 126: 4, 127: 4, 65535: 4}.get(size, 10)
    assert len(sent) == head + 4 + size
    assert masked(sent[head + 4 :], MASK) == payload[:size]


def test_each_frame_has_a_mask_of_its_own() -> None:
    assert len({frame(BINARY, b"x")[2:6] for _ in range(50)}) > 40


LONG = b"a message of 70,000 bytes"
MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.just(TEXT), st.text(max_size=200).map(str.encode)),
        st.tuples(st.just(BINARY), st.binary(max_size=200)),
        st.tuples(st.just(BINARY), st.just(LONG)),
        st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    ),
    max_size=6,
)


@given(MESSAGES, st.lists(st.integers(0, 80_000), max_size=6), st.integers(1, 50))
@settings(max_examples=200)
def test_messages_are_found_wherever_the_stream_is_cut_and_whatever_their_fragments(
    messages: list[tuple[int, bytes]], cuts: list[int], part: int
) -> None:
    stream, whole = b"", [(kind, bytes(70_000) if data == LONG else data) for kind, data in messages]
    for opcode, payload in whole:
        if opcode >= CLOSE or len(payload) > 200:
            stream += of_server(opcode, payload)
            continue
        parts = [payload[k : k + part] for k in range(0, len(payload), part)] or [b""]
        for place, piece in enumerate(parts):
            stream += of_server(opcode if place == 0 else 0, piece, last=place == len(parts) - 1)
            if place < len(parts) - 1:
                stream += of_server(PING, b"between")
    marks = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    reader = FrameReader()
    found = [
        message
        for start, end in pairwise(marks)
        for message in reader.feed(stream[start:end])
        if message != (PING, b"between")
    ]
    assert found == [(kind, data.decode() if kind == TEXT else data) for kind, data in whole]


WRONG = {
    "a reserved bit": (of_server(BINARY, b"x", reserved=0x40), 1002),
    "a mask": (of_server(BINARY, b"xxxxx", mask=True), 1002),
    "an opcode that is none": (of_server(3, b""), 1002),
    "a control opcode that is none": (of_server(11, b""), 1002),
    "a ping in parts": (of_server(PING, b"", last=False), 1002),
    "a long ping": (of_server(PING, bytes(126)), 1002),
    "a continuation of nothing": (of_server(0, b"x"), 1002),
    "a message within another": (of_server(TEXT, b"x", last=False) + of_server(TEXT, b"x"), 1002),
    "a text that is none": (of_server(TEXT, b"\xff"), 1007),
    "more than is taken": (bytes.fromhex("827f7fffffffffffffff"), 1009),
    "more than is taken, in parts": (of_server(2, bytes(900), last=False) + of_server(0, bytes(900)), 1009),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_server_may_send_ends_the_connection_with_its_code(what: str) -> None:
    data, code = WRONG[what]
    with pytest.raises(FramingError) as error:
        FrameReader(most=1000).feed(data)
    assert error.value.code == code


def test_a_close_has_a_code_and_a_reason() -> None:
    assert close_of(b"") == (1005, "")
    assert close_of(b"\x03\xf4back at once") == (1012, "back at once")
    with pytest.raises(FramingError, match="a code of two bytes"):
        close_of(b"\x03")
    with pytest.raises(FramingError, match="UTF-8"):
        close_of(b"\x03\xf4\xff")
    sent = closing(1000, "é" * 100)  # at most 125 bytes, and no letter cut in two
    assert sent[1] & 0x7F <= 125
    assert close_of(masked(sent[6:], sent[2:6])) == (1000, "é" * 61)


@given(st.binary(max_size=64))
@settings(max_examples=300)
def test_garbage_is_refused_or_waited_out_and_nothing_else(data: bytes) -> None:
    reader, code = FrameReader(most=1000), 1002
    try:
        reader.feed(data)
    except FramingError as error:
        code = error.code
    assert code in (1002, 1007, 1009)
