from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from app.serving.process.memory import give_back
from app.serving.streams.detached_streams import CROWD, DetachedStream, DetachedStreams
from tests.serving.station import until


@pytest.fixture
def given_back() -> list[float]:
    return []


@pytest.fixture
def detached(given_back: list[float]) -> DetachedStreams:
    return DetachedStreams(give_back=lambda: given_back.append(time.monotonic()))


def pauses(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_a_stream_is_looked_at_until_its_looks_end_and_closed_once(detached: DetachedStreams) -> None:
    closed: list[str] = []
    for name in "ab":
        detached.keep(DetachedStream(pauses(0.0, 0.01, 0.0), lambda name=name: closed.append(name)))
    assert detached.drain(5.0)
    assert sorted(closed) == ["a", "b"]


def test_a_look_comes_after_the_seconds_that_the_last_one_gave(detached: DetachedStreams) -> None:
    seen: list[float] = []

    def looks() -> Iterator[float]:
        for pause_s in (0.1, 0.2):
            seen.append(time.monotonic())
            yield pause_s
        seen.append(time.monotonic())

    detached.keep(DetachedStream(looks(), lambda: None))
    assert detached.drain(5.0)
    assert seen[1] - seen[0] >= 0.1
    assert seen[2] - seen[1] >= 0.2


def test_a_long_pause_of_one_stream_does_not_hold_up_another(detached: DetachedStreams) -> None:
    closed = threading.Event()
    long = DetachedStream(pauses(60.0), lambda: None)
    detached.keep(long)
    detached.keep(DetachedStream(pauses(0.0, 0.0), closed.set))
    assert closed.wait(5.0)
    assert detached.open == 1
    detached.hurry(long)
    assert detached.drain(5.0)


def test_a_hurried_stream_is_looked_at_now_and_one_that_is_over_is_let_be(detached: DetachedStreams) -> None:
    closed: list[bool] = []
    stream = DetachedStream(pauses(60.0), lambda: closed.append(True))
    detached.keep(stream)
    assert not detached.drain(0.05)
    detached.hurry(stream)
    assert detached.drain(5.0)
    detached.hurry(stream)
    detached.keep(DetachedStream(pauses(), lambda: None))
    assert detached.drain(5.0)
    assert (closed, detached.open) == ([True], 0)


def test_a_stream_that_fails_is_closed_and_the_others_go_on(
    detached: DetachedStreams, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    def fails() -> Iterator[float]:
        yield 0.0
        raise ValueError("no luck")

    detached.keep(DetachedStream(fails(), lambda: closed.append("bad")))
    detached.keep(DetachedStream(pauses(0.0, 0.05, 0.0), lambda: closed.append("good")))
    assert detached.drain(5.0)
    assert sorted(closed) == ["bad", "good"]
    assert "no luck" in caplog.text


def test_a_stream_that_cannot_be_closed_holds_up_no_other(
    detached: DetachedStreams, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    def fails() -> None:
        raise OSError("no luck")

    detached.keep(DetachedStream(pauses(0.0), fails))
    detached.keep(DetachedStream(pauses(0.0, 0.05, 0.0), lambda: closed.append("good")))
    assert detached.drain(5.0)
    assert closed == ["good"]
    assert "no luck" in caplog.text


def test_memory_is_given_back_when_the_last_of_a_crowd_has_left_and_not_for_a_few(
    detached: DetachedStreams, given_back: list[float]
) -> None:
    detached.keep(DetachedStream(pauses(0.0), lambda: None))
    assert detached.drain(5.0)
    leave = threading.Event()
    for _ in range(CROWD):
        detached.keep(
            DetachedStream(
                itertools.takewhile(lambda _: not leave.is_set(), itertools.repeat(0.01)), lambda: None
            )
        )
    assert given_back == []
    leave.set()
    assert detached.drain(5.0)
    until(lambda: len(given_back) == 1)


def test_giving_back_collects_what_lies_in_cycles() -> None:
    class Node:
        gone = False

        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            Node.gone = True

    Node()
    give_back()
    assert Node.gone
