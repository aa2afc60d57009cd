from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.serving.streams.client_stream import GIVE_UP_S, ClientEvent, Stream, StreamCursor
from app.serving.streams.events import Completed
from app.serving.streams.reader import Reader
from tests.serving.station import OPTIONS, Station, sample_index, until

Item = ClientEvent | Completed | None


class Clock:
    """Monotonic and wall clock of a test; `sleep` moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def open_stream(
    station: Station, reader: Reader, clock: Clock, duration: float | None = None, **more: Any
) -> Stream:
    return Stream(
        reader,
        OPTIONS.fps,
        duration,
        **{
            "run": "run",
            "stats": station.stats,
            "stopping": lambda: False,
            "clock": clock,
            "wall": clock,
            "sleep": clock.sleep,
            **more,
        },
    )


def next_sent(items: Iterator[Item]) -> ClientEvent | Completed:
    """The next item that is something."""
    return next(item for item in items if item is not None)


@pytest.fixture
def station() -> Station:
    return Station()


@pytest.fixture
def reader(station: Station) -> Iterator[Reader]:
    reader = station.broadcast.join(OPTIONS)
    yield reader
    reader.close()


def test_frames_are_numbered_by_what_this_client_was_sent(station: Station, reader: Reader) -> None:
    items = iter(open_stream(station, reader, Clock()))
    got = []
    for _ in range(3):
        station.source.window()
        got.append(next_sent(items))
    assert [(one.frame, one.dropped) for one in got if isinstance(one, ClientEvent)] == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]
    assert (station.stats.frames_sent, station.stats.frames_dropped) == (
        2,
        0,
    )  # the third is still on its way


def test_a_duration_ends_with_the_last_word(station: Station, reader: Reader) -> None:
    clock = Clock()
    items = iter(open_stream(station, reader, clock, duration=0.2))
    for _ in range(2):
        station.source.window()
        assert isinstance(next_sent(items), ClientEvent)
    clock.now += 0.25
    last = next_sent(items)
    assert last == Completed(total_frames=2, duration_seconds=pytest.approx(0.25))
    assert list(items) == []


def test_no_more_frames_than_the_duration_holds_are_sent(station: Station, reader: Reader) -> None:
    clock = Clock()
    items = iter(open_stream(station, reader, clock, duration=0.2))
    for _ in range(2):
        station.source.window()
        next_sent(items)
    station.source.window()
    until(lambda: len(station.frames) == 3)
    next(items, None)
    clock.now += 1
    assert isinstance(next_sent(items), Completed)
    assert station.stats.frames_sent == 2


@pytest.mark.parametrize(
    ("speed", "sent"), [(0.5, 1), (1.0, 2), (2.0, 4), (None, 6)], ids=["half", "real time", "twice", "any"]
)
def test_a_recording_at_another_speed_fills_the_duration_with_as_many_more_frames(
    station: Station, reader: Reader, speed: float | None, sent: int
) -> None:
    """At ten times real time, a stream of 10 s once fell silent after 1 s: it had sent fps * 10 frames."""
    clock = Clock()
    items = iter(open_stream(station, reader, clock, duration=0.2, speed=speed))  # two windows at 10 a second
    for k in range(6):
        station.source.window()
        until(lambda k=k: len(station.frames) == k + 1)
        next(items, None)
    clock.now += 1
    while not isinstance(next_sent(items), Completed):
        pass
    assert station.stats.frames_sent == sent


def test_a_server_that_stops_gives_every_stream_its_last_word(station: Station, reader: Reader) -> None:
    stopping = [False]
    items = iter(open_stream(station, reader, Clock(), stopping=lambda: stopping[0]))
    station.source.window()
    next_sent(items)
    stopping[0] = True
    last = next_sent(items)
    assert isinstance(last, Completed)
    assert last.reason == "shutdown"


def test_a_source_that_ends_says_so(station: Station, reader: Reader) -> None:
    items = iter(open_stream(station, reader, Clock()))
    station.source.state = "ended"
    station.source.ring.close()
    said = [next_sent(items), next_sent(items)]
    assert isinstance(said[0], ClientEvent)
    assert isinstance(said[1], Completed)
    assert said[1].reason == "source ended"


def test_a_client_that_does_not_read_misses_frames_and_gets_the_newest(
    station: Station, reader: Reader
) -> None:
    writable = [True]
    items = iter(
        open_stream(station, reader, Clock(), writable=lambda: writable[0], sleep=lambda _: time.sleep(0.01))
    )
    station.source.window()
    next_sent(items)
    writable[0] = False
    for _ in range(3):
        station.source.window()
    until(lambda: len(station.frames) == 4)
    until(lambda: station.broadcast._groups[OPTIONS].history[-1].position == 3)
    threading.Timer(0.05, lambda: writable.__setitem__(0, True)).start()
    again = next_sent(items)
    assert isinstance(again, ClientEvent)
    assert (sample_index(again.body), again.dropped) == (40, 2)


def test_a_client_that_never_reads_is_given_up_without_a_last_word(station: Station, reader: Reader) -> None:
    clock = Clock()
    began = clock.now
    assert set(open_stream(station, reader, clock, writable=lambda: False)) == {None}
    assert GIVE_UP_S < clock.now - began < GIVE_UP_S + 1


def test_a_finite_stream_goes_on_where_its_place_says(station: Station) -> None:
    first = station.broadcast.join(OPTIONS)
    for k in range(5):
        station.source.window()
        until(lambda k=k: len(station.frames) == k + 1)
    until(lambda: station.broadcast._groups[OPTIONS].history[-1].k == 4)
    clock = Clock()
    place = StreamCursor("run", clock.now - 0.5, k=1, frames=2, dropped=0)
    back = station.broadcast.join(OPTIONS, after=1)
    items = iter(open_stream(station, back, clock, duration=10.0, place=place))
    got = [next_sent(items) for _ in range(3)]
    assert [(one.frame, one.dropped) for one in got if isinstance(one, ClientEvent)] == [
        (2, 0),
        (3, 0),
        (4, 0),
    ]
    clock.now += 9.6  # 0.5 s had run before
    last = next_sent(items)
    assert isinstance(last, Completed)
    assert (last.total_frames, last.duration_seconds) == (5, pytest.approx(10.1))
    first.close()
    back.close()


def test_after_a_restart_of_the_server_the_clock_says_what_was_missed(
    station: Station, reader: Reader
) -> None:
    clock = Clock()
    place = StreamCursor("another run", clock.now - 3.0, k=70, frames=20, dropped=0)
    items = iter(open_stream(station, reader, clock, duration=10.0, place=place))
    station.source.window()
    first = next_sent(items)
    assert isinstance(first, ClientEvent)
    assert (first.frame, first.dropped) == (20, 10)


class FakeWriter:
    def __init__(self) -> None:
        self.sent: list[ClientEvent] = []
        self.takes = True
        self.gone = False

    def send(self, sent: ClientEvent) -> bool:
        if self.gone:
            raise BrokenPipeError
        if self.takes:
            self.sent.append(sent)
        return self.takes


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


def run_in_thread(stream: Stream) -> tuple[list[Item], Callable[[], bool]]:
    items: list[Item] = []
    thread = threading.Thread(target=lambda: items.extend(stream), daemon=True)
    thread.start()
    return items, lambda: not thread.is_alive()


def test_with_an_outlet_frames_go_straight_from_the_group(
    station: Station, reader: Reader, writer: FakeWriter
) -> None:
    stopping = [False]
    stream = open_stream(station, reader, Clock(), writer=writer, stopping=lambda: stopping[0])
    items, ended = run_in_thread(stream)
    until(lambda: station.broadcast._groups[OPTIONS].listeners)
    for k in range(3):
        station.source.window()
        until(lambda k=k: len(writer.sent) == k + 1)
    stopping[0] = True
    until(ended)
    assert [(one.frame, one.dropped) for one in writer.sent] == [(0, 0), (1, 0), (2, 0)]
    said = [item for item in items if item is not None]
    assert [type(item) for item in said] == [Completed]
    assert stream.place.k == 2
    assert station.broadcast._groups[OPTIONS].listeners == {}


def test_with_an_outlet_the_newest_frame_is_the_first_thing_said(
    station: Station, reader: Reader, writer: FakeWriter
) -> None:
    """The first look gave nothing and the second came 0.25 s later: so late was every endless stream's first frame."""
    station.source.window()
    until(lambda: station.broadcast._groups[OPTIONS].history)
    assert isinstance(next(iter(open_stream(station, reader, Clock(), writer=writer))), ClientEvent)


