from __future__ import annotations

import threading

import numpy as np
import pytest

from app.inference.backend import Batch
from app.inference.remote.messages import Answered
from app.inference.remote.senders import CONNECTIONS, Senders
from app.inference.remote.target import RemoteError
from tests.fakes import FakeClock
from tests.serving.station import until

PATIENT_S = 20.0


class Line:
    """A connection that only says whether it is closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Far:
    """Says of each window its first number, after `takes_s` of the clock, once the gate is open."""

    def __init__(self, clock: FakeClock, takes_s: float = 0.0) -> None:
        self.clock, self.takes_s = clock, takes_s
        self.calls: list[int] = []
        self.deadlines: list[float] = []
        self.lines: list[Line] = []
        self.gate, self.inside = threading.Event(), threading.Event()
        self.gate.set()

    def connect(self) -> Line:
        self.lines.append(Line())
        return self.lines[-1]

    def __call__(self, line: Line, windows: Batch, deadline: float) -> Answered:
        self.calls.append(len(windows))
        self.deadlines.append(deadline)
        if not self.gate.is_set():
            self.inside.set()
            assert self.gate.wait(PATIENT_S)
        self.clock.advance(self.takes_s)
        return Answered(windows[:, 0, :1], np.zeros(len(windows), np.float32), "1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def senders_of(far: Far, most: int = 64) -> Senders[Line]:
    return Senders(far.connect, far, lambda: most, far.clock)


def windows(value: float, count: int = 1) -> Batch:
    return np.full((count, 3, 2), value, np.float32)


def asking(senders: Senders[Line], values: list[float]) -> tuple[list[threading.Thread], dict[float, float]]:
    found: dict[float, float] = {}

    def ask(value: float) -> None:
        found[value] = float(senders.ask(windows(value), PATIENT_S).answered.output[0, 0])

    threads = [threading.Thread(target=ask, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    return threads, found


def test_an_answer_that_came_late_is_not_used_although_it_is_there(clock: FakeClock) -> None:
    """A hub that stood still woke who waited for an answer of 80 ms ago: it was there, and it was used."""
    senders = senders_of(Far(clock, takes_s=PATIENT_S + 1))
    with pytest.raises(RemoteError) as caught:
        senders.ask(windows(1), PATIENT_S)
    assert caught.value.late


def test_an_answer_says_how_long_it_waited_and_took(clock: FakeClock) -> None:
    served = senders_of(Far(clock, takes_s=0.25)).ask(windows(1, count=3), PATIENT_S)
    assert (served.wait_s, served.latency_s, served.windows) == (0.0, 0.25, 3)


def test_those_who_wait_go_together_up_to_the_most(clock: FakeClock) -> None:
    far = Far(clock)
    far.gate.clear()
    senders = senders_of(far, most=4)
    first, found = asking(senders, [1.0])
    assert far.inside.wait(PATIENT_S)
    second, more = asking(senders, [2.0])
    until(lambda: len(far.calls) == CONNECTIONS)
    rest, others = asking(senders, [float(value) for value in range(3, 9)])
    until(lambda: len(senders._waiting) == 6)
    far.gate.set()
    for thread in (*first, *second, *rest):
        thread.join(PATIENT_S)
    assert sorted(far.calls) in ([1, 1, 2, 4], [1, 1, 1, 1, 4])
    assert {**found, **more, **others} == {float(value): float(value) for value in range(1, 9)}
    assert len(far.lines) == CONNECTIONS


def test_what_somebody_gave_up_is_not_sent(clock: FakeClock) -> None:
    far = Far(clock)
    far.gate.clear()
    senders = senders_of(far)
    held, _ = asking(senders, [1.0])
    assert far.inside.wait(PATIENT_S)
    also, _ = asking(senders, [2.0])
    until(lambda: len(far.calls) == CONNECTIONS)
    with pytest.raises(RemoteError):
        senders.ask(windows(3), 0.01)
    far.gate.set()
    for thread in (*held, *also):
        thread.join(PATIENT_S)
    senders.ask(windows(4), PATIENT_S)
    assert far.calls == [1, 1, 1]


def test_a_call_may_take_as_long_as_the_last_of_its_windows_waits(clock: FakeClock) -> None:
    far = Far(clock)
    senders_of(far).ask(windows(1), 7.0)
    assert far.deadlines == [clock() + 7.0]


def test_one_that_raises_answers_those_who_asked_and_goes_on(clock: FakeClock) -> None:
    far = Far(clock)

    def fails(line: Line, windows: Batch, deadline: float) -> Answered:
        if windows[0, 0, 0] == 1:
            raise ValueError("nobody foresaw this")
        return far(line, windows, deadline)

    senders = Senders(far.connect, fails, lambda: 64, clock)
    with pytest.raises(ValueError, match="nobody foresaw this"):
        senders.ask(windows(1), PATIENT_S)
    assert senders.ask(windows(2), PATIENT_S).answered.output[0, 0] == 2


def test_connections_end_with_those_who_ask(clock: FakeClock) -> None:
    far = Far(clock)
    senders = senders_of(far)
    senders.ask(windows(1), PATIENT_S)
    senders.closed = True
    until(lambda: [line.closed for line in far.lines] == [True])
