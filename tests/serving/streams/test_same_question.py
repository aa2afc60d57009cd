from __future__ import annotations

import threading

import pytest

from app.errors import OverloadedError
from app.serving.streams.same_question import SameQuestion
from tests.serving.station import until

PATIENT_S = 20.0


class Slow:
    """Answers when it is let, or raises, and counts how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate, self.inside, self.asked, self.error = threading.Event(), threading.Event(), 0, error

    def __call__(self) -> str:
        self.asked += 1
        self.inside.set()
        assert self.gate.wait(PATIENT_S)
        if self.error is not None:
            raise self.error
        return "rest"


def asking(question: SameQuestion[str], slow: Slow, count: int) -> list[object]:
    """What so many get who ask at the same time."""
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(question.once("window", slow))
        except OverloadedError as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    threads[0].start()
    assert slow.inside.wait(PATIENT_S)
    for thread in threads[1:]:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in threads) == count)
    slow.gate.set()
    for thread in threads:
        thread.join(PATIENT_S)
    return found


def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    slow = Slow()
    assert asking(SameQuestion(), slow, 5) == ["rest"] * 5
    assert slow.asked == 1


def test_who_asks_meanwhile_gets_the_same_error() -> None:
    error = OverloadedError("too much")
    assert asking(SameQuestion(), Slow(error), 5) == [error] * 5


def test_an_error_is_not_remembered() -> None:
    question, slow = SameQuestion[str](), Slow(OverloadedError("too much"))
    slow.gate.set()
    with pytest.raises(OverloadedError):
        question.once("window", slow)
    slow.error = None
    assert question.once("window", slow) == "rest"
    assert slow.asked == 2


def test_another_question_does_not_wait() -> None:
    question, slow = SameQuestion[str](), Slow()
    thread = threading.Thread(target=lambda: question.once("window", slow))
    thread.start()
    assert slow.inside.wait(PATIENT_S)
    assert question.once("another", lambda: "fist") == "fist"
    slow.gate.set()
    thread.join(PATIENT_S)