def test_with_an_outlet_too_a_source_that_ends_says_so(
    station: Station, reader: Reader, writer: FakeWriter
) -> None:
    items, ended = run_in_thread(open_stream(station, reader, Clock(), writer=writer))
    until(lambda: station.broadcast._groups[OPTIONS].listeners)
    station.source.window()
    until(lambda: writer.sent)
    station.source.state = "ended"
    station.source.ring.close()
    until(ended)
    assert [item.reason for item in items if isinstance(item, Completed)] == ["source ended"]


def test_an_outlet_that_cannot_take_a_frame_misses_it(
    station: Station, reader: Reader, writer: FakeWriter
) -> None:
    stopping = [False]
    _, ended = run_in_thread(
        open_stream(station, reader, Clock(), writer=writer, stopping=lambda: stopping[0])
    )
    until(lambda: station.broadcast._groups[OPTIONS].listeners)
    station.source.window()
    until(lambda: len(writer.sent) == 1)
    writer.takes = False
    for _ in range(2):
        station.source.window()
    until(lambda: station.broadcast._groups[OPTIONS].history[-1].position == 2)
    writer.takes = True
    station.source.window()
    until(lambda: len(writer.sent) == 2)
    assert (writer.sent[1].frame, writer.sent[1].dropped) == (1, 2)
    stopping[0] = True
    until(ended)


def test_a_client_that_has_gone_ends_its_stream_at_the_next_frame(
    station: Station, reader: Reader, writer: FakeWriter
) -> None:
    items, ended = run_in_thread(open_stream(station, reader, Clock(), writer=writer))
    until(lambda: station.broadcast._groups[OPTIONS].listeners)
    writer.gone = True
    station.source.window()
    until(ended)
    assert all(item is None for item in items)
