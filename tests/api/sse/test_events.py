from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.sse import events as sse
from app.serving.streams.client_stream import ClientEvent, StreamCursor
from app.serving.streams.events import Completed, Frame, SourceChange, Trouble
from app.serving.streams.gestures.told import GestureMark
from tests.serving.station import make_frame, make_gesture

counts = st.integers(0, 10**12)
places = st.builds(
    StreamCursor,
    run=st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16),
    started_at=st.floats(0, 10**11),
    k=st.integers(-1, 10**12),
    frames=counts,
    dropped=counts,
    gesture=st.none()
    | st.builds(GestureMark, id=counts, class_index=st.integers(0, 1023), held=st.booleans()),
)
events = st.one_of(
    st.integers(1, 10**9).map(make_frame),
    st.builds(
        SourceChange,
        status=st.sampled_from(["stalled", "recovered"]),
        timestamp=st.floats(0, 1e10),
        decision=st.integers(0, 9),
        decision_label=st.text(),
        source_state=st.text(),
    ),
    st.builds(make_gesture, st.sampled_from(["onset", "hold", "release"]), st.integers(0, 10**9)),
    st.builds(Trouble, error=st.text(), timestamp=st.floats(0, 1e10)),
)


def parsed(block: bytes) -> dict[str, str]:
    """One event as section 9.2.6 of the standard reads it; nothing may follow it."""
    text = block.decode()
    assert text.endswith("\n\n")
    lines = text[:-2].split("\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    assert not {"\r", "\0"} & set(text)
    return fields


@given(events, places)
def test_every_event_is_one_sse_event_with_one_json_object(event: Frame, place: StreamCursor) -> None:
    _, _, k, frames, dropped, told = place
    mark = b"" if told is None else told.text.encode()
    sent = ClientEvent(sse.encode(event), 7, place.stream.encode(), k, frames, dropped, event, mark)
    fields = parsed(sse.frame(sent))
    assert list(fields) == ["id", "data"]
    data = json.loads(fields["data"], parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (data["frame"], data["dropped"]) == (7, dropped)
    assert fields["id"] == sse.identify(place)


@given(places)
def test_an_id_names_its_place_however_often_it_goes_to_and_fro(place: StreamCursor) -> None:
    """The start of a stream lost a millisecond at each reconnect, when the id was cut and not rounded."""
    found = sse.place_of(sse.identify(place))
    assert found is not None
    assert found._replace(started_at=0) == place._replace(started_at=0)
    assert found.started_at == pytest.approx(place.started_at, abs=0.001)
    assert sse.place_of(sse.identify(found)) == found


@given(st.one_of(st.none(), st.text(), st.from_regex(r"[0-9a-z.-]{0,80}")))
def test_any_other_text_is_no_place_and_no_error(text: str | None) -> None:
    found = sse.place_of(text)
    assert found is None or sse.place_of(sse.identify(found)) == found


@pytest.mark.parametrize(
    ("reason", "own"),
    [
        pytest.param(None, "end", id="all said"),
        pytest.param("source ended", "end", id="nothing more to come"),
        pytest.param("shutdown", "ab.1500.4.3.2", id="cut short by the server"),
    ],
)
def test_the_last_word_says_whether_there_is_more_to_come(reason: str | None, own: str) -> None:
    place = StreamCursor("ab", 1.5, 4, 3, 2)
    fields = parsed(sse.last(Completed(total_frames=3, duration_seconds=2, reason=reason), place))
    assert fields["id"] == own
    assert json.loads(fields["data"])["avg_fps"] == 1.5
