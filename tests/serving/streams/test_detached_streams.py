from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from app.serving.process.memory import give_back
from app.serving.streams.detached_streams import CROWD, DetachedStreams, Kept
from tests.serving.station import until


@pytest.fixture
def given_back() -> list[float]:
    return []


@pytest.fixture
def keeper(given_back: list[float]) -> DetachedStreams:
    return DetachedStreams(give_back=lambda: given_back.append(time.monotonic()))


def pauses(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_a_stream_is_looked_at_until_its_looks_end_and_closed_once(keeper: DetachedStreams) -> None:
    closed: list[str] = []
    for name in "ab":
        keeper.keep(Kept(pauses(0.0, 0.01, 0.0), lambda name=name: closed.append(name)))
    assert keeper.drain(5.0)
    assert sorted(closed) == ["a", "b"]


def test_a_look_comes_after_the_seconds_that_the_last_one_gave(keeper: DetachedStreams) -> None:
    seen: list[float] = []

    def looks() -> Iterator[float]:
        for pause_s in (0.1, 0.2):
            seen.append(time.monotonic())
            yield pause_s
        seen.append(time.monotonic())

    keeper.keep(Kept(looks(), lambda: None))
    assert keeper.drain(5.0)
    assert seen[1] - seen[0] >= 0.1
    assert seen[2] - seen[1] >= 0.2


def test_a_long_pause_of_one_stream_does_not_hold_up_another(keeper: DetachedStreams) -> None:
    closed = threading.Event()
    long = Kept(pauses(60.0), lambda: None)
    keeper.keep(long)
    keeper.keep(Kept(pauses(0.0, 0.0), closed.set))
    assert closed.wait(5.0)
    assert keeper.open == 1
    keeper.hurry(long)
    assert keeper.drain(5.0)


def test_a_hurried_stream_is_looked_at_now_and_one_that_is_over_is_let_be(keeper: DetachedStreams) -> None:
    closed: list[bool] = []
    kept = Kept(pauses(60.0), lambda: closed.append(True))
    keeper.keep(kept)
    assert not keeper.drain(0.05)
    keeper.hurry(kept)
    assert keeper.drain(5.0)
    keeper.hurry(kept)
    keeper.keep(Kept(pauses(), lambda: None))
    assert keeper.drain(5.0)
    assert (closed, keeper.open) == ([True], 0)


def test_a_stream_that_fails_is_closed_and_the_others_go_on(
    keeper: DetachedStreams, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    def fails() -> Iterator[float]:
        yield 0.0
        raise ValueError("no luck")

    keeper.keep(Kept(fails(), lambda: closed.append("bad")))
    keeper.keep(Kept(pauses(0.0, 0.05, 0.0), lambda: closed.append("good")))
    assert keeper.drain(5.0)
    assert sorted(closed) == ["bad", "good"]
    assert "no luck" in caplog.text


def test_a_stream_that_cannot_be_closed_holds_up_no_other(
    keeper: DetachedStreams, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    def fails() -> None:
        raise OSError("no luck")

    keeper.keep(Kept(pauses(0.0), fails))
    keeper.keep(Kept(pauses(0.0, 0.05, 0.0), lambda: closed.append("good")))
    assert keeper.drain(5.0)
    assert closed == ["good"]
    assert "no luck" in caplog.text


def test_memory_is_given_back_when_the_last_of_a_crowd_has_left_and_not_for_a_few(
    keeper: DetachedStreams, given_back: list[float]
) -> None:
    keeper.keep(Kept(pauses(0.0), lambda: None))
    assert keeper.drain(5.0)
    leave = threading.Event()
    for _ in range(CROWD):
        keeper.keep(
            Kept(itertools.takewhile(lambda _: not leave.is_set(), itertools.repeat(0.01)), lambda: None)
        )
    assert given_back == []
    leave.set()
    assert keeper.drain(5.0)
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
