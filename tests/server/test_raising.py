"""An engine and a source that raise what nobody foresaw: streams are told, others go on, and so do they, after it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.server.live import LATE_S, Client, Live, until
from tests.server.own_project import faulty_project, serving

pytestmark = pytest.mark.server

FPS, RATE = 20, 2000  # Hz, of frames and of samples


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_project(tmp_path_factory.mktemp("raising"))


@pytest.fixture(scope="module")
def live(code: Path) -> Iterator[Live]:
    with serving(code) as live:
        yield live


def posted(live: Live) -> int:
    """The status of a request with a window."""
    window = np.zeros((1, 200, 16), "<f4").tobytes()
    request = Request(f"{live.url}/infer", window, {"Content-Type": "application/octet-stream"})
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        problem = (error.headers["Content-Type"], "X-Request-ID" in error.headers)
        return error.code if problem == ("application/problem+json", True) else -1


def test_a_stream_whose_engine_raises_at_a_frame_is_told_and_goes_on(
    live: Live, code: Path, connect: Callable[..., Client]
) -> None:
    (worker,) = live.workers()
    events = connect(fps=FPS).events()
    before = next(events)
    flag = code / "engine raises"
    flag.touch()
    try:
        told = next(event for event in events if "error" in event)
        assert {"error", "timestamp", "frame"} <= told.keys()
        assert told["error"] == "internal error; the server's log has it"
        assert posted(live) == 500
        time.sleep(1.5)  # 30 frames
    finally:
        flag.unlink()
    until(lambda: posted(live) == 200)
    after = next(event for event in events if "prediction" in event)
    assert (
        after["sample_index"] - before["sample_index"] > 1.5 * RATE
    )  # what could not be made is not made late
    assert live.log.count("a frame failed") == 1
    assert "RuntimeError: the driver lost its way" in live.log
    assert "frames are made again" in live.log
    assert live.workers() == [worker]


def test_a_source_that_raises_stalls_its_streams_and_is_read_again(
    live: Live, code: Path, connect: Callable[..., Client]
) -> None:
    events = connect(fps=FPS).events()
    assert "prediction" in next(events)
    flag = code / "source raises"
    flag.touch()
    try:
        told = next(event for event in events if "status" in event)
        assert told["status"] == "stalled"
        assert not live.ready()
        with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
            source = json.load(answer)["source"]
        assert source["state"] == "disconnected"
        assert "cannot be read; the server's log has the reason" in source["error"]
        assert posted(live) == 200  # who brings windows needs no source
        time.sleep(1.5)  # three more tries
    finally:
        flag.unlink()
    assert next(event for event in events if "status" in event)["status"] == "recovered"
    assert "prediction" in next(events)
    until(live.ready)
    assert live.log.count("cannot be read") == 1
    assert live.log.count("delivers again") == 1
