"""WebSocket frames against RFC 6455's own examples, every way of cutting them, and what no client may send."""

from __future__ import annotations

import random
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.live import framing as ws

MOST = 1 << 20
MASK = b"\x37\xfa\x21\x3d"  # of the examples in section 5.7


def client_frame(kind: int, payload: bytes, *, final: bool = True, mask: bytes = MASK) -> bytes:
    """As a client sends it, by the text of section 5.2, byte for byte."""
    size = len(payload)
    head = bytes([(0x80 if final else 0) | kind])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def fed(data: bytes, cuts: list[int], most: int = MOST) -> list[ws.Message]:
    reader, found, at = ws.FrameReader(most), list[ws.Message](), 0
    for cut in [*sorted(cuts), len(data)]:
        found += reader.feed(data[at:cut])
        at = cut
    return found


def test_the_examples_of_the_standard() -> None:
    masked_hello = bytes.fromhex("818537fa213d7f9f4d5158")
    assert ws.FrameReader(MOST).feed(masked_hello) == [(ws.TEXT, b"Hello")]
    assert ws.frame(ws.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert ws.frame(ws.PONG, b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert ws.frame(ws.BINARY, b"x" * 256)[:4] == bytes.fromhex("827e0100")
    assert ws.frame(ws.BINARY, b"x" * 65536)[:10] == bytes.fromhex("827f0000000000010000")


def test_a_message_in_fragments_with_a_ping_between_them_comes_whole() -> None:
    data = (
        client_frame(ws.TEXT, b"Hel", final=False)
        + client_frame(ws.PING, b"?")
        + client_frame(ws.CONTINUATION, b"lo")
    )
    assert fed(data, []) == [(ws.PING, b"?"), (ws.TEXT, b"Hello")]


@given(
    sizes=st.lists(
        st.sampled_from([0, 1, 3, 4, 5, 125, 126, 127, 1296, 65535, 65536]), min_size=1, max_size=4
    ),
    cuts=st.lists(st.integers(0, 140_000), max_size=12),
    mask=st.binary(min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_whatever_way_it_is_cut_the_messages_are_the_same(
    sizes: list[int], cuts: list[int], mask: bytes
) -> None:
    payloads = [random.Random(size).randbytes(size) for size in sizes]
    data = b"".join(client_frame(ws.BINARY, payload, mask=mask) for payload in payloads)
    found = fed(data, [min(cut, len(data)) for cut in cuts])
    assert found == [(ws.BINARY, payload) for payload in payloads]


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_anything_at_all_is_messages_or_a_refusal(data: bytes) -> None:
    reader, code = ws.FrameReader(1000), ws.PROTOCOL_ERROR
    try:
        for message in reader.feed(data):
            assert message.kind in (ws.TEXT, ws.BINARY, ws.CLOSE, ws.PING, ws.PONG)
    except ws.FramingError as error:
        code = error.code
    assert code in (ws.PROTOCOL_ERROR, ws.TOO_BIG, ws.INVALID_TEXT)
    assert reader.held <= 2 * len(data)


@given(st.integers(0, 12), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_flipped_bit_is_never_a_crash(at: int, bits: int) -> None:
    data = bytearray(client_frame(ws.BINARY, bytes(40)))
    data[at] ^= bits
    with suppress(ws.FramingError):
        assert len(ws.FrameReader(1000).feed(bytes(data))) <= 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes.fromhex("810548656c6c6f"), ws.PROTOCOL_ERROR),  # unmasked
        (client_frame(0x40 | ws.BINARY, b""), ws.PROTOCOL_ERROR),  # a reserved bit
        (client_frame(3, b""), ws.PROTOCOL_ERROR),
        (client_frame(11, b""), ws.PROTOCOL_ERROR),
        (client_frame(ws.PING, b"x" * 126), ws.PROTOCOL_ERROR),
        (client_frame(ws.PING, b"", final=False), ws.PROTOCOL_ERROR),
        (client_frame(ws.CONTINUATION, b"x"), ws.PROTOCOL_ERROR),
        (client_frame(ws.BINARY, b"x", final=False) + client_frame(ws.BINARY, b"y"), ws.PROTOCOL_ERROR),
        (client_frame(ws.TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), ws.INVALID_TEXT),
        (client_frame(ws.TEXT, b"\xce"), ws.INVALID_TEXT),  # cut within a letter
        (bytes([0x82, 0xFF]) + struct.pack(">Q", 2**63), ws.TOO_BIG),
        (bytes([0x82, 0xFF]) + struct.pack(">Q", 64 << 20), ws.TOO_BIG),  # known by the header alone
        (bytes([0x81, 0xFF]) + struct.pack(">Q", ws.MOST_TEXT + 1), ws.TOO_BIG),
    ],
)
def test_what_no_client_may_send_is_refused_with_its_code(data: bytes, code: int) -> None:
    with pytest.raises(ws.FramingError) as refusal:
        ws.FrameReader(MOST).feed(data)
    assert refusal.value.code == code


def test_fragments_together_have_the_bound_of_a_message() -> None:
    reader = ws.FrameReader(1000)
    reader.feed(client_frame(ws.BINARY, bytes(900), final=False))
    with pytest.raises(ws.FramingError) as refusal:
        reader.feed(client_frame(ws.CONTINUATION, bytes(101)))
    assert refusal.value.code == ws.TOO_BIG


def test_fragments_of_nothing_take_no_memory() -> None:
    """Each was an entry of a list, of which no length is counted: a client could fill the memory within a message."""
    reader = ws.FrameReader(1000)
    reader.feed(client_frame(ws.BINARY, b"a", final=False))
    nothing = client_frame(ws.CONTINUATION, b"", final=False) * 1000
    tracemalloc.start()
    try:
        for _ in range(50):
            assert reader.feed(nothing) == []
            assert reader.taken == 1000
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()
    assert reader.feed(client_frame(ws.CONTINUATION, b"b")) == [(ws.BINARY, b"ab")]


def test_an_empty_first_fragment_is_the_beginning_of_a_message() -> None:
    data = client_frame(ws.BINARY, b"", final=False) + client_frame(ws.CONTINUATION, b"x")
    assert fed(data, []) == [(ws.BINARY, b"x")]
    assert fed(data + data, []) == [(ws.BINARY, b"x")] * 2


def test_what_came_whole_before_a_wrong_frame_is_known() -> None:
    with pytest.raises(ws.FramingError) as refusal:
        ws.FrameReader(MOST).feed(client_frame(ws.BINARY, b"x") * 2 + client_frame(3, b""))
    assert refusal.value.before == [(ws.BINARY, b"x")] * 2


def test_text_in_fragments_may_be_cut_within_a_letter() -> None:
    text = "κόσμε".encode()
    data = client_frame(ws.TEXT, text[:1], final=False) + client_frame(ws.CONTINUATION, text[1:])
    assert fed(data, []) == [(ws.TEXT, text)]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
def test_a_close_is_answered_with_its_own_code(code: int) -> None:
    assert ws.close_code(struct.pack(">H", code) + b"bye") == code


def test_a_close_may_say_nothing() -> None:
    assert ws.close_code(b"") == ws.NORMAL


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xec", b"\x03\xed", b"\x00\x00", b"\x03\xe8\xff"])
def test_a_close_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(ws.FramingError):
        ws.close_code(payload)


def test_a_reason_is_cut_to_what_a_control_frame_holds() -> None:
    closing = ws.closing(ws.REFUSED, "é" * 200)
    assert len(closing) <= 2 + ws.MOST_CONTROL
    closing[4:].decode()  # and not within a letter
