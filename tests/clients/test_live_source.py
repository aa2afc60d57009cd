"""Live sources: samples there and events back, on one connection and on one where there is no such thing."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from myostream_client import (
    Completed,
    Decision,
    Frame,
    GestureEvent,
    Interrupted,
    LiveSource,
    ModelChange,
    NotMyostreamError,
    Quality,
    Record,
    RefusedError,
    ServerUnreachableError,
    SourceChange,
    Trouble,
)
from myostream_client.server_http import Server
from tests.clients.live_server import LiveShelf, live_server
from tests.clients.small_server import Answer, Asked, answering, problem
from tests.server.live import until

RATE = 200
FRAME = {
    "type": "frame",
    "timestamp": 1.0,
    "latency_ms": 0.3,
    "prediction": 1,
    "label": "fist",
    "confidence": 0.9,
    "probabilities": [0.1, 0.9],
    "decision": 1,
    "decision_label": "fist",
    "intensity": 0.5,
    "truth": None,
    "sample_index": 400,
    "age_ms": 0.9,
    "shape": [1, 2],
    "backend": "onnxruntime",
    "cpu_percent": 1.0,
    "id": "run.1",
    "frame": 0,
    "dropped": 0,
}
SAID: list[dict[str, Any] | bytes] = [
    FRAME,
    {
        "type": "decision",
        "sample_index": 400,
        "decision": 1,
        "decision_label": "fist",
        "confidence": 0.9,
        "age_ms": 0.9,
    },
    {
        "type": "quality",
        "source": "arm",
        "ok": False,
        "sample_index": 400,
        "loss": 0.0,
        "advice": None,
        "channels": [{"channel": 0, "ok": False, "problems": ["dead"]}],
    },
    {
        "type": "state",
        "status": "stalled",
        "timestamp": 2.0,
        "source_state": "stalled",
        "decision": 0,
        "decision_label": "rest",
    },
    {"type": "state", "status": "model", "timestamp": 2.0, "from_sample": 500, "model": "anna"},
    {"type": "state", "error": "the model gave nan", "timestamp": 3.0, "frame": 1},
    {"type": "something new"},
    struct.pack("<BBHQfffHHI", 1, 2, 65535, 400, 0.5, 0.9, 0.0, 1, 0, 3),
]
LAST = {
    "type": "completed",
    "status": "completed",
    "total_frames": 1,
    "duration_seconds": 1.0,
    "avg_fps": 1.0,
    "reason": "source ended",
}


@pytest.fixture
def shelf() -> LiveShelf:
    return LiveShelf()


@pytest.fixture
def url(shelf: LiveShelf) -> Iterator[str]:
    with live_server(shelf) as url:
        yield url


def opened(url: str, **more: Any) -> LiveSource:
    return LiveSource(Server(url=url), "arm", channels=2, sampling_rate_hz=RATE, **more)


def ramp(first: int, count: int) -> Any:
    return np.arange(2 * first, 2 * (first + count), dtype="f4").reshape(-1, 2)


def test_what_is_wanted_is_in_the_request(shelf: LiveShelf, url: str) -> None:
    with opened(url, send=["decisions", "quality"], format="binary", fps=50, votes=3, scale=0.25):
        pass
    with opened(url, send=[], include_aux=True):
        pass
    declared = {"channels": "2", "sampling_rate_hz": "200", "units": "uV"}
    wanted = {"send": "decisions,quality", "format": "binary", "fps": "50", "votes": "3", "scale": "0.25"}
    assert shelf.queries == [declared | wanted, declared | {"send": "none", "include_aux": "true"}]


def test_each_message_is_an_event_of_its_type(shelf: LiveShelf, url: str) -> None:
    shelf.says = [*SAID, LAST]
    with opened(url) as live:
        live.send(ramp(0, 10))
        events = list(live)
    kinds = [Frame, Decision, Quality, SourceChange, ModelChange, Trouble, Record, Completed]
    assert [type(event) for event in events] == kinds
    frame, decision, quality, *_, record, last = events
    assert isinstance(frame, Frame)
    assert (frame.label, frame.sample_index) == ("fist", 400)
    assert decision == Decision(
        sample_index=400, decision=1, decision_label="fist", confidence=0.9, age_ms=0.9
    )
    assert isinstance(quality, Quality)
    assert (quality.ok, quality.channels[0]["problems"]) == (False, ["dead"])
    assert isinstance(record, Record)
    assert (record.kind, record.prediction, record.decision) == (2, None, 1)
    assert isinstance(last, Completed)
    assert last.reason == "source ended"


GESTURE = {
    "type": "gesture",
    "gesture": "fist",
    "class": 1,
    "phase": "onset",
    "id": 500,
    "variant": "single",
    "sample_index": 500,
    "began_at": 400,
    "refined_by": 10,
    "strength": 0.5,
    "confidence": 0.9,
    "held_s": 0.0,
    "timestamp": 1.0,
}


def in_32_bytes(phase: int, identity: int) -> bytes:
    return struct.pack("<BBHQfffHHI", 1, 4, 1, 500, 0.0, 0.9, 0.5, phase, 100, identity)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            [GESTURE],
            [GESTURE, GESTURE | {"phase": "release", "reason": "rest"}, GESTURE | {"id": 900}],
        ),
        (
            [in_32_bytes(0, 500)],
            [in_32_bytes(0, 500) + in_32_bytes(2, 500) + in_32_bytes(0, 900)],
        ),
    ],
    ids=["json", "binary"],
)
def test_a_cut_releases_what_is_held_and_no_more_is_told_of_that_gesture(
    shelf: LiveShelf, url: str, before: list[Any], after: list[Any]
) -> None:
    shelf.says = before
    with opened(url, events=True) as live:
        live.send(ramp(0, 10))
        events = list(live.received(10.0))
        live.flush()  # that server has nothing more to say
        shelf.cut()
        until(lambda: events.extend(live.received(0.1)) or isinstance(events[-1], Interrupted))
        shelf.says = [*after, LAST]
        live.send(ramp(10, 10))
        events += list(live)
    told = [(event.phase, event.reason) for event in events if isinstance(event, GestureEvent | Record)]
    assert told == [("onset", None), ("release", "interrupted"), ("onset", None)]
    assert isinstance(events[2], Interrupted), "the release comes before it"


def test_a_loop_that_sends_hears_what_has_come_and_never_waits(shelf: LiveShelf, url: str) -> None:
    shelf.held = True  # not even an acknowledgement
    with opened(url) as live:
        for first in range(0, 1000, 10):
            live.send(ramp(first, 10))
            assert list(live.received()) == []
        shelf.says, shelf.held = [FRAME], False
        live.send(ramp(1000, 10))
        (event,) = live.received(10.0)
        assert isinstance(event, Frame)
        assert list(live.received(0.01)) == []


def test_chunks_go_through_and_events_come_out(shelf: LiveShelf, url: str) -> None:
    shelf.says = [FRAME]
    with opened(url) as live:
        (event,) = live.through(ramp(first, 10) for first in range(0, 100, 10))
        assert isinstance(event, Frame)
        assert live.flush().next_sample == live.next_sample == 100


def test_one_thread_may_send_while_another_hears(shelf: LiveShelf, url: str) -> None:
    events: list[Any] = []
    with opened(url) as live:
        hearing = threading.Thread(target=lambda: events.extend(live))
        hearing.start()
        for first in range(0, 1000, 10):
            if first % 100 == 0:
                shelf.says.append(FRAME)
            if first == 500:
                live.flush()
                shelf.cut()
            if first == 700:  # two seconds are kept, and this loop takes none
                until(lambda: len(shelf.taken) == 700)
            live.send(ramp(first, 10))
        live.flush()
        until(lambda: sum(isinstance(event, Frame) for event in events) >= 8)
        live.close()
        hearing.join(10.0)
        assert not hearing.is_alive()
    assert any(isinstance(event, Interrupted) for event in events)
    assert sorted(shelf.taken) == list(range(1000))


def test_a_cut_is_said_at_once_and_what_was_sent_meanwhile_arrives(shelf: LiveShelf, url: str) -> None:
    with opened(url) as live:
        live.send(ramp(0, 10))
        live.flush()
        shelf.cut()
        events: list[Any] = []
        for first in range(10, 110, 10):
            live.send(ramp(first, 10))
            events += live.received()
        live.flush()
    assert [type(event) for event in events] == [Interrupted]
    assert sorted(shelf.taken) == list(range(110))


def test_while_the_server_is_away_the_last_two_seconds_are_kept(shelf: LiveShelf) -> None:
    with live_server(shelf) as url:
        live = opened(url)
        live.send(ramp(0, 10))
        live.flush()
        port = int(url.rpartition(":")[2])
    for first in range(10, 1000, 10):
        live.send(ramp(first, 10))  # none of them waits
    events = list(live.received())
    assert isinstance(events[0], Interrupted)
    with live_server(shelf, port=port):
        receipt = live.flush()
        live.close()
    assert (receipt.lost_samples, receipt.next_sample) == (1000 - 2 * RATE - 10, 1000)
    assert sorted(shelf.taken) == [*range(10), *range(1000 - 2 * RATE, 1000)]


def test_the_last_word_of_a_server_that_restarts_is_no_end(shelf: LiveShelf, url: str) -> None:
    shelf.says = [{**LAST, "reason": "restart"}]
    shelf.endings = [(1, 1012, "restart"), (1, 1000, "source ended")]
    with opened(url) as live:
        live.send(ramp(0, 10))
        iterator = iter(live)
        interrupted = next(iterator)
        assert isinstance(interrupted, Interrupted)
        assert (interrupted.reason, interrupted.delay_s) == ("restart", 0.0)
        shelf.says = [LAST]
        live.send(ramp(10, 10))
        assert [type(event) for event in iterator] == [Completed]
    assert shelf.connections == 2


def test_a_server_that_stays_away_is_given_up(shelf: LiveShelf) -> None:
    with live_server(shelf) as url:
        live = opened(url, give_up_s=0.2)
    with pytest.raises(ServerUnreachableError, match="cannot reach"):
        list(live)
    live.close()


def test_what_is_no_message_is_said_to_be_none(shelf: LiveShelf, url: str) -> None:
    shelf.says = [b"\x02" + bytes(31)]
    with opened(url) as live:
        live.send(ramp(0, 10))
        with pytest.raises(NotMyostreamError, match="version 2 of a record"):
            list(live)


def test_what_cannot_be_wanted_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="send has frames, decisions, quality, states, got 'frame'"):
        opened(url, send=["frame"])
    with pytest.raises(ValueError, match="'json' or 'binary', got 'xml'"):
        opened(url, format="xml")


class Old:
    """A server of before: POST for samples, and a stream."""

    def __init__(self) -> None:
        self.next_sample = 0
        self.streams = 0
        self.deleted = False

    def __call__(self, asked: Asked) -> Answer:
        path = asked.path.partition("?")[0]
        if path.endswith("/live"):
            return problem(404, "Not Found", "The requested URL was not found on the server.")
        if path == "/infer/stream":
            self.streams += 1
            assert json.loads(asked.body) == {"fps": 10, "source": "arm"}
            frame = {name: value for name, value in FRAME.items() if name not in ("type", "id")}
            events = [frame, {**frame, "frame": 1}, {**frame, "decision": 0, "decision_label": "rest"}, LAST]
            lines = [f"id: run.{k}\ndata: {json.dumps(event)}\n\n" for k, event in enumerate(events)]
            lines[-1] = lines[-1].replace("run.3", "end")
            return Answer(200, "".join(lines).encode(), {"Content-Type": "text/event-stream"})
        if asked.method == "DELETE":
            self.deleted = True
            return Answer(204)
        if path.endswith("/samples"):
            self.next_sample += 10
            return Answer(
                200,
                {"accepted": 10, "duplicates": 0, "lost_samples": 0, "next_sample": self.next_sample},
            )
        return Answer(201, {"next_sample": None})


def test_without_a_socket_it_is_two_connections_and_the_same_to_look_at() -> None:
    old = Old()
    with answering(old) as url, opened(url, send=["frames", "decisions"], fps=10) as live:
        assert live.transport == "http"
        live.send(ramp(0, 10))
        events = list(live)
        assert live.flush().next_sample == 10
    assert [type(event) for event in events] == [Decision, Frame, Frame, Decision, Frame, Completed]
    assert [event.decision_label for event in events if isinstance(event, Decision)] == ["fist", "rest"]
    assert old.deleted


def test_without_a_socket_there_are_no_records() -> None:
    with answering(Old()) as url, pytest.raises(ValueError, match="records come by WebSocket"):
        opened(url, format="binary")


def test_what_the_stream_of_a_source_without_a_socket_is_refused_is_raised() -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/infer/stream":
            return problem(422, "Unprocessable Entity", "fps: must be above 0")
        return Old()(asked)

    with answering(answer) as url, opened(url, fps=-1) as live, pytest.raises(RefusedError, match="above 0"):
        list(live)
