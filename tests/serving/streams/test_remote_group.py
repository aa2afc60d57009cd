from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from app.api.sse import events as sse
from app.serving.streams.carried_events import Carried
from app.serving.streams.events import SourceChange, Trouble
from app.serving.streams.reader import Reader
from app.serving.streams.remote_group import CATCH_UP_S, LATE_S, SILENT_S, RemoteGroup
from tests.fakes import FakeClock
from tests.serving.streams.publishing import MODEL, OTHER, Heard, Owner


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def group(clock: FakeClock) -> RemoteGroup:
    return RemoteGroup(sse.encode, clock, lambda: 1234.5)


@pytest.fixture
def owner(group: RemoteGroup, clock: FakeClock) -> Owner:
    """One that has made three frames before anybody asked."""
    owner = Owner(group, clock, k=10)
    for _ in range(3):
        owner.frame(lost=True)
    owner.answer()
    return owner


def test_a_reader_begins_with_the_newest_frame_and_hears_those_that_come(
    group: RemoteGroup, owner: Owner
) -> None:
    heard = Heard(group)
    owner.frame()
    owner.frame()
    assert heard.told == [12, 13, 14]
    assert heard.missed == 0


def test_one_that_comes_back_is_given_what_the_owner_has_kept(group: RemoteGroup, owner: Owner) -> None:
    reader = Reader(group, lambda: None, group.newest, after=10, joined=group.count)
    assert [(event.k, missed) for event, missed in reader.replay()] == [(11, 0), (12, 0)]


def test_frames_that_the_owner_skipped_count_as_missed(group: RemoteGroup, owner: Owner) -> None:
    heard = Heard(group)
    owner.frame(skipped=4)
    assert heard.told == [12, 17]
    assert heard.missed == 4


def test_what_was_lost_on_the_way_is_asked_for_and_told_in_its_place(
    group: RemoteGroup, owner: Owner
) -> None:
    heard = Heard(group)
    owner.frame(lost=True)
    owner.say(OTHER, lost=True)
    owner.frame()
    assert heard.told == [12], "nothing is told before what is missing: it may be another model"
    assert group.lacks
    owner.answer()
    assert heard.told == [12, 13, "ModelChange", 14]
    assert (heard.missed, group.lacks) == (0, False)


def test_what_the_owner_keeps_no_more_counts_as_missed_and_its_model_is_told(
    group: RemoteGroup, owner: Owner
) -> None:
    heard = Heard(group)
    for _ in range(5):
        owner.frame(lost=True)
    owner.say(OTHER, lost=True)
    owner.model = OTHER
    owner.frame()
    owner.answer(last=1)
    assert heard.told == [12, "ModelChange", 18]
    assert heard.missed == 5


def test_a_beat_tells_of_an_event_that_was_lost_though_none_came_after_it(
    group: RemoteGroup, owner: Owner
) -> None:
    heard = Heard(group)
    owner.beat()
    assert not group.lacks
    stalled = SourceChange(status="stalled", timestamp=1.0, source_state="stalled")
    owner.say(stalled, lost=True)
    owner.beat()
    assert group.lacks
    owner.answer()
    assert heard.told == [12, "stalled"]


def test_what_comes_twice_is_told_once(group: RemoteGroup, owner: Owner) -> None:
    heard = Heard(group)
    owner.frame()
    for one in owner.made:
        group.hear(owner.token, one)
    owner.answer()
    assert heard.told == [12, 13]


