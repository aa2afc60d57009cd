"""Each client hears of a gesture that it began and that it ended, once each, however slowly it reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.signal.windows import Grid
from app.inference.gestures.events import GestureEvent
from app.serving.streams.broadcast import Reading
from app.serving.streams.client_stream import ClientEvent, Stream, StreamCursor
from app.serving.streams.events import Completed, Frame, ModelChange, SourceChange
from app.serving.streams.gestures.told import GestureMark
from app.serving.streams.group import Group
from app.serving.streams.group_events import HISTORY
from tests.serving.station import OPTIONS, HandFed, Station, make_gesture, until
from tests.serving.streams.test_client_stream import Clock, FakeWriter, open_stream

Items = Iterator[Any]
ONSET, RELEASE = make_gesture("onset", 20), make_gesture("release", 20)


@pytest.fixture
def station() -> Station:
    return Station()


def group_of(station: Station) -> Group:
    return station.broadcast._groups[OPTIONS]


def windows(station: Station, count: int) -> None:
    for _ in range(count):
        before = len(station.frames)
        station.source.window()
        until(lambda before=before: len(station.frames) > before)
    until(lambda: group_of(station).history[-1].k == group_of(station).reached)
    with group_of(station).one_at_a_time:  # and what is told after the frame
        pass


def settled(station: Station) -> None:
    """Wait until what was made has been told."""
    group = group_of(station)
    wanted = {
        gesture.phase for end, told in station.gestures.items() if end in station.frames for gesture in told
    }
    until(lambda: wanted <= {e.event.phase for e in group.history if isinstance(e.event, GestureEvent)})


def gestures(sent: list[ClientEvent]) -> list[tuple[str, int, str | None]]:
    found = [one.event for one in sent if isinstance(one.event, GestureEvent)]
    return [(one.phase, one.id, one.reason) for one in found]


def listening(station: Station, writer: FakeWriter, **more: Any) -> tuple[Stream, Items]:
    """Return a stream whose frames go by the writer, and the iteration of it, begun."""
    reader = station.broadcast.join(OPTIONS, told=(more.get("place") or StreamCursor("", 0, 0, 0, 0)).gesture)
    stream = open_stream(station, reader, Clock(), writer=writer, **more)
    stream.attend(lambda: None)
    items = iter(stream)
    until(lambda: next(items) is None)
    return stream, items


def test_events_come_after_their_frame_and_in_their_order(station: Station) -> None:
    station.gestures = {20: (ONSET,), 40: (RELEASE, make_gesture("onset", 40))}
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 4)
    until(lambda: len(writer.sent) == 7)
    told = [
        one.event.id if isinstance(one.event, GestureEvent) else one.event.sample_index for one in writer.sent
    ]
    assert told == [10, 20, 20, 30, 40, 20, 40]
    assert [one.frame for one in writer.sent] == [0, 1, 2, 2, 3, 4, 4]  # an event is no frame


def test_a_client_that_does_not_read_misses_frames_and_no_onset_or_release(station: Station) -> None:
    station.gestures = {20: (ONSET,), 30: (make_gesture("hold", 20),), 40: (RELEASE,)}
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 1)
    until(lambda: len(writer.sent) == 1)
    writer.takes = False
    windows(station, 4)
    settled(station)
    writer.takes = True
    windows(station, 1)
    until(lambda: len(writer.sent) == 4)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, "rest")]
    last = writer.sent[-1]
    assert isinstance(last.event, Frame)
    assert (last.event.sample_index, last.dropped) == (60, 4)


def test_what_is_owed_is_told_as_soon_as_it_reads_again_though_nothing_comes(station: Station) -> None:
    station.gestures = {20: (ONSET,), 30: (RELEASE,)}
    writer = FakeWriter()
    _, items = listening(station, writer)
    writer.takes = False
    windows(station, 3)
    settled(station)
    writer.takes = True
    next(items)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, "rest")]


@pytest.mark.parametrize("way", ["by the writer", "drawn"])
def test_one_who_was_cut_off_and_was_the_only_one_hears_of_the_end_before_anything_else_comes(
    station: Station, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """It ended when nobody listened any more, and was told with the first frame: where that was quicker, never."""
    station.gestures = {20: (ONSET,)}
    first = station.broadcast.join(OPTIONS)
    windows(station, 2)
    settled(station)
    first.close()
    monkeypatch.setattr(Group, "start", lambda *_: None)  # no frame is made yet
    place = StreamCursor("", 0, 1, 2, 0, GestureMark(20, 1, True))
    reader = station.broadcast.join(OPTIONS, told=place.gesture)
    writer = FakeWriter() if way == "by the writer" else None
    stream = open_stream(station, reader, Clock(), place=place, writer=writer)
    stream.attend(lambda: None)
    items = iter(stream)
    heard = [item for item in (next(items) for _ in range(3)) if isinstance(item, ClientEvent)]
    assert gestures(heard) == [("release", 20, "gap")]


def test_states_are_told_too_when_it_reads_again(station: Station) -> None:
    writer = FakeWriter()
    _, items = listening(station, writer)
    windows(station, 1)
    writer.takes = False
    station.source.state = "stalled"
    until(lambda: group_of(station)._stalled)
    writer.takes = True
    until(lambda: next(items) is None and len(writer.sent) == 2)
    assert isinstance(writer.sent[1].event, SourceChange)


def test_one_who_comes_while_a_gesture_is_held_is_told_of_it_first(station: Station) -> None:
    station.gestures = {20: (ONSET,), 50: (RELEASE,)}
    listening(station, FakeWriter())
    windows(station, 4)
    settled(station)
    reader = station.broadcast.join(OPTIONS)
    items = iter(open_stream(station, reader, Clock()))
    said = [next(items), next(items)]
    assert gestures(said) == [("onset", 20, None)]
    assert [one.frame for one in said] == [0, 0]
    windows(station, 1)
    settled(station)
    rest = [one for one in (next(items), next(items)) if one is not None]
    assert gestures(rest) == [("release", 20, "rest")]


def test_one_who_comes_afterwards_is_not(station: Station) -> None:
    station.gestures = {20: (ONSET,), 30: (RELEASE,)}
    listening(station, FakeWriter())
    windows(station, 4)
    settled(station)
    items = iter(open_stream(station, station.broadcast.join(OPTIONS), Clock()))
    assert gestures([next(items)]) == []


def test_a_reader_later_than_the_history_is_told_all_the_same(station: Station) -> None:
    station.gestures = {20: (ONSET,), 30: (RELEASE,)}
    reader = station.broadcast.join(OPTIONS)
    windows(station, HISTORY + 10)
    items = iter(open_stream(station, reader, Clock()))
    said = [next(items) for _ in range(3)]
    assert gestures(said) == [("onset", 20, None), ("release", 20, "rest")]
    assert isinstance(said[2].event, Frame)
    reader.close()


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (lambda station: setattr(station.source, "state", "stalled"), "stalled"),
        (lambda station: setattr(station.source, "state", "disconnected"), "stalled"),
        (lambda station: setattr(station.source, "state", "ended"), "completed"),
        (lambda station: (station.spoilt.add(30), station.source.window()), "gap"),
        (lambda station: station.broadcast.move(HandFed()), "stalled"),
        (lambda station: station.broadcast.end(), "completed"),
    ],
    ids=["stall", "device gone", "source over", "samples lost", "source replaced", "no more frames"],
)
def test_whatever_ends_the_signal_ends_the_gesture(station: Station, ends: Any, reason: str) -> None:
    station.gestures = {20: (ONSET,)}
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 2)
    until(lambda: gestures(writer.sent))
    ends(station)
    until(lambda: len(gestures(writer.sent)) == 2)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, reason)]


def test_a_frame_that_fails_for_good_ends_it(station: Station) -> None:
    station.gestures = {20: (ONSET,)}
    station.fails.update(range(30, 1000, 10))
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 2)
    for _ in range(4):  # no frame for a quarter of a second
        station.source.window()
    until(lambda: len(gestures(writer.sent)) == 2)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, "stalled")]


def test_another_model_ends_it_before_it_is_announced(station: Station) -> None:
    station.gestures = {20: (ONSET,)}
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 2)
    until(lambda: gestures(writer.sent))
    event = ModelChange(timestamp=0.0, from_sample=30, model="other")
    station.broadcast.change(Reading(30, station.source, station._make, event))  # type: ignore[arg-type]  # as in Station
    windows(station, 1)
    until(lambda: len(writer.sent) == 6)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, "model")]
    assert [type(one.event) for one in writer.sent[3:]] == [GestureEvent, ModelChange, Frame]


@pytest.mark.parametrize(
    ("why", "reason"), [("shutdown", "shutdown"), ("reload", "shutdown"), (None, "completed")]
)
@pytest.mark.parametrize("by_writer", [False, True], ids=["drawn", "by a writer"])
def test_the_end_of_a_stream_ends_it_before_the_last_word(
    station: Station, by_writer: bool, why: str | None, reason: str
) -> None:
    station.gestures = {20: (ONSET,)}
    clock, stopping, writer = Clock(), [False], FakeWriter()
    reader = station.broadcast.join(OPTIONS)
    stream = open_stream(
        station,
        reader,
        clock,
        duration=5.0,
        stopping=lambda: stopping[0],
        why_stopping=lambda: why or "",
        **({"writer": writer} if by_writer else {}),
    )
    stream.attend(lambda: None)
    items = iter(stream)
    sent: list[Any] = []
    if by_writer:
        until(lambda: next(items) is None)
    windows(station, 2)
    settled(station)
    while not by_writer and len(gestures(sent)) < 1:
        sent.append(next(items))
    until(lambda: not by_writer or gestures(writer.sent))
    stopping[0] = why is not None
    clock.now += 10.0 if why is None else 0.0
    rest = [item for item in items if item is not None]
    assert gestures(rest[-2:-1]) == [("release", 20, reason)]
    assert isinstance(rest[-1], Completed)
    assert stream.place.gesture == GestureMark(20, 1, False)


def test_what_was_owed_at_the_end_comes_before_the_last_word(station: Station) -> None:
    station.gestures = {20: (ONSET,), 30: (RELEASE,)}
    stopping, writer = [False], FakeWriter()
    _, items = listening(station, writer, stopping=lambda: stopping[0])
    writer.takes = False
    windows(station, 3)
    settled(station)
    stopping[0] = True
    said = [item for item in items if item is not None]
    assert gestures(said[:-1]) == [("onset", 20, None), ("release", 20, "rest")]
    assert isinstance(said[-1], Completed)


def resumed(station: Station, told: GestureMark | None, k: int = 1, duration: float | None = None) -> Items:
    place = StreamCursor("run", 1000.0, k, k + 1, 0, told)
    reader = station.broadcast.join(OPTIONS, k, told)
    return iter(open_stream(station, reader, Clock(), duration, place=place))


def said(items: Items, count: int) -> list[ClientEvent]:
    return [item for item in (next(items) for _ in range(count)) if item is not None]


@pytest.mark.parametrize("duration", [None, 100.0], ids=["endless", "with a duration"])
class TestOneWhoComesBack:
    @pytest.fixture(autouse=True)
    def held(self, station: Station) -> None:
        """Somebody else keeps the group running."""
        station.gestures = {20: (ONSET,), 40: (RELEASE,), 60: (make_gesture("onset", 60),)}
        listening(station, FakeWriter())

    def test_is_told_what_it_missed(self, station: Station, duration: float | None) -> None:
        windows(station, 7)
        settled(station)
        found = said(resumed(station, GestureMark(20, 1, True), k=1, duration=duration), 8 if duration else 3)
        assert gestures(found) == [("release", 20, "rest"), ("onset", 60, None)]

    def test_is_told_nothing_twice(self, station: Station, duration: float | None) -> None:
        windows(station, 3)
        settled(station)
        items = resumed(station, GestureMark(20, 1, True), k=2, duration=duration)
        assert gestures(said(items, 1)) == []
        windows(station, 1)
        until(lambda: len(group_of(station).kept) == 2)
        assert gestures(said(items, 2)) == [("release", 20, "rest")]

    def test_is_told_of_one_that_began_meanwhile(self, station: Station, duration: float | None) -> None:
        windows(station, 3)
        settled(station)
        found = said(resumed(station, None, k=0, duration=duration), 3 if duration else 2)
        assert gestures(found) == [("onset", 20, None)]

    def test_hears_that_one_ended_of_which_nobody_knows(
        self, station: Station, duration: float | None
    ) -> None:
        windows(station, 1)
        items = resumed(station, GestureMark(5, 1, True), k=0, duration=duration)
        found = said(items, 1)
        assert gestures(found) == [("release", 5, "gap")]
        assert found[0].gesture == b".5.1.0"


def test_a_group_that_slept_does_not_go_on_with_what_was_held(station: Station) -> None:
    station.gestures = {20: (ONSET,)}
    reader = station.broadcast.join(OPTIONS)
    windows(station, 2)
    settled(station)
    reader.close()
    back = station.broadcast.join(OPTIONS, 1, GestureMark(20, 1, True))
    windows(station, 1)
    items = iter(
        open_stream(
            station, back, Clock(), place=StreamCursor("run", 1000.0, 1, 2, 0, GestureMark(20, 1, True))
        )
    )
    assert gestures(said(items, 2)) == [("release", 20, "gap")]
    back.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=25))
def test_whenever_it_reads_nothing_is_lost_and_nothing_told_twice(steps: list[tuple[bool, bool]]) -> None:
    """Each step is a window: whether the hand opens or closes with it, and whether the client takes it."""
    station, held, expected = Station(), None, []
    for k, (turns, _) in enumerate(steps):
        end = Grid(100.0, OPTIONS.fps).end_of(k)
        if turns:
            one = make_gesture("release" if held else "onset", held or end)
            station.gestures[end] = (one,)
            expected.append((one.phase, one.id, one.reason))
            held = None if held else end
    writer = FakeWriter()
    stream, items = listening(station, writer)
    for _, takes in steps:
        writer.takes = takes
        windows(station, 1)
    settled(station)
    writer.takes = True
    until(lambda: next(items) is None and len(gestures(writer.sent)) == len(expected))
    assert gestures(writer.sent) == expected
    station.broadcast.end()
    found = gestures([*writer.sent, *(item for item in items if isinstance(item, ClientEvent))])
    assert found == expected + ([("release", held, "completed")] if held else [])
    assert stream.place.gesture is None or not stream.place.gesture.held


def test_one_who_tells_others_is_given_the_onset_of_what_is_held_for_long(station: Station) -> None:
    station.gestures = {20: (ONSET,)}
    listening(station, FakeWriter())
    windows(station, HISTORY + 10)
    reader = station.broadcast.join(OPTIONS)
    kept, _ = reader.follow(lambda _: None)
    first, second, *_ = kept
    assert first.event == ONSET
    assert isinstance(second.event, Frame)
    assert len(kept) == HISTORY + 1
    reader.close()


def test_it_ends_before_the_source_counts_as_stalled(station: Station) -> None:
    """A stall is told after a quarter of a second: with what comes then, a release would be later than is promised."""
    station.gestures = {20: (ONSET,)}
    writer = FakeWriter()
    listening(station, writer)
    windows(station, 1)
    source = station.source
    source.ring.write(source.ring.newest, np.zeros((10, 1), np.float32), acquired_at=time.perf_counter())
    until(lambda: len(gestures(writer.sent)) == 2)
    assert gestures(writer.sent) == [("onset", 20, None), ("release", 20, "stalled")]
    assert not [one for one in writer.sent if isinstance(one.event, SourceChange)]  # it says that it runs
