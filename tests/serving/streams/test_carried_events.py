from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DataError
from app.serving.streams import carried_events
from app.serving.streams.carried_events import Carried, decode, encode, encode_beat, joined, parted
from app.serving.streams.events import (
    CarriedFrame,
    ModelChange,
    Predicted,
    SignalFrame,
    SourceChange,
    Told,
    Trouble,
)
from app.serving.streams.group_events import GroupEvent
from tests.serving.station import make_frame, make_gesture

MODEL = ModelChange(
    timestamp=2.25, from_sample=400, model="arm", sha256="ab", classes=("rest", "fist"), rest_class="rest"
)
VALUES = ModelChange(
    timestamp=2.25,
    from_sample=0,
    model="wrist",
    outputs={"kind": "values", "values": [{"name": "angle", "low": -1.0, "high": 1.0, "rest": 0.25}]},
)


def there_and_back(event: Told, position: int = 3, body: bytes = b'{"a":1') -> GroupEvent:
    carried = decode(encode(7, GroupEvent(12, 40, position, body, event), 5.5))
    assert (carried.opening, carried.number, carried.at) == (7, 12, 5.5)
    assert carried.event is not None
    return carried.event


def test_a_frame_arrives_with_its_bytes_as_they_are_and_every_number_that_a_record_has_of_it() -> None:
    frame = make_frame(50)
    event = there_and_back(frame)
    assert event[:4] == (12, 40, 3, b'{"a":1')
    assert event.event == CarriedFrame(sample_index=50, predicted=frame.predicted)
    assert frame.predicted == Predicted(1, 0.9, 0.5, 1, "fist", 50, 1.0)


def test_a_frame_of_no_classes_arrives_with_its_sample() -> None:
    frame = SignalFrame(timestamp=1.0, cpu_percent=1.0, sample_index=99, age_ms=1.0, truth=None, missing=0)
    assert there_and_back(frame).event == CarriedFrame(sample_index=99)


@pytest.mark.parametrize(
    "event",
    [
        MODEL,
        VALUES,
        ModelChange(timestamp=1.0, from_sample=5),
        Trouble(error="no luck", timestamp=1.0),
        make_gesture("onset", 20),
        make_gesture("release", 20, "gap"),
        SourceChange(
            status="stalled",
            timestamp=1.0,
            source_state="disconnected",
            decision=0,
            decision_label="Ruhe \N{GREEK SMALL LETTER OMEGA}",
        ),
        SourceChange(status="recovered", timestamp=1.0, source_state="running", output={"angle": 0.25}),
    ],
    ids=["model", "values", "no model", "trouble", "onset", "release", "stalled", "recovered"],
)
def test_what_is_no_frame_arrives_as_it_was(event: Told) -> None:
    assert there_and_back(event, position=-1).event == event


def test_a_beat_says_how_many_events_there_were() -> None:
    assert decode(encode_beat(3, 17, 2.0)) == Carried(3, 17, 2.0, None)


@given(parts=st.lists(st.binary(max_size=40), max_size=5))
def test_messages_put_together_come_apart_as_they_were(parts: list[bytes]) -> None:
    assert parted(joined(parts)) == parts


@pytest.mark.parametrize("cut", range(1, 9))
def test_an_answer_that_was_cut_off_is_refused(cut: int) -> None:
    message = joined([b"five!"])
    with pytest.raises(DataError, match="ends"):
        parted(message[:-cut])


def test_a_message_of_another_version_is_refused_and_the_version_named() -> None:
    message = encode_beat(1, 1, 1.0)
    with pytest.raises(DataError, match=r"version 02; this worker reads 1"):
        decode(b"\x02" + message[1:])
    with pytest.raises(DataError, match="version nothing"):
        decode(b"")


@given(junk=st.binary(max_size=120))
def test_what_is_no_message_of_ours_is_read_as_one_or_refused(junk: bytes) -> None:
    with contextlib.suppress(DataError):
        carried = decode(bytes((carried_events.VERSION,)) + junk)
        assert carried.event is None or isinstance(carried.event, GroupEvent)


@pytest.mark.parametrize("lacking", [1, 5, 30, 60])
def test_a_frame_that_ends_before_its_body_is_refused(lacking: int) -> None:
    message = encode(1, GroupEvent(0, 0, 0, b"", make_frame(10)), 1.0)
    with pytest.raises(DataError, match="cannot be read"):
        decode(message[:-lacking])


@pytest.mark.parametrize(
    ("model", "decision", "label", "output"),
    [
        (MODEL, 0, "rest", None),
        (VALUES, None, None, {"angle": 0.25}),
        (ModelChange(timestamp=1.0, from_sample=0), None, None, None),
    ],
    ids=["classes", "values", "none"],
)
def test_a_model_says_what_rest_is_where_nothing_is_heard(
    model: ModelChange, decision: int | None, label: str | None, output: dict[str, float] | None
) -> None:
    assert model.source_change("stalled", "disconnected", 9.0) == SourceChange(
        status="stalled",
        timestamp=9.0,
        source_state="disconnected",
        decision=decision,
        decision_label=label,
        output=output,
    )
