from __future__ import annotations

import threading

import pytest

from app.errors import NodeGoneError
from app.serving.fanout.newest_facts import FRESH_S, KEPT_S, NewestFacts
from tests.fakes import FakeClock
from tests.serving.station import until


class Owner:
    """Answers when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.may_answer, self.gone = threading.Event(), False
        self.may_answer.set()

    def __call__(self, what: str, source: str) -> int:
        self.asked.append((what, source))
        assert self.may_answer.wait(5)
        if self.gone:
            raise NodeGoneError("the worker a is gone")
        return len(self.asked)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def facts(owner: Owner, clock: FakeClock) -> NewestFacts:
    return NewestFacts(owner, clock)


def test_it_does_not_wait_and_asks_once_for_all_who_want_to_know(owner: Owner, facts: NewestFacts) -> None:
    owner.may_answer.clear()
    assert [facts.newest("quality", "arm") for _ in range(5)] == [None] * 5
    owner.may_answer.set()
    until(lambda: facts.newest("quality", "arm") == 1)
    assert owner.asked == [("quality", "arm")]


def test_an_answer_holds_for_a_while_and_is_then_asked_for_again(
    owner: Owner, facts: NewestFacts, clock: FakeClock
) -> None:
    until(lambda: facts.newest("quality", "arm") == 1)
    clock.advance(FRESH_S * 0.9)
    assert facts.newest("quality", "arm") == 1
    clock.advance(FRESH_S * 0.2)
    owner.may_answer.clear()
    assert facts.newest("quality", "arm") == 1, "the one before, until there is another"
    owner.may_answer.set()
    until(lambda: facts.newest("quality", "arm") == 2)


def test_the_answer_before_holds_while_its_owner_is_gone(
    owner: Owner, facts: NewestFacts, clock: FakeClock
) -> None:
    until(lambda: facts.newest("quality", "arm") == 1)
    owner.gone = True
    for _ in range(3):
        clock.advance(FRESH_S)
        known = len(owner.asked)
        assert facts.newest("quality", "arm") == 1
        until(lambda known=known: len(owner.asked) > known)


def test_what_nobody_wants_to_know_any_more_is_forgotten(
    owner: Owner, facts: NewestFacts, clock: FakeClock
) -> None:
    until(lambda: facts.newest("quality", "arm") == 1)
    clock.advance(KEPT_S)
    owner.may_answer.clear()
    facts.newest("quality", "leg")
    assert facts.newest("quality", "arm") is None
    owner.may_answer.set()
