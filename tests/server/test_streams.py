"""What a client reads from a real server, byte by byte."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.server.live import Client, Json, Live, connecting, expect_accounted_for, gunicorn, until

pytestmark = pytest.mark.server

Connect = Callable[..., Client]

RATE = 2000  # Hz, of the default model


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_many_frames_come_as_valid_chunks_and_then_the_last_word(connect: Connect, method: str) -> None:
    client = connect(method=method, fps=100, duration_seconds=3)
    *frames, last = client.events()
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert client.headers["cache-control"] == "no-cache, no-transform"
    assert client.headers["x-accel-buffering"] == "no"
    expect_accounted_for(frames, RATE // 100)
    assert (last["status"], last["total_frames"]) == ("completed", len(frames))
    assert frames[0]["frame"] == 0
    assert 290 <= len(frames) + frames[-1]["dropped"] <= 300
    assert client.finished
    assert client.last_id == "end"


@pytest.mark.smoke
def test_a_stream_by_get_is_the_stream_by_post(live: Live, connect: Connect) -> None:
    """Same keys, same grid, and one computation for both."""
    options = {"fps": 20, "votes": 3, "min_confidence": 0.25, "preprocess": False, "include_signal": True}
    post, get = (connect(method=method, **options) for method in ("POST", "GET"))
    mine, theirs = post.frames(10), get.frames(10)
    assert [group["readers"] for group in live.stats()["groups"]] == [2]
    assert list(mine[0]) == list(theirs[0])
    own = ("frame", "dropped")
    by_index = {frame["sample_index"]: frame for frame in mine}
    shared = [(by_index[f["sample_index"]], f) for f in theirs if f["sample_index"] in by_index]
    assert len(shared) > 3
    for one, other in shared:
        assert {k: v for k, v in one.items() if k not in own} == {
            k: v for k, v in other.items() if k not in own
        }


def test_a_client_of_http_1_0_gets_plain_events_until_the_connection_closes(
    live: Live, connect: Connect
) -> None:
    client = connect(version="1.0", fps=50, duration_seconds=1)
    assert "transfer-encoding" not in client.headers
    assert client.headers["connection"].lower() == "close"
    *frames, last = client.events()
    expect_accounted_for(frames, RATE // 50)
    assert last["total_frames"] == len(frames) > 40


def test_the_connection_serves_another_request_after_a_finite_stream(live: Live, connect: Connect) -> None:
    """Nothing may follow the last chunk: a late frame would be taken for the next answer."""
    client = connect(fps=100, duration_seconds=0.5)
    assert list(client.events())[-1]["status"] == "completed"
    client.socket.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.status, client.headers = client._head()
    assert json.loads(client.body()) == {"status": "alive"}


def test_big_events_to_a_slow_client_with_a_small_buffer_come_whole_or_not_at_all(
    live: Live, connect: Connect
) -> None:
    """The socket takes events in part; the rest must follow before anything else, and all missed are counted."""
    client = connect(receive_buffer=4096, fps=40, include_signal=True)
    frames: list[Json] = []
    for event in client.events():
        if "prediction" in event:
            frames.append(event)
            assert len(event["signal"]) == 16
            time.sleep(0.1)  # a quarter of what comes
        if len(frames) == 40:
            break
    expect_accounted_for(frames, RATE // 40)
    assert frames[-1]["dropped"] > 10
    assert frames[-1]["timestamp"] > time.time() - 3.0  # newest wins: no long queue of old frames
    until(lambda: live.stats()["active_streams"] == 0)


def test_the_question_for_the_head_alone_takes_no_slot(live: Live, connect: Connect) -> None:
    client = connect(method="HEAD", fps=30)
    assert client.status == 200
    until(lambda: live.stats()["active_streams"] == 0)


def frames_of(events: list[Json]) -> list[Json]:
    """Those that are frames: one who comes back is told the model first."""
    assert events[0]["status"] == "model"
    return [event for event in events if "prediction" in event]


@pytest.mark.alone
def test_a_cut_finite_stream_goes_on_where_it_was(live: Live, connect: Connect) -> None:
    """Frames that came while it was away are sent from the replay buffer; in all, nothing is missing or twice."""
    connect(fps=25)  # keeps the computation running
    first = connect(fps=25, duration_seconds=4)
    seen = first.frames(20)
    place = first.last_id
    first.close()
    time.sleep(0.6)
    second = connect(method="GET", last_event_id=place, fps=25, duration_seconds=4)
    *told, last = second.events()
    frames = seen + frames_of(told)
    expect_accounted_for(frames, RATE // 25)
    assert frames[-1]["dropped"] == 0
    assert 97 <= last["total_frames"] <= 100
    assert last["total_frames"] == len(frames)
    assert last["duration_seconds"] == pytest.approx(4, abs=0.5)


def test_a_cut_stream_whose_windows_nobody_computed_reports_them_as_dropped(
    live: Live, connect: Connect
) -> None:
    first = connect(fps=50, duration_seconds=3, votes=7)  # alone in its group
    seen = first.frames(20)
    place = first.last_id
    first.close()
    time.sleep(1.0)
    second = connect(last_event_id=place, fps=50, duration_seconds=3, votes=7)
    *told, last = second.events()
    rest = frames_of(told)
    expect_accounted_for(seen + rest, RATE // 50)
    assert rest[-1]["dropped"] > 30
    assert 147 <= last["total_frames"] + rest[-1]["dropped"] <= 151


def test_an_endless_stream_that_returns_at_once_gets_no_frame_twice(live: Live, connect: Connect) -> None:
    """The newest frame, which it had, was sent again when others kept the group running."""
    connect(fps=4)
    first = connect(fps=4)
    seen = first.frames(2)
    first.close()
    second = connect(last_event_id=first.last_id, fps=4)
    expect_accounted_for(seen + second.frames(2), RATE // 4)


def test_a_finished_stream_is_told_to_reconnect_no_more(live: Live, connect: Connect) -> None:
    client = connect(method="GET", last_event_id="end", fps=30, duration_seconds=1)
    assert client.status == 204


def test_a_full_server_says_when_to_come_back_and_a_place_is_free_once_one_leaves(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("full")
    with gunicorn(folder, EMG_MAX_STREAMS="3") as live, connecting(live.port) as connect:
        inside = [connect(fps=30) for _ in range(3)]
        refused = connect(fps=30)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        problem = json.loads(refused.body())
        assert problem["status"] == 503
        assert "EMG_MAX_STREAMS" in problem["detail"]
        inside.pop().close()
        until(lambda: live.stats()["active_streams"] == 2)
        admitted = connect(fps=30)
        assert admitted.status == 200
        assert admitted.frames(1)
