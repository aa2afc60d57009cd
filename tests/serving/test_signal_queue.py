"""Which signal the master handles next."""

from __future__ import annotations

import queue
import signal

import pytest

from app.serving.signal_queue import SignalQueue

HUP, TERM, QUIT, USR1, CHLD = (
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGCHLD,
)


@pytest.fixture
def signals() -> SignalQueue:
    return SignalQueue(queue.SimpleQueue())


def drained(signals: SignalQueue) -> list[int]:
    found = []
    while True:
        try:
            found.append(signals.get_nowait())
        except queue.Empty:
            return found


@pytest.mark.parametrize(
    ("came", "handled"),
    [
        ([HUP] * 8 + [TERM], [TERM, HUP]),
        ([CHLD, HUP, USR1, HUP, CHLD], [CHLD, HUP, USR1, CHLD]),
        ([USR1, USR1], [USR1, USR1]),
        ([HUP, QUIT, TERM], [QUIT, TERM, HUP]),
        ([], []),
    ],
)
def test_the_end_goes_first_and_reloads_are_one(
    signals: SignalQueue, came: list[int], handled: list[int]
) -> None:
    for number in came:
        signals.put_nowait(number)
    assert drained(signals) == handled


def test_a_reload_that_comes_later_is_another(signals: SignalQueue) -> None:
    signals.put_nowait(HUP)
    assert signals.get(timeout=1.0) == HUP
    signals.put_nowait(HUP)
    assert drained(signals) == [HUP]


def test_an_order_to_end_is_seen_before_it_is_taken_and_not_after(signals: SignalQueue) -> None:
    assert (signals.ends, signals.take_end()) == (False, None)
    signals.put_nowait(HUP)
    signals.put_nowait(TERM)
    assert signals.ends
    assert signals.take_end() == TERM
    assert (signals.ends, drained(signals)) == (False, [HUP])


def test_nothing_comes_in_time(signals: SignalQueue) -> None:
    with pytest.raises(queue.Empty):
        signals.get(timeout=0.01)