def test_an_owner_that_is_silent_has_stalled_and_recovers_with_its_next_frame(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    clock.advance(SILENT_S)
    group.look()
    assert heard.told == [12]
    clock.advance(0.01)
    group.look()
    group.look()
    assert heard.told == [12, "stalled"]
    said = json.loads(group.history[-1].body + b"}")
    assert said == {
        "status": "stalled",
        "timestamp": 1234.5,
        "decision": 1,
        "decision_label": "rest",
        "source_state": "disconnected",
    }
    owner.beat()
    assert heard.told == [12, "stalled"], "it is there, and has made nothing"
    owner.frame()
    assert heard.told == [12, "stalled", "recovered", 13]


def test_an_owner_that_has_nothing_to_say_but_that_it_is_there_has_not_stalled(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    for _ in range(10):
        clock.advance(SILENT_S / 2)
        owner.beat()
        group.look()
    assert heard.told == [12]


def test_a_source_that_stalls_is_told_once_whoever_finds_out(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    owner.say(SourceChange(status="stalled", timestamp=1.0, source_state="stalled"))
    clock.advance(2 * SILENT_S)
    group.look()
    group.stall()
    owner.say(SourceChange(status="recovered", timestamp=1.0, source_state="running"))
    owner.frame()
    assert heard.told == [12, "stalled", "recovered", 13]


def takeover(group: RemoteGroup, clock: FakeClock, k: int) -> Owner:
    """The owner dies, and another that begins at window `k` is asked after half a second."""
    clock.advance(SILENT_S + 0.1)
    group.look()
    return Owner(group, clock, token=2, k=k)


@pytest.mark.parametrize(("k", "missed"), [(9, 0), (13, 0), (20, 7)], ids=["resent", "next", "later"])
def test_over_a_takeover_nothing_is_told_twice_and_what_is_lost_is_counted(
    group: RemoteGroup, owner: Owner, clock: FakeClock, k: int, missed: int
) -> None:
    heard = Heard(group)
    after = takeover(group, clock, k)
    after.answer()
    for _ in range(5):
        after.frame()
    assert heard.told == [12, "stalled", "recovered", *range(max(k, 13), k + 5)]
    assert heard.missed == missed
    heard.told.clear()
    owner.frame()  # the one before was only cut off, and does not know it yet
    owner.beat()
    assert heard.told == []


def test_frames_of_a_new_owner_wait_until_it_has_said_what_there_is(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    after = takeover(group, clock, 14)
    after.frame()
    assert heard.told == [12, "stalled"]
    assert group.lacks
    after.answer()
    assert heard.told == [12, "stalled", "recovered", 14]


def test_a_new_owner_with_another_model_says_so_before_its_first_frame(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    after = takeover(group, clock, 14)
    after.model = OTHER
    after.answer()
    after.frame()
    assert heard.told == [12, "stalled", "ModelChange", "recovered", 14]
    same = takeover(group, clock, 15)
    same.token, same.model = 3, OTHER
    same.answer()
    assert heard.told[5:] == ["stalled"], "the model is the same"


def test_the_trouble_and_the_states_of_a_new_owner_before_it_was_asked_are_no_news(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    after = takeover(group, clock, 13)
    after.frame(lost=True)
    after.say(Trouble(error="no luck", timestamp=1.0), lost=True)
    for position, one in enumerate(after.made):  # made for readers of its own, before anybody elsewhere asked
        after.made[position] = one._replace(at=0.0)
    after.answer()
    after.frame()
    assert heard.told == [12, "stalled", "recovered", 14]
    assert heard.missed == 1


def test_samples_that_are_counted_anew_are_another_source_and_the_streams_end(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    after = takeover(group, clock, 0)
    after.answer()
    for _ in range(5):
        after.frame()
        clock.advance(CATCH_UP_S / 4)
    assert heard.told == [12, "stalled"]
    assert not group.ended
    after.frame()
    assert group.ended
    assert heard.reader.why_ended == "source ended"


def test_a_frame_that_was_long_on_its_way_is_passed_over_and_states_are_not(
    group: RemoteGroup, owner: Owner, clock: FakeClock
) -> None:
    heard = Heard(group)
    owner.frame()
    kept: Sequence[Carried] = []
    for _ in range(3):
        owner.frame(lost=True)
    owner.say(MODEL, lost=True)
    owner.frame(lost=True)
    kept = owner.made[-5:]
    clock.advance(LATE_S + 0.1)
    for one in kept:
        group.hear(owner.token, one)
    owner.frame()
    assert heard.told == [12, 13, "ModelChange", 18]
    assert heard.missed == 4


def test_one_that_comes_back_while_there_is_no_owner_hears_of_it_and_then_what_it_has_not_had(
    group: RemoteGroup, clock: FakeClock
) -> None:
    group.expect(20)
    group.stall()
    heard = Heard(group, after=20)
    assert heard.told == ["stalled"]
    assert b"decision" not in group.history[-1].body, "nobody knows which model it is"
    owner = Owner(group, clock, token=5, k=19)
    owner.answer()
    for _ in range(3):
        owner.frame()
    assert heard.told == ["stalled", "ModelChange", "recovered", 21]


def test_a_stream_whose_source_is_over_ends_and_says_why(group: RemoteGroup, owner: Owner) -> None:
    heard = Heard(group)
    group.finish()
    group.finish("moved")
    owner.frame()
    assert heard.told == [12]
    assert (heard.reader.ended, heard.reader.why_ended) == (True, "source ended")
