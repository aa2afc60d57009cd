"""Gestures of a source that another worker reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.api.sse import events as sse
from app.serving.streams.group_events import HISTORY
from app.serving.streams.remote_group import SILENT_S, RemoteGroup
from tests.fakes import FakeClock
from tests.serving.station import make_gesture
from tests.serving.streams.publishing import Heard, Owner


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
