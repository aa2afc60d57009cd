"""Streams of Server-Sent Events to try parsers on: the standard's cases, and random ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from myostream_client import SseEvent, SseParser

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("sse_cases.json").read_text())

# what matters to a parser, more often than chance would have it
_LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
_WORDS = st.sampled_from(
    [b"", b" ", b"7", b"0012", b"a", b":", b"\0", b"\xff", "é✊🤚".encode(), b"\xef\xbb\xbf", b"data", b"-1"]
)
_FIELDS = st.sampled_from([b"data", b"id", b"event", b"retry", b"", b"foo", b"Data", b"\xef\xbb\xbfdata"])
_SAID = st.tuples(_FIELDS, st.sampled_from([b":", b": ", b":  ", b""]), st.lists(_WORDS, max_size=3))
_LINES = st.one_of(
    st.just(b""), _SAID.map(lambda said: said[0] + said[1] + b"".join(said[2])), st.binary(max_size=6)
)
streams = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(_LINES, _LINE_ENDS), max_size=12),
).map(lambda drawn: drawn[0] + b"".join(line + end for line, end in drawn[1]))


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    """The pieces of a random stream, some of them empty."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def parsed(*pieces: bytes) -> tuple[list[SseEvent], str, int | None]:
    """The events, the last id, and the retry delay."""
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events, parser.last_event_id, parser.retry_ms
