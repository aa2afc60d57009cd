"""Jobs of one thread: done soon, in their ranks, each as often as it has to be, and none stops another."""

from __future__ import annotations

import logging
import threading

import pytest

from app.serving.process import work_loop as module
from app.serving.process.work_loop import FAST_FRAMES, FRAMES, SAMPLES, WorkLoop
from tests.serving.station import until


class Work:
    """A job that does what the test gives it."""

    queued = False

    def __init__(self, loop: WorkLoop, rank: int = FRAMES) -> None:
        self.rank, self.loop = rank, loop
        self.parts: list[str] = []  # to be done
        self.done: list[str] = []
        self.order: list[str] = self.done  # where several write in
        self.tended = 0
        self.steps = 0
        self.waits: threading.Event | None = None
        self.inside = threading.Event()

    def step(self) -> None:
        self.steps += 1
        self.inside.set()
        if self.waits is not None:
            assert self.waits.wait(20)
        if self.parts:
            part = self.parts.pop(0)
            self.order.append(part)
            if part == "fails":
                raise RuntimeError("a bug")
            self.loop.soon(self)

    def tend(self) -> None:
        self.tended += 1

    def bring(self, *parts: str) -> None:
        self.parts += parts
        self.loop.soon(self)


def test_what_is_brought_is_done_in_its_order() -> None:
    loop = WorkLoop()
    work = Work(loop)
    loop.add(work)
    for number in range(100):
        work.bring(str(number))
    until(lambda: len(work.done) == 100)
    assert work.done == [str(number) for number in range(100)]
    loop.remove(work)


def test_what_several_threads_bring_is_all_done() -> None:
    """Whoever brings something while the thread is about to sleep wakes it all the same."""
    loop = WorkLoop()
    works = [Work(loop) for _ in range(8)]
    for work in works:
        loop.add(work)

    def bring(work: Work) -> None:
        for number in range(300):
            work.bring(str(number))
            until(lambda: not work.parts, 20)

    threads = [threading.Thread(target=bring, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for work in works:
        until(lambda work=work: len(work.done) == 300)
        loop.remove(work)


def test_samples_go_before_frames_and_slow_frames_before_fast_ones() -> None:
    loop = WorkLoop()
    held = Work(loop)
    works = [Work(loop, rank) for rank in (FAST_FRAMES, FRAMES, SAMPLES)]
    for work in works:
        work.order = held.done
        loop.add(work)
        until(lambda work=work: work.steps)
    held.waits = threading.Event()
    loop.add(held)
    assert held.inside.wait(20)
    for work, name in zip(works, ("fast", "slow", "samples"), strict=True):
        work.bring(name, name)
    held.waits.set()
    until(lambda: len(held.done) == 6)
    assert held.done == ["samples", "samples", "slow", "slow", "fast", "fast"]
    for work in (held, *works):
        loop.remove(work)


def test_one_that_fails_is_said_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    loop = WorkLoop()
    bad, good = Work(loop), Work(loop)
    for work in (bad, good):
        loop.add(work)
    with caplog.at_level(logging.ERROR):
        bad.bring("fails")
        good.bring("a", "b")
        until(lambda: good.done == ["a", "b"])
        until(lambda: caplog.messages == ["a step failed"])
    bad.bring("goes on")
    until(lambda: bad.done == ["fails", "goes on"])
    loop.remove(bad)
    loop.remove(good)


def test_one_for_which_nothing_comes_is_tended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEND_S", 0.001)
    loop = WorkLoop()
    work = Work(loop)
    loop.add(work)
    until(lambda: work.tended > 3)
    loop.remove(work)


def test_one_that_is_removed_is_done_no_more_and_the_thread_ends_with_the_last() -> None:
    loop = WorkLoop()
    one, other = Work(loop), Work(loop)
    loop.add(one)
    loop.add(other)
    until(lambda: one.steps and other.steps)
    loop.remove(one)
    loop.remove(one)
    one.bring("too late")
    other.bring("in time")
    until(lambda: other.done == ["in time"])
    assert one.done == []
    loop.remove(other)
    until(lambda: not loop._running)
    loop.add(one)  # and begins again with the next
    until(lambda: one.done == ["too late"])
    loop.remove(one)
    until(lambda: not loop._running)
