"""The parser of the examples, against the standard's own words and against another way to read them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings

from myostream_client import SseEvent, SseParser
from tests.clients.event_streams import CASES, cut_streams, parsed, streams


def expected(case: dict[str, Any]) -> list[SseEvent]:
    return [
        SseEvent(data=one["data"], event=one["event"], id=one["id"], retry_ms=one["retry"])
        for one in case["events"]
    ]


def read_whole(stream: bytes) -> list[SseEvent]:
    """Another reading of the standard, of a stream that is all there: decode first, then block by block."""
    text = re.sub("\r\n?", "\n", stream.decode("utf-8", "replace").removeprefix("\ufeff"))
    found, last_id, retry = [], "", None
    for block in text.split("\n\n")[:-1]:
        data, name = [], ""
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if key == "data":
                data.append(value)
            elif key == "event":
                name = value
            elif key == "id" and "\0" not in value:
                last_id = value
            elif key == "retry" and re.fullmatch("[0-9]+", value):
                retry = min(int(value), 2**31 - 1)
        if data:
            found.append(SseEvent(data="\n".join(data), event=name or "message", id=last_id, retry_ms=retry))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_standards_rules_hold_however_the_stream_is_cut_in_two(case: dict[str, Any]) -> None:
    stream = bytes.fromhex(case["hex"])
    for cut in range(len(stream) + 1):
        events, last_id, _ = parsed(stream[:cut], stream[cut:])
        assert events == expected(case), f"cut at {cut}"
        assert last_id == case["last_event_id"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_standards_rules_hold_byte_by_byte(case: dict[str, Any]) -> None:
    stream = bytes.fromhex(case["hex"])
    assert parsed(*(stream[k : k + 1] for k in range(len(stream))))[0] == expected(case)


@given(cut_streams())
@settings(max_examples=500, deadline=None)
def test_cuts_make_no_difference(pieces: list[bytes]) -> None:
    assert parsed(*pieces) == parsed(b"".join(pieces))


@given(streams)
@settings(max_examples=500, deadline=None)
def test_another_reading_of_the_standard_agrees(stream: bytes) -> None:
    assert parsed(stream)[0] == read_whole(stream)


def test_an_event_comes_with_the_carriage_return_that_ends_it() -> None:
    """Not with the byte after it, which may be a second away."""
    parser = SseParser()
    assert [event.data for event in parser.feed(b"data: a\r\n\r")] == ["a"]
    assert parser.feed(b"\ndata: b\n") == []
    assert [event.data for event in parser.feed(b"\n")] == ["b"]


def test_the_id_of_an_earlier_connection_holds_until_another_comes() -> None:
    parser = SseParser("41")
    assert [event.id for event in parser.feed(b"data: a\n\nid: 42\ndata: b\n\n")] == ["41", "42"]


@pytest.mark.parametrize("line", [b"data: " + b"x" * 2000, b"data: x\n" * 2000], ids=["a line", "lines"])
def test_an_event_without_end_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    monkeypatch.setattr("myostream_client.sse.MAX_EVENT", 1000)
    with pytest.raises(ValueError, match="an event has more than 1000 bytes"):
        parsed(*(line[start : start + 10] for start in range(0, len(line), 10)))
