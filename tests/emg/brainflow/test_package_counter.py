from __future__ import annotations

from itertools import cycle, islice

import pytest

from app.emg.brainflow.package_counter import PackageCounter

KINDS = {  # how boards count
    "0 to 255": (range(256), 1),
    "1 to 255": (range(1, 256), 1),
    "in twos": (range(0, 256, 2), 1),
    "two samples a package": (range(101), 2),
    "0 to 65535": (range(65_536), 1),
}


def numbers(kind: str, count: int, start: int = 0) -> list[float]:
    values, repeats = KINDS[kind]
    return [float(n) for n in islice(cycle(v for v in values for _ in range(repeats)), start, start + count)]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_where_nothing_is(kind: str) -> None:
    assert sum(PackageCounter().lost_before(numbers(kind, 3000, start=90))) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packages", [1, 5, 40])
def test_lost_packages_are_counted_in_samples(kind: str, packages: int) -> None:
    repeats = KINDS[kind][1]
    lost = packages * repeats
    counter = PackageCounter()
    counter.lost_before(numbers(kind, 600))
    assert counter.lost_before(numbers(kind, 4, start=600 + lost)) == [lost, 0, 0, 0]


@pytest.mark.parametrize("kind", ["0 to 255", "1 to 255", "in twos", "two samples a package"])
def test_a_loss_across_the_turn_is_counted(kind: str) -> None:
    values, repeats = KINDS[kind]
    turn = 3 * len(values) * repeats  # the fourth time round begins here
    counter = PackageCounter()
    counter.lost_before(numbers(kind, turn - 4))
    assert counter.lost_before(numbers(kind, 6, start=turn + 4))[0] == 8


def test_before_the_usual_step_is_known_nothing_is_called_lost() -> None:
    assert sum(PackageCounter().lost_before([0.0, 1.0, 9.0, 10.0, 11.0])) == 0


def test_a_counter_that_stands_still_or_is_always_zero_loses_nothing() -> None:
    assert sum(PackageCounter().lost_before([0.0] * 500)) == 0


def test_a_board_that_was_started_again_may_begin_anywhere() -> None:
    counter = PackageCounter()
    counter.lost_before(numbers("0 to 255", 600))
    counter.reset()
    assert sum(counter.lost_before(numbers("0 to 255", 600, start=37))) == 0
