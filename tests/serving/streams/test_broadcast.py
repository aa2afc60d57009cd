from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from app.serving.streams.broadcast import IDLE_GROUPS
from app.serving.streams.group import Group
from app.serving.streams.group_events import HISTORY, GroupEvent
from app.serving.streams.reader import Reader
from tests.serving.station import OPTIONS, FakeMaker, Station, sample_index, until


@pytest.fixture(autouse=True, params=[True, False], ids=["with others", "by itself"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups make their frames on the thread of all, or each on its own: see following.py."""
    monkeypatch.setattr(FakeMaker, "quick", request.param)


def take(reader: Reader) -> list[tuple[GroupEvent, int]]:
    """What comes next; waits for it."""
    taken: list[tuple[GroupEvent, int]] = []
    until(lambda: taken.extend(reader.take(0.05)) or taken)
    return taken


def test_readers_who_ask_for_the_same_share_one_computation_and_the_same_bytes() -> None:
    station = Station()
    readers = [station.broadcast.join(OPTIONS) for _ in range(3)]
    station.source.window()
    events = [take(reader)[0][0] for reader in readers]
    assert events[0].body is events[1].body is events[2].body
    assert station.frames == [10]
    for reader in readers:
        reader.close()


def test_readers_with_other_options_get_a_group_of_their_own() -> None:
    station = Station()
    readers = [station.broadcast.join(OPTIONS), station.broadcast.join(replace(OPTIONS, votes=5))]
    assert [group.readers for group in station.broadcast.running.values()] == [1, 1]
    for reader in readers:
        reader.close()


def test_the_first_event_is_at_once_for_the_window_just_past() -> None:
    station = Station()
    station.source.feed(57)
    reader = station.broadcast.join(OPTIONS)
    assert sample_index(take(reader)[0][0].body) == 50
    reader.close()


def test_a_reader_who_joins_late_begins_with_the_newest_frame_and_has_missed_nothing() -> None:
    station = Station()
    first = station.broadcast.join(OPTIONS)
    for _ in range(3):
        station.source.window()
        take(first)
    second = station.broadcast.join(OPTIONS)
    event, missed = take(second)[0]
    assert (sample_index(event.body), missed) == (30, 0)
    first.close()
    second.close()


def test_a_slow_reader_finds_the_newest_frame_and_the_number_it_missed() -> None:
    station = Station()
    slow, quick = station.broadcast.join(OPTIONS), station.broadcast.join(OPTIONS)
    station.source.window()
    take(slow)
    take(quick)
    for _ in range(4):
        station.source.window()
        take(quick)
    event, missed = take(slow)[0]
    assert (sample_index(event.body), missed) == (50, 3)
    slow.close()
    quick.close()


def test_the_last_reader_to_leave_stops_the_computation() -> None:
    station = Station()
    one, two = station.broadcast.join(OPTIONS), station.broadcast.join(OPTIONS)
    station.source.window()
    take(one)
    one.close()
    station.source.window()
    until(lambda: station.frames == [10, 20])
    two.close()
    two.close()  # safe to call twice
    assert station.broadcast.running == {}
    station.source.window()
    station.source.window()
    third = station.broadcast.join(OPTIONS)  # a sign that the old thread has had its time
    take(third)
    assert station.frames == [10, 20, 40]
    third.close()


def test_a_group_that_falls_behind_skips_to_the_newest_window_and_says_how_many() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    station.source.feed(100)  # ten windows at once, a second of signal
    event, missed = take(reader)[-1]
    assert sample_index(event.body) == 110
    assert missed == 9
    reader.close()


def test_a_few_windows_that_come_in_one_chunk_are_all_made() -> None:
    """With more frames a second than chunks, several windows end in one chunk; none is late."""
    station = Station()
    options = replace(OPTIONS, fps=50)
    reader = station.broadcast.join(options)
    station.source.feed(2)
    take(reader)
    station.source.feed(8)  # four windows of two samples
    until(lambda: len(station.frames) == 5)
    assert station.frames == [2, 4, 6, 8, 10]
    reader.close()


def test_a_source_that_stalls_and_recovers_is_announced_once_each() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    station.source.state = "stalled"
    said = [json.loads(event.body + b"}") for event, _ in take(reader)]
    assert [(one["status"], one["decision_label"]) for one in said] == [("stalled", "rest")]
    station.source.state = "running"
    station.source.window()
    after: list[bytes] = []
    until(lambda: after.extend(event.body for event, _ in reader.take(0.05)) or len(after) == 2)
    assert json.loads(after[0] + b"}")["status"] == "recovered"
    reader.close()


def test_windows_that_are_all_spoilt_are_a_stall_and_the_next_sound_one_ends_it() -> None:
    """The source delivers and has usable windows; none of them ends where this group looks."""
    station = Station()
    station.spoilt.update(range(20, 60))
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    for _ in range(4):
        station.source.window()
    said = [json.loads(event.body + b"}") for event, _ in take(reader)]
    assert [(one["status"], one["decision_label"], one["source_state"]) for one in said] == [
        ("stalled", "rest", "stalled")
    ]
    station.source.window()
    after: list[bytes] = []
    until(lambda: after.extend(event.body for event, _ in reader.take(0.05)) or len(after) == 2)
    assert json.loads(after[0] + b"}")["status"] == "recovered"
    assert sample_index(after[1]) == 60
    reader.close()


def test_an_engine_that_refuses_for_long_has_decisions_fall_to_rest_until_it_answers_again() -> None:
    """The last gesture stood for as long as nobody answered: a hand would have stayed closed."""
    station = Station(fails=frozenset(range(20, 60)))
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    said: list[dict[str, object]] = []
    for _ in range(4):
        station.source.window()
        until(lambda: said.extend(json.loads(event.body + b"}") for event, _ in reader.take(0.05)) or said)
    until(
        lambda: said.extend(json.loads(event.body + b"}") for event, _ in reader.take(0.05)) or len(said) > 1
    )
    assert said[0]["error"] == "no luck"
    assert [one["decision_label"] for one in said if one.get("status") == "stalled"] == ["rest"]
    station.source.window()
    after: list[bytes] = []
    until(lambda: after.extend(event.body for event, _ in reader.take(0.05)) or len(after) == 2)
    assert json.loads(after[0] + b"}")["status"] == "recovered"
    assert sample_index(after[1]) == 60
    reader.close()


def test_a_few_spoilt_windows_are_no_stall() -> None:
    station = Station()
    station.spoilt.update((20, 30))  # 0.2 s of signal
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    for _ in range(3):
        station.source.window()
    assert [sample_index(event.body) for event, _ in take(reader)] == [40]
    reader.close()


def test_a_source_that_ends_ends_its_readers() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    station.source.state = "ended"
    station.source.ring.close()
    take(reader)  # the stall
    until(lambda: reader.ended)
    reader.close()


@pytest.mark.parametrize("state", ["stalled", "disconnected", "ended"])
def test_a_reader_who_joins_a_silent_source_is_told_rest_and_no_old_prediction(state: str) -> None:
    """The window just past was judged however old it was: a robot would have closed its hand once more."""
    station = Station()
    station.source.feed(57)
    station.source.state = state
    first = station.broadcast.join(OPTIONS)
    told_first = [json.loads(event.body + b"}") for event, _ in take(first)]
    later = station.broadcast.join(OPTIONS)  # of a group that runs, or has ended
    told = [json.loads(event.body + b"}") for event, _ in take(later)]
    for said in (told_first, told):
        assert [(one["status"], one["decision_label"]) for one in said] == [("stalled", "rest")]
    assert station.frames == []
    first.close()
    later.close()


def test_a_reader_who_joins_after_the_stall_of_others_gets_no_frame_from_before_it() -> None:
    station = Station()
    first = station.broadcast.join(OPTIONS)
    station.source.window()
    take(first)
    station.source.state = "stalled"
    take(first)
    later = station.broadcast.join(OPTIONS)
    assert [json.loads(event.body + b"}").get("status") for event, _ in take(later)] == ["stalled"]
    first.close()
    later.close()


def test_a_frame_that_fails_is_one_error_event_and_the_group_goes_on() -> None:
    station = Station(fails=frozenset({10}))
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    assert json.loads(take(reader)[0][0].body + b"}")["error"] == "no luck"
    station.source.window()
    assert sample_index(take(reader)[0][0].body) == 20
    reader.close()


def test_a_reader_who_was_cut_off_gets_the_frames_kept_and_the_number_of_those_that_are_not() -> None:
    station = Station()
    other = station.broadcast.join(OPTIONS)
    for _ in range(HISTORY + 10):
        station.source.window()
        take(other)
    back = station.broadcast.join(OPTIONS, after=3)  # windows 4 to 9 are no longer kept
    replayed = back.replay()
    assert [event.k for event, _ in replayed] == list(range(10, HISTORY + 10))
    assert [missed for _, missed in replayed] == [6] + [0] * (HISTORY - 1)
    assert back.take(0.0) == []
    other.close()
    back.close()


def test_a_group_without_readers_keeps_its_events_for_one_who_returns() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    station.source.window()
    event, _ = take(reader)[0]
    station.source.window()
    take(reader)
    reader.close()
    station.source.feed(30)  # three windows that nobody computes
    back = station.broadcast.join(OPTIONS, after=event.k)
    got = back.replay()  # may hold the newest frame already
    until(lambda: got.extend(back.take(0.05)) or len(got) == 2)
    assert [(event.k, missed) for event, missed in got] == [(1, 0), (4, 2)]
    back.close()


def test_groups_that_nobody_reads_are_forgotten_in_the_end() -> None:
    station = Station()
    for votes in range(1, IDLE_GROUPS + 10):
        station.broadcast.join(replace(OPTIONS, votes=votes)).close()
    assert len(station.broadcast._groups) == IDLE_GROUPS


def test_who_only_listens_hears_nothing_of_before_it_joined() -> None:
    """A recording would begin with a prediction of samples that it does not have."""
    station = Station()
    other = station.broadcast.join(OPTIONS)
    station.source.window()
    take(other)
    heard: list[int] = []

    def listener(event: GroupEvent, _missed: int) -> bool:
        heard.append(event.position)
        return True

    reader, late = station.broadcast.join(OPTIONS), station.broadcast.join(OPTIONS)
    reader.listen(listener)
    assert heard == []
    station.source.window()
    until(lambda: heard == [1])
    late.listen(listener)  # and is given what came between joining and listening
    assert heard == [1, 1]
    late.close()
    reader.close()
    other.close()


def test_what_comes_between_the_last_look_and_the_first_listening_is_given() -> None:
    station = Station()
    reader, other = station.broadcast.join(OPTIONS), station.broadcast.join(OPTIONS)
    station.source.window()
    take(reader)
    take(other)
    station.broadcast.tell("a trouble")
    station.source.window()
    until(lambda: any(event.position == 1 for event, _ in other.take(0.05)))
    heard: list[tuple[int, int]] = []

    def listener(event: GroupEvent, missed: int) -> bool:
        heard.append((event.position, missed))
        return True

    reader.listen(listener)
    assert heard == [(-1, 0), (1, 0)]
    station.source.window()
    until(lambda: heard[2:] == [(2, 0)])
    reader.close()
    other.close()


def test_a_listener_is_given_every_event_and_what_it_refuses_is_missed() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    got: list[tuple[int, int]] = []
    willing = [True]

    def listener(event: GroupEvent, missed: int) -> bool:
        if willing[0]:
            got.append((event.position, missed))
        return willing[0]

    reader.listen(listener)
    station.source.window()
    until(lambda: len(got) == 1)
    willing[0] = False
    station.source.window()
    until(lambda: len(station.frames) == 2)
    until(lambda: station.broadcast._groups[OPTIONS].history[-1].position == 1)
    willing[0] = True
    station.source.window()
    until(lambda: len(got) == 2)
    assert got == [(0, 0), (2, 1)]
    reader.close()


def test_nobody_waits_while_the_thread_of_a_group_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It started under the lock: a crowd that came and left queued up, 1600 requests with all their memory."""
    station, may_start, joined = Station(), threading.Event(), threading.Event()
    start = Group.start

    def slowly(group: Group) -> None:
        joined.set()
        assert may_start.wait(5.0)
        start(group)

    monkeypatch.setattr(Group, "start", slowly)
    first: list[Reader] = []
    thread = threading.Thread(target=lambda: first.append(station.broadcast.join(OPTIONS)))
    thread.start()
    assert joined.wait(5.0)
    second = station.broadcast.join(OPTIONS)  # would wait for the first
    assert not first
    may_start.set()
    thread.join()
    station.source.window()
    assert take(second)[0][0].body is take(first[0])[0][0].body
    for reader in (*first, second):
        reader.close()
