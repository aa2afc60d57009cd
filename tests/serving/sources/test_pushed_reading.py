"""A source that is pushed to, acquired on the loop of its worker: no sample twice, lost or after the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from app.emg.pushed_source import HOLD_S, PushSource
from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk, Samples
from app.serving.process import work_loop
from app.serving.process.work_loop import WorkLoop
from app.serving.sources.acquisition import Acquisition
from tests.fakes import FakeClock
from tests.serving.station import until

RATE, CHANNELS = 100.0, 2


def counting(first: int, count: int) -> Samples:
    index = np.arange(first, first + count, dtype=np.float32)
    return np.tile(index[:, np.newaxis], (1, CHANNELS))


class Arm:
    """One client's source and its acquisition, with time that the test moves."""

    def __init__(self, loop: WorkLoop, name: str = "arm") -> None:
        self.clock = FakeClock()
        self.source = PushSource(name, CHANNELS, RATE, "uV", idle_s=10.0, clock=self.clock)
        self.ring = Ring(3000, CHANNELS)
        path = SignalPath(self.ring, design([], RATE, None))
        self.acquisition = Acquisition(self.source, path, self.clock, loop=loop)
        self.ended: list[str] = []
        self.acquisition.on_end = lambda: self.ended.append(threading.current_thread().name)
        self.chunks: list[Chunk] = []
        self.acquisition.taps.append(lambda chunk, _: self.chunks.append(chunk))

    @property
    def state(self) -> str:
        return self.acquisition.state

    def push(self, first: int, count: int) -> None:
        self.source.push(first, counting(first, count))


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> WorkLoop:
    monkeypatch.setattr(work_loop, "TEND_S", 0.002)
    return WorkLoop()


@pytest.fixture
def arm(loop: WorkLoop) -> Iterator[Arm]:
    found = Arm(loop)
    found.acquisition.start()
    yield found
    found.acquisition.close()
    until(lambda: loop.jobs == 0)


def test_what_is_pushed_is_taken_in_as_it_came(arm: Arm) -> None:
    assert arm.state == "starting"
    for first in range(0, 200, 4):
        arm.push(first, 4)
    until(lambda: arm.ring.newest == 200)
    assert (arm.state, arm.chunks[0].index) == ("running", 0)  # what waits is taken in together
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in arm.chunks]), counting(0, 200))
    np.testing.assert_array_equal(arm.ring.window(200, 200), counting(0, 200))


def test_sources_of_one_loop_are_taken_in_side_by_side(loop: WorkLoop) -> None:
    arms = [Arm(loop, f"arm{number}") for number in range(12)]
    for arm in arms:
        arm.acquisition.start()

    def push(arm: Arm) -> None:
        for first in range(0, 1000, 5):
            arm.push(first, 5)

    threads = [threading.Thread(target=push, args=(arm,)) for arm in arms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for arm in arms:
        until(lambda arm=arm: arm.ring.newest == 1000)
        np.testing.assert_array_equal(arm.ring.window(1000, 1000), counting(0, 1000))
        np.testing.assert_array_equal(
            np.concatenate([chunk.samples for chunk in arm.chunks]), counting(0, 1000)
        )
        arm.acquisition.close()


def test_a_chunk_that_is_missing_is_given_up_though_nothing_more_is_pushed(arm: Arm) -> None:
    arm.push(0, 4)
    arm.push(8, 4)
    until(lambda: arm.ring.newest == 4)
    arm.clock.advance(HOLD_S + 0.01)
    until(lambda: arm.ring.newest == 12)
    assert arm.acquisition.look().lost_samples == 4


def test_one_that_hears_nothing_for_long_has_ended_and_says_so_once(arm: Arm) -> None:
    arm.push(0, 4)
    until(lambda: arm.state == "running")
    arm.clock.advance(10.1)
    until(lambda: arm.ended)
    assert arm.state == "ended"
    assert not arm.ring.wait_beyond(4)
    arm.acquisition.close()
    assert len(arm.ended) == 1


def test_after_it_was_closed_nothing_is_taken_in(arm: Arm) -> None:
    arm.push(0, 4)
    until(lambda: arm.ring.newest == 4)
    arm.acquisition.close()
    assert (arm.state, len(arm.ended)) == ("ended", 1)
    arm.push(4, 4)
    arm.acquisition.close()
    assert (arm.ring.newest, len(arm.ended)) == (4, 1)


def test_who_is_told_of_the_end_may_close_it(loop: WorkLoop) -> None:
    arm = Arm(loop)
    done = threading.Event()
    arm.acquisition.on_end = lambda: (arm.acquisition.close(), done.set())[0]
    arm.acquisition.start()
    arm.clock.advance(10.1)
    assert done.wait(20)


def test_one_that_never_began_wakes_its_readers_when_it_is_closed(loop: WorkLoop) -> None:
    arm = Arm(loop)
    arm.push(0, 4)
    arm.acquisition.close()
    assert not arm.ring.wait_beyond(0)
    assert (arm.ended, arm.ring.newest, loop.jobs) == ([], 0, 0)


def test_what_was_pushed_before_it_began_is_taken_in_then(loop: WorkLoop) -> None:
    arm = Arm(loop)
    arm.push(0, 4)
    arm.acquisition.start()
    until(lambda: arm.ring.newest == 4)
    arm.acquisition.close()


def test_a_chunk_that_cannot_be_taken_in_is_passed_over_and_said_once(
    arm: Arm, caplog: pytest.LogCaptureFixture
) -> None:
    process, spoilt = arm.acquisition.path.process, [True]

    def failing(chunk: Chunk, acquired_at: float = 0.0) -> None:
        if spoilt[0]:
            raise ValueError("a bug")
        process(chunk, acquired_at)

    arm.acquisition.path.process = failing  # type: ignore[method-assign]  # as a bug would have it
    with caplog.at_level(logging.WARNING):
        arm.push(0, 4)
        arm.push(4, 4)
        until(lambda: arm.state == "disconnected")
        until(lambda: not arm.source._ready)
        spoilt[0] = False
        arm.push(8, 4)
        until(lambda: arm.state == "running")
    assert caplog.messages == ["arm cannot be read", "arm delivers again"]
