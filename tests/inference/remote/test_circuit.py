from __future__ import annotations

import pytest

from app.inference.remote.circuit import FIRST_S, LONGEST_S, MOST_FAILURES, Circuit
from tests.fakes import FakeClock


def broken(clock: FakeClock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(MOST_FAILURES):
        clock.advance(0.1)
        circuit.failed("it is gone", clock())
    return circuit


def waits(circuit: Circuit, clock: FakeClock) -> float:
    """Until it is tried again, in whole seconds."""
    began = clock()
    while not circuit.due:
        clock.advance(1.0)
    return clock() - began


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not() -> None:
    clock = FakeClock()
    circuit = Circuit(clock)
    for number in range(2 * MOST_FAILURES):
        clock.advance(0.1)
        circuit.failed("it is gone", clock())
        if number % 2:
            circuit.answered()
    assert circuit.trouble is None
    assert broken(clock).trouble == "it is gone"


def test_questions_that_met_the_same_trouble_count_once() -> None:
    clock = FakeClock()
    circuit = Circuit(clock)
    asked_at = clock()
    clock.advance(0.1)
    for _ in range(20):
        circuit.failed("too late", asked_at)
    assert circuit.trouble is None


def test_a_grave_failure_opens_it_at_once() -> None:
    circuit = Circuit(FakeClock())
    circuit.failed("another model", 1000.0, grave=True)
    assert (circuit.trouble, circuit.opened) == ("another model", 1)


def test_it_is_tried_less_and_less_often() -> None:
    clock = FakeClock()
    circuit = broken(clock)
    found = []
    for _ in range(8):
        found.append(waits(circuit, clock))
        circuit.tried("still gone")
    assert found == pytest.approx([FIRST_S, 2, 4, 8, 16, LONGEST_S, LONGEST_S, LONGEST_S])
    assert circuit.opened == 1


def test_a_try_that_succeeds_closes_it_but_only_a_real_answer_makes_the_next_wait_short() -> None:
    clock = FakeClock()
    circuit = broken(clock)
    waits(circuit, clock)
    circuit.tried(None)
    assert circuit.trouble is None
    circuit.failed("too slow again", clock(), grave=True)
    assert waits(circuit, clock) == pytest.approx(2 * FIRST_S)
    circuit.tried(None)
    circuit.answered()
    circuit.failed("too slow again", clock(), grave=True)
    assert waits(circuit, clock) == pytest.approx(FIRST_S)
