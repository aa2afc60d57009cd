"""Samples of a live socket on their way to the worker that has their source."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from app.emg.pushed_source import AuxSamples, Receipt
from app.emg.source import Samples
from app.errors import BusyError, OverloadedError, TooFastError
from app.serving.pipelines.forwarding import MOST_WAITING_S, TOGETHER_S, Forwarding
from tests.serving.station import until

RATE, CHANNELS = 1000, 2


class FarSource:
    """Takes what comes when the test lets it; has what a `RemoteSource` has."""

    name, sampling_rate = "arm", float(RATE)

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), threading.Event()
        self.came: list[tuple[int, int, int]] = []  # first sample, samples, auxiliary parts
        self.refuses: list[Exception] = []

    def push(self, first_sample: int, samples: Samples, aux: tuple[AuxSamples, ...]) -> Receipt:
        self.asked.set()
        assert self.go.wait(20)
        if self.refuses:
            raise self.refuses.pop(0)
        self.came.append((first_sample, len(samples), len(aux)))
        return Receipt(len(samples), 0, 0, first_sample + len(samples))


@pytest.fixture
def far() -> FarSource:
    return FarSource()


@pytest.fixture
def forwarding(far: FarSource) -> Forwarding:
    return Forwarding(far)


def chunk(count: int = 20) -> Samples:
    return np.zeros((count, CHANNELS), np.float32)


def test_nobody_waits_for_the_other_worker_and_what_waits_goes_together(
    far: FarSource, forwarding: Forwarding
) -> None:
    forwarding.push(0, chunk())
    assert far.asked.wait(20)
    for first in range(20, 200, 20):
        forwarding.push(first, chunk())
    forwarding.push(500, chunk())  # it continues nothing
    assert forwarding.receipts() == []
    assert forwarding.owes
    far.go.set()
    until(lambda: not forwarding.owes)
    assert far.came == [(0, 20, 0), (20, 180, 0), (500, 20, 0)]
    assert [receipt.next_sample for receipt in forwarding.receipts()] == [20, 200, 520]
    assert forwarding.receipts() == []
    forwarding.close()


def test_no_piece_is_longer_than_a_second_of_signal(far: FarSource, forwarding: Forwarding) -> None:
    forwarding.push(0, chunk())
    assert far.asked.wait(20)
    for first in range(20, 3020, 20):
        forwarding.push(first, chunk())
    far.go.set()
    until(lambda: not forwarding.owes)
    assert sum(count for _, count, _ in far.came) == 3020
    assert max(count for _, count, _ in far.came) == TOGETHER_S * RATE
    forwarding.close()


def test_what_comes_beside_goes_along(far: FarSource, forwarding: Forwarding) -> None:
    forwarding.push(0, chunk())
    assert far.asked.wait(20)
    beside = AuxSamples(0, 0, np.zeros((1, 3), np.float32))
    for first in (20, 40):
        forwarding.push(first, chunk(), [beside])
    far.go.set()
    until(lambda: not forwarding.owes)
    assert far.came == [(0, 20, 0), (20, 40, 2)]
    forwarding.close()


def test_who_sends_more_than_is_taken_is_told_to_wait(far: FarSource, forwarding: Forwarding) -> None:
    whole = round(MOST_WAITING_S * RATE)
    forwarding.push(0, chunk(whole + 1))
    with pytest.raises(OverloadedError, match="arm"):
        forwarding.push(whole + 1, chunk())
    far.go.set()
    until(lambda: not forwarding.owes)
    forwarding.push(whole + 1, chunk())
    until(lambda: len(far.came) == 2)
    forwarding.close()


def test_what_comes_too_fast_is_sent_again_until_it_is_taken(far: FarSource, forwarding: Forwarding) -> None:
    far.refuses = [TooFastError("more than declared", 0.01), TooFastError("more than declared", 0.01)]
    far.go.set()
    forwarding.push(0, chunk())
    until(lambda: far.came == [(0, 20, 0)])
    forwarding.close()


def test_what_was_refused_is_said_with_the_next_message(far: FarSource, forwarding: Forwarding) -> None:
    far.refuses = [BusyError("declared anew")]
    far.go.set()
    forwarding.push(0, chunk())
    until(lambda: not forwarding.owes)
    with pytest.raises(BusyError, match="declared anew"):
        forwarding.push(20, chunk())
    assert far.came == []


def test_what_waits_when_the_client_leaves_is_carried_on(far: FarSource, forwarding: Forwarding) -> None:
    forwarding.push(0, chunk())
    assert far.asked.wait(20)
    forwarding.push(500, chunk())
    forwarding.close()
    far.go.set()
    until(lambda: far.came == [(0, 20, 0), (500, 20, 0)])
