"""A receiver who is slow, gone or wrong costs nobody else anything, and is told what it is owed once it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.serving.counters.output_row import OutputRow
from app.serving.outputs.delivery import LAST_WORD_S, Delivery, UndeliveredError
from app.serving.outputs.mailbox import Kind, Letter
from tests.serving.outputs.gestures import new_row
from tests.serving.station import until


class Other:
    """A receiver that does as the test says."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.does: Callable[[str], None] = lambda message: None
        self.tries = self.closed = 0

    def send(self, message: str) -> None:
        self.tries += 1
        self.does(message)
        self.got.append(message)

    def close(self) -> None:
        self.closed += 1


def fails(error: Exception) -> Callable[[str], None]:
    def does(_message: str) -> None:
        raise error

    return does


@pytest.fixture
def other() -> Other:
    return Other()


@pytest.fixture
def row() -> OutputRow:
    return new_row()


@pytest.fixture
def delivery(other: Other, row: OutputRow) -> Iterator[Delivery[str]]:
    made: Delivery[str] = Delivery("test", other, row)
    yield made
    other.does = lambda message: None
    made.close()


def put(delivery: Delivery[str], *told: tuple[Kind, int]) -> None:
    for kind, gesture in told:
        delivery.put(Letter(f"{kind} {gesture}", kind, gesture, -1))


def test_letters_are_delivered_in_order_and_counted(
    delivery: Delivery[str], other: Other, row: OutputRow
) -> None:
    put(delivery, ("onset", 1), ("hold", 1), ("release", 1))
    until(lambda: row.messages == 3)
    assert other.got == ["onset 1", "hold 1", "release 1"]
    assert row.failures == row.drops == 0


@pytest.mark.parametrize(
    "error", [UndeliveredError("not there"), OSError(101, "Network is unreachable"), ValueError("odd")]
)
def test_a_release_is_tried_again_until_it_is_taken(
    delivery: Delivery[str], other: Other, row: OutputRow, error: Exception
) -> None:
    put(delivery, ("onset", 1))
    until(lambda: other.got)
    other.does = fails(error)
    put(delivery, ("release", 1))
    until(lambda: other.tries >= 3)
    assert row.state == "failed"
    assert delivery.trouble is not None
    other.does = lambda message: None
    if isinstance(error, ValueError):  # of a library that fails at a message: three tries, and the next
        put(delivery, ("onset", 2), ("release", 2))
        until(lambda: other.got[-1] == "release 2")
    else:
        until(lambda: other.got == ["onset 1", "release 1"])
    until(lambda: delivery.trouble is None and row.state == "open")


def test_a_hold_is_not_tried_again(delivery: Delivery[str], other: Other, row: OutputRow) -> None:
    other.does = fails(UndeliveredError("not there"))
    put(delivery, ("hold", 1))
    until(lambda: row.drops == 1)
    assert other.tries == 1


def test_what_the_receiver_refuses_is_not_tried_again(
    delivery: Delivery[str], other: Other, row: OutputRow
) -> None:
    other.does = fails(UndeliveredError("answers 400", again=False))
    put(delivery, ("onset", 1))
    until(lambda: row.drops == 1)
    other.does = lambda message: None
    put(delivery, ("onset", 2))
    until(lambda: other.got == ["onset 2"])
    assert other.tries == 2


def test_whoever_puts_never_waits_for_a_receiver_that_hangs(delivery: Delivery[str], other: Other) -> None:
    free = threading.Event()
    other.does = lambda message: (free.wait(10.0), None)[1]
    put(delivery, ("onset", 0))
    until(lambda: other.tries)
    for gesture in range(1, 2000):
        put(delivery, ("onset", gesture), ("hold", gesture), ("release", gesture))
    assert other.tries == 1, "it still hangs, and all were put"
    free.set()
    until(lambda: other.got and other.got[-1] == "release 1999")


def test_a_receiver_that_is_well_again_is_served_without_a_wait(
    delivery: Delivery[str], other: Other
) -> None:
    """MQTT's own thread says when there is a connection again."""
    delivery._again_max_s = 60.0
    other.does = fails(UndeliveredError("not connected", after_s=60.0))
    put(delivery, ("onset", 1))
    until(lambda: other.tries == 1 and delivery.trouble)
    other.does = lambda message: None
    time.sleep(0.05)  # it waits its minute now
    delivery.well()
    until(lambda: other.got == ["onset 1"])


def test_closing_says_what_is_owed_and_nothing_else(delivery: Delivery[str], other: Other) -> None:
    free = threading.Event()
    put(delivery, ("onset", 1))
    until(lambda: other.got)
    other.does = lambda message: (free.wait(10.0), None)[1]
    put(delivery, ("hold", 1))
    until(lambda: other.tries == 2)
    put(delivery, ("release", 1), ("onset", 2), ("release", 2))
    threading.Timer(0.05, free.set).start()
    delivery.close()
    assert other.got == ["onset 1", "hold 1", "release 1"]
    assert other.closed == 1


def test_closing_does_not_wait_long_for_who_is_gone(delivery: Delivery[str], other: Other) -> None:
    put(delivery, ("onset", 1))
    until(lambda: other.got)
    other.does = fails(UndeliveredError("gone"))
    put(delivery, ("release", 1))
    began = time.monotonic()
    delivery.close()
    assert time.monotonic() - began < 10 * LAST_WORD_S
    assert other.closed == 1
