"""Groups that share a thread: what takes its time leaves it to the others, and comes back."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from app.serving.process.work_loop import WorkLoop
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.events import Frame, StreamOptions
from app.serving.streams.group_events import TURN, GroupEvent
from app.serving.streams.reader import Reader
from tests.serving.station import OPTIONS, FakeMaker, Station, until


class Slow(FakeMaker):
    """Waits for the test with every frame, as an engine may."""

    quick = False
    goes_on = threading.Event()
    asked = threading.Event()

    def frame(self, end: int) -> Frame | None:
        self.asked.set()
        assert self.goes_on.wait(20)
        return super().frame(end)


@pytest.fixture
def loop() -> WorkLoop:
    return WorkLoop()


def station_on(loop: WorkLoop) -> Station:
    station = Station()
    broadcast: Broadcast = station.broadcast
    broadcast._loop = loop
    return station


def ignored(_event: GroupEvent, _missed: int) -> bool:
    return True


def test_a_model_that_waits_holds_up_nobody_elses_frames(
    loop: WorkLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "goes_on", threading.Event())
    monkeypatch.setattr(Slow, "asked", threading.Event())
    slow, quick = station_on(loop), station_on(loop)
    slow.broadcast._make = lambda options: Slow(set(), set())
    readers = [station.broadcast.join(OPTIONS) for station in (slow, quick)]
    slow.source.window()
    assert Slow.asked.wait(20)
    for number in range(1, 6):
        quick.source.window()
        until(lambda number=number: len(quick.frames) == number)
    assert readers[0].take(0.0) == []
    Slow.goes_on.set()
    until(lambda: readers[0].take(0.05))
    for reader in readers:
        reader.close()


def test_groups_of_many_sources_take_one_thread(loop: WorkLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by: set[str] = set()
    frame = FakeMaker.frame

    def noting(maker: FakeMaker, end: int) -> Frame | None:
        made_by.add(str(threading.current_thread().ident))
        return frame(maker, end)

    monkeypatch.setattr(FakeMaker, "frame", noting)
    stations = [station_on(loop) for _ in range(30)]
    readers = [station.broadcast.join(OPTIONS) for station in stations]
    for _ in range(3):
        for station in stations:
            station.source.window()
        for station in stations:
            until(lambda station=station: station.frames[-1:] == [station.source.ring.newest])
    assert [station.frames for station in stations] == [[10, 20, 30]] * 30
    assert len(made_by) == 1
    for reader in readers:
        reader.close()
    until(lambda: loop.jobs == 0)


def test_a_crowd_is_served_on_a_thread_of_its_own_and_when_it_has_left_on_that_of_all(loop: WorkLoop) -> None:
    station, other = station_on(loop), station_on(loop)
    made_by: list[int] = []

    def listener(_event: GroupEvent, _missed: int) -> bool:
        made_by.append(threading.get_ident())
        return True

    beside = other.broadcast.join(OPTIONS)
    beside.listen(listener)
    other.source.window()
    until(lambda: made_by)
    of_all = made_by.pop()
    readers: list[Reader] = [station.broadcast.join(OPTIONS) for _ in range(TURN + 1)]
    for reader in readers[1:]:
        reader.listen(ignored)
    readers[0].listen(listener)

    def next_made_by() -> int:
        made_by.clear()
        station.source.window()
        until(lambda: made_by)
        return made_by[0]

    assert next_made_by() != of_all
    for reader in readers[1:]:
        reader.close()
    next_made_by()  # its thread is waiting for this one
    until(lambda: next_made_by() == of_all)
    assert station.frames == [10 * number for number in range(1, 1 + len(station.frames))]
    for reader in (readers[0], beside):
        reader.close()
    until(lambda: loop.jobs == 0)


@pytest.mark.parametrize("fps", [10.0, 50.0])
def test_a_group_that_is_stopped_and_started_makes_each_frame_once(loop: WorkLoop, fps: float) -> None:
    station, options = station_on(loop), replace(OPTIONS, fps=fps)
    for _ in range(20):
        reader = station.broadcast.join(options)
        station.source.window(fps)
        until(lambda: station.frames[-1:] == [station.source.ring.newest])
        reader.close()
    assert station.frames == sorted(set(station.frames))
    until(lambda: loop.jobs == 0)


def test_a_source_that_ends_takes_its_groups_from_the_thread(loop: WorkLoop) -> None:
    station = station_on(loop)
    reader = station.broadcast.join(StreamOptions(fps=10, backend="fake"))
    station.source.window()
    until(lambda: station.frames == [10])
    station.source.state = "ended"
    station.source.ring.close()
    until(lambda: loop.jobs == 0)
    until(lambda: reader.take(0.0) == [] and reader.ended)
    reader.close()


def test_a_frame_that_fails_stops_no_other_group(loop: WorkLoop) -> None:
    bad, good = station_on(loop), station_on(loop)
    failing = FakeMaker(set(), set())

    def frame(end: int) -> Frame | None:
        raise RuntimeError("a bug")

    failing.frame = frame  # type: ignore[method-assign]  # a bug
    bad.broadcast._make = lambda options: failing
    readers = [station.broadcast.join(OPTIONS) for station in (bad, good)]
    for number in range(1, 4):
        bad.source.window()
        good.source.window()
        until(lambda number=number: len(good.frames) == number)
    until(lambda: any(b"internal error" in event.body for event, _ in readers[0].take(0.05)))
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("quick", [True, False])
def test_a_ring_is_watched_while_somebody_reads_and_not_after(
    loop: WorkLoop, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMaker, "quick", quick)
    station = station_on(loop)
    assert not station.source.ring.awaited
    reader = station.broadcast.join(OPTIONS)
    for number in range(1, 4):
        station.source.window()
        until(lambda number=number: len(station.frames) == number)
        until(lambda: station.source.ring.awaited)
    reader.close()
    station.source.window()
    until(lambda: not station.source.ring.awaited)
