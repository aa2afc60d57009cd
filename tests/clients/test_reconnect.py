"""Streams of the Python client through cut cables, silence, and servers that go and come."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from myostream_client import (
    Completed,
    Event,
    EventStream,
    Frame,
    Interrupted,
    ModelChange,
    RefusedError,
    ServerUnreachableError,
    StreamingInferenceClient,
)
from tests.clients.cutting_proxy import CuttingProxy
from tests.server.live import Live, gunicorn, until

pytestmark = pytest.mark.server

FPS, SECONDS = 25, 3
LONG = 12  # s; within which another worker must be there


@pytest.fixture
def proxy(server: Live) -> Iterator[CuttingProxy]:
    with CuttingProxy(server.port) as proxy:
        yield proxy


def frames_of(events: list[Event]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def expect_no_frame_missing_or_twice(frames: list[Frame]) -> None:
    """Of one server: every window between two frames is either there or counted in `dropped`."""
    for before, after in itertools.pairwise(frames):
        assert after.frame == before.frame + 1
        windows = (after.sample_index - before.sample_index) / (2000 / FPS)
        assert windows == 1 + after.dropped - before.dropped


@pytest.mark.alone
@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_stream_cut_again_and_again_is_whole_in_the_end(proxy: CuttingProxy, transport: str) -> None:
    events: list[Event] = []
    cuts = {10, 30, 31}  # each once: a stream that began anew must end too, and fail below
    client = StreamingInferenceClient(proxy.url, transport=transport)
    with client.stream(fps=FPS, duration_seconds=SECONDS) as stream:
        for event in stream:
            events.append(event)
            if isinstance(event, Frame) and event.frame in cuts:
                cuts.remove(event.frame)
                proxy.cut()
    frames = frames_of(events)
    interruptions = [event for event in events if isinstance(event, Interrupted)]
    assert len(interruptions) == 3
    assert proxy.connections == 4
    expect_no_frame_missing_or_twice(frames)
    last = events[-1]
    assert isinstance(last, Completed)
    assert last.total_frames == len(frames)
    assert FPS * SECONDS - 2 <= len(frames) + frames[-1].dropped <= FPS * SECONDS


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("size", [700, 1000, 1001, 1300])  # bytes: within ids, data and comments
def test_a_cut_within_an_event_does_not_lose_it(proxy: CuttingProxy, size: int, transport: str) -> None:
    proxy.cut_after = size
    client = StreamingInferenceClient(proxy.url, transport=transport)
    events = list(client.stream(fps=FPS, duration_seconds=1))
    assert proxy.connections == 2
    expect_no_frame_missing_or_twice(frames_of(events))
    assert isinstance(events[-1], Completed)


@pytest.mark.alone
def test_a_connection_that_falls_silent_is_given_up_and_replaced(proxy: CuttingProxy) -> None:
    client = StreamingInferenceClient(proxy.url)
    stream = EventStream(client._server, {"fps": FPS}, idle_s=0.5)
    events = iter(stream)
    assert isinstance(next(events), Frame)
    proxy.silent = True
    interruption = next(event for event in events if not isinstance(event, Frame))
    assert interruption == Interrupted(
        reason="no answer for 0.5 s", attempt=1, delay_s=pytest.approx(0.2, abs=0.1)
    )
    proxy.silent = False
    assert isinstance(next(events), ModelChange)  # who comes back is told the model first
    assert isinstance(next(events), Frame)
    stream.close()


def test_close_ends_a_stream_that_another_thread_waits_for(server: Live) -> None:
    stream = StreamingInferenceClient(server.url).stream(fps=0.1)
    got: list[Event] = []
    reader = threading.Thread(target=lambda: got.extend(stream))
    reader.start()
    until(lambda: server.stats()["active_streams"] == 1)
    time.sleep(0.2)  # it waits for the second frame
    stream.close()
    reader.join(2.0)
    assert not reader.is_alive()
    assert all(isinstance(event, Frame) for event in got)
    until(lambda: server.stats()["active_streams"] == 0)


def test_leaving_the_loop_closes_the_connection(server: Live) -> None:
    for event in StreamingInferenceClient(server.url).stream(fps=FPS):
        assert isinstance(event, Frame)
        break
    until(lambda: server.stats()["active_streams"] == 0)


def test_a_stream_goes_on_from_an_id_that_was_kept(server: Live) -> None:
    client = StreamingInferenceClient(server.url)
    first = client.stream(fps=FPS, duration_seconds=2)
    seen = list(itertools.islice(first, 10))
    rest = list(client.stream(fps=FPS, duration_seconds=2, last_event_id=first.last_event_id))
    expect_no_frame_missing_or_twice(frames_of(seen + rest))
    assert isinstance(rest[-1], Completed)
    assert list(client.stream(fps=FPS, duration_seconds=2, last_event_id="end")) == []


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_killed_worker_is_survived(server: Live, transport: str) -> None:
    events: list[Event] = []
    client = StreamingInferenceClient(server.url, transport=transport)
    for event in client.stream(fps=FPS, duration_seconds=LONG):
        events.append(event)
        if isinstance(event, Frame) and event.frame == 20:
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
    frames = frames_of(events)
    assert any(isinstance(event, Interrupted) for event in events)
    assert [frame.frame for frame in frames] == list(range(len(frames)))
    assert [frame.timestamp for frame in frames] == sorted({frame.timestamp for frame in frames})
    assert isinstance(events[-1], Completed)
    assert len(frames) + frames[-1].dropped == pytest.approx(FPS * LONG, abs=3)


def test_a_restarted_server_is_waited_for(tmp_path: Path) -> None:
    """Shut down in good order, then away for a while, then another process: three things a client is told."""
    events: list[Event] = []
    with gunicorn(tmp_path) as first, CuttingProxy(first.port) as proxy:
        stream = iter(StreamingInferenceClient(proxy.url).stream(fps=FPS, votes=3))
        events += itertools.islice(stream, 20)
        first.process.send_signal(signal.SIGTERM)
        events += itertools.takewhile(lambda event: isinstance(event, Frame), stream)
        first.stop()
        refused = next(stream)  # nobody listens now
        with gunicorn(tmp_path) as second:
            proxy.target_port = second.port
            back = next(event for event in stream if isinstance(event, Frame))
            again = [back, *itertools.islice(stream, 10)]
    assert isinstance(refused, Interrupted)
    assert refused.attempt >= 2
    seen = frames_of(events)
    assert [frame.frame for frame in seen + frames_of(again)] == list(range(len(seen) + len(again)))
    assert back.dropped > 0


def test_a_server_that_does_not_come_back_is_given_up(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as live:
        stream = iter(StreamingInferenceClient(live.url).stream(fps=FPS, give_up_s=1.0))
        next(stream)
        for pid in (live.process.pid, *live.workers()):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(ServerUnreachableError, match="cannot reach"):
            list(stream)
        assert 0.9 < time.monotonic() - began < 5


def test_what_would_be_refused_again_is_not_tried_again(server: Live) -> None:
    with pytest.raises(RefusedError, match="422 Unprocessable Entity: fps: must be above 0"):
        next(iter(StreamingInferenceClient(server.url).stream(fps=-1)))
