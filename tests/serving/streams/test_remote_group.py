from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.api.sse import events as sse
from app.inference.gesture_events import GestureEvent
from app.serving.streams.carried_events import Carried
from app.serving.streams.events import CarriedFrame, ModelChange, SourceChange, Told, Trouble
from app.serving.streams.group_events import HISTORY, GroupEvent
from app.serving.streams.reader import Reader
from app.serving.streams.remote_group import CATCH_UP_S, LATE_S, SILENT_S, Kept, RemoteGroup
from tests.fakes import FakeClock
from tests.serving.station import make_gesture

MODEL = ModelChange(
    timestamp=1.0, from_sample=0, model="arm", sha256="ab", classes=("fist", "rest"), rest_class="rest"
)
OTHER = ModelChange(
    timestamp=1.0, from_sample=500, model="leg", sha256="cd", classes=("rest", "kick"), rest_class="rest"
)


class Owner:
    """A worker that publishes a group: each event is heard, but those that a test has lost."""

    def __init__(self, group: RemoteGroup, clock: FakeClock, token: int = 1, k: int = 0, opening: int = 1):
        self.group, self.clock, self.token, self.opening = group, clock, token, opening
        self.k, self.position, self.count = k, 0, 0
        self.model: ModelChange | None = MODEL
        self.made: list[Carried] = []

    def frame(self, lost: bool = False, skipped: int = 0) -> None:
        self.k += skipped
        self.position += skipped
        body = b'{"sample_index":%d' % (10 * (self.k + 1))
        self._tell(
            GroupEvent(self.count, self.k, self.position, body, CarriedFrame(sample_index=self.k)), lost
        )
        self.k += 1
        self.position += 1

    def say(self, event: Told, lost: bool = False) -> None:
        self._tell(GroupEvent(self.count, self.k, -1, b'{"said":1', event), lost)

    def _tell(self, event: GroupEvent, lost: bool) -> None:
        self.count += 1
        self.made.append(Carried(self.opening, event.number, self.clock(), event))
        if not lost:
            self.group.hear(self.token, self.made[-1])

    def beat(self) -> None:
        self.group.hear(self.token, Carried(self.opening, self.count, self.clock(), None))

    def kept(self, last: int = HISTORY) -> Kept:
        return Kept(
            origin=(self.token, self.opening),
            count=self.count,
            reached=self.k - 1,
            now=self.clock(),
            model=self.model,
            events=self.made[-last:] if last else [],
        )

    def answer(self, last: int = HISTORY) -> None:
        self.group.adopt(self.kept(last))


class Heard:
    """A reader, and what it was told: windows, and words for what is no frame."""

    def __init__(self, group: RemoteGroup, after: int | None = None) -> None:
        self.told: list[Any] = []
        self.missed = 0
        self.reader = Reader(group, lambda: None, max(group.newest, group.began), after, group.count)
        for event, missed in self.reader.take(0.0):  # as a stream does
            self._take(event, missed)
        self.reader.listen(self._take)

    def _take(self, event: GroupEvent, missed: int) -> bool:
        self.missed += missed
        told = event.event
        said = f"{told.phase} {told.id}" if isinstance(told, GestureEvent) else getattr(told, "status", None)
        self.told.append(event.k if event.position >= 0 else said or type(told).__name__)
        return True


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


def test_gestures_are_told_as_their_owner_tells_them(group: RemoteGroup, owner: Owner) -> None:
    heard = Heard(group)
    owner.say(make_gesture("onset", 20))
    owner.frame()
    owner.say(make_gesture("hold", 20))
    owner.say(make_gesture("release", 20))
    assert heard.told == [12, "onset 20", 13, "hold 20", "release 20"]


@pytest.mark.parametrize("ends", ["silent", "gone", "over"])
def test_a_gesture_ends_with_its_owner(group: RemoteGroup, owner: Owner, clock: FakeClock, ends: str) -> None:
    heard = Heard(group)
    owner.say(make_gesture("onset", 20))
    if ends == "silent":
        clock.advance(2 * SILENT_S)
        group.look()
    elif ends == "gone":
        group.stall()
    else:
        group.finish()
    assert heard.told[:3] == [12, "onset 20", "release 20"]
    assert heard.told[3:] == ([] if ends == "over" else ["stalled"])


def test_the_next_owner_begins_gestures_anew(group: RemoteGroup, owner: Owner, clock: FakeClock) -> None:
    """It does not know of what the one before held, and that one will say no more."""
    heard = Heard(group)
    owner.say(make_gesture("onset", 20))
    after = Owner(group, clock, token=2, k=owner.k)
    after.answer()
    after.say(make_gesture("release", 20))
    after.say(make_gesture("onset", 90))
    assert heard.told == [12, "onset 20", "release 20", "onset 90"]


def test_a_gesture_that_its_owner_holds_for_long_is_told_to_one_who_comes(clock: FakeClock) -> None:
    """Its onset is no longer among the events that are kept: the owner gives it besides."""
    group = RemoteGroup(sse.encode, clock, lambda: 1234.5)
    owner = Owner(group, clock)
    owner.say(make_gesture("onset", 20), lost=True)
    for _ in range(HISTORY + 10):
        owner.frame(lost=True)
    kept = owner.kept()
    group.adopt(replace(kept, events=[owner.made[0], *kept.events]))
    heard = Heard(group)
    assert heard.told == ["onset 20", HISTORY + 9]
    owner.say(make_gesture("release", 20))
    assert heard.told[2:] == ["release 20"]
