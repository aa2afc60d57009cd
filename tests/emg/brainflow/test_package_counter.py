from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# --- any regular numbering ----------------------------------------------------------------------------

TURNS = {
    "Ganglion, two samples a package": [0, *(n for n in range(101, 201) for _ in range(2))],
    "Ganglion, the first beside its pairs": [0, *(n for n in range(1, 101) for _ in range(2))],
    "0 to 100, then 100 to 199": [*range(101), *range(100, 200)],
    "0 to 100": list(range(101)),
    "100 to 199": list(range(100, 200)),
    "0 to 200": list(range(201)),
    "down from 255": list(range(255, -1, -1)),
    "signed, 8 bit": list(range(-128, 128)),
    "one left out": [*range(100), *range(101, 256)],
    "three, then one": [n for n in range(50) for _ in range(3 if n % 2 else 1)],
    "a number that comes at two places": [0, 1, 2, 3, 1, 5, 6, 7],
    "halves": [n / 2 for n in range(200)],
    "a turn of two": [0, 1],
}


def turning(turn: list[float], count: int, start: int = 0) -> list[float]:
    return [float(turn[at % len(turn)]) for at in range(start, start + count)]


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("start", [0, 1, 57, 130])
def test_no_numbering_that_comes_again_in_each_turn_is_a_loss(name: str, start: int) -> None:
    """A Ganglion's 0, 101, 101, 102 .. 200, 200 gave 0.5 loss and 425 Hz: the step from 0 was taken for a loss."""
    assert PackageCounter().lost_before(turning(TURNS[name], 3000, start)) == [0] * 3000


@pytest.mark.parametrize("name", TURNS)
def test_in_a_turn_that_is_known_each_loss_is_counted_at_its_place(name: str) -> None:
    turn = TURNS[name]
    counter = PackageCounter()
    counter.lost_before(turning(turn, 2100))
    assert counter.turn == len(turn)
    at = 2100
    for lost in range(1, len(turn) - 1):
        at += lost
        assert sum(counter.lost_before(turning(turn, 20, at))) == lost
        at += 20


def test_a_jump_that_recurs_at_its_place_is_no_loss_and_another_there_is_one() -> None:
    turn = [*range(100), *range(120, 256)]
    counter = PackageCounter()
    counter.lost_before(turning(turn, 3 * len(turn) + 90))
    assert counter.lost_before([90, 91, 99, 120, 121, 131, 132]) == [0, 0, 7, 0, 0, 9, 0]


def test_a_board_that_changes_its_way_to_count_is_learned_anew() -> None:
    """A Ganglion counts 0..100 with its accelerometer on, and 0, 101..200 with it off."""
    counter = PackageCounter()
    counter.lost_before(turning(TURNS["0 to 100"], 500))
    other = TURNS["Ganglion, two samples a package"]
    counter.lost_before(turning(other, 5 * len(other), start=1))
    assert counter.turn == len(other)
    assert sum(counter.lost_before(turning(other, 2000, start=1 + 5 * len(other) + 30))) == 30


def test_what_cannot_have_been_sampled_meanwhile_was_not_lost() -> None:
    counter = PackageCounter()
    counter.lost_before(numbers("0 to 255", 600))
    assert counter.lost_before(numbers("0 to 255", 3, start=700), most=99) == [0, 0, 0]
    assert counter.lost_before(numbers("0 to 255", 3, start=803), most=100) == [100, 0, 0]


@st.composite
def regular(draw: st.DrawFn) -> list[float]:
    """Numbers that rise by any steps, each shared by some samples, from any first on; or in any order."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5, 100]), min_size=4, max_size=300))
    repeats = draw(st.sampled_from([(1,), (2,), (1, 2), (3, 1, 1)]))
    turn, number = [], draw(st.integers(-200, 200))
    for place, step in enumerate(steps):
        turn += [float(number)] * repeats[place % len(repeats)]
        number += step
    return turn


@given(regular(), st.data())
@settings(max_examples=60, deadline=None)
def test_exactly_what_was_lost_is_counted(turn: list[float], data: st.DataObject) -> None:
    """Two turns from anywhere teach the numbering; after that losses of any length below a turn."""
    at = data.draw(st.integers(0, len(turn) - 1), label="start")
    counter = PackageCounter()
    known = 64 + 4 * len(turn)
    assert sum(counter.lost_before(turning(turn, known, at))) == 0
    at += known
    for lost, then in data.draw(
        st.lists(st.tuples(st.integers(1, len(turn) - 3), st.integers(8, 100)), max_size=20), label="losses"
    ):
        at += lost
        assert sum(counter.lost_before(turning(turn, then, at))) == lost
        at += then


@pytest.mark.parametrize("name", [name for name in TURNS if "two places" not in name])
def test_a_board_that_loses_some_packages_from_the_start_is_learned_all_the_same(name: str) -> None:
    """Seldom are two turns whole, so each place is learned by what came after it most often."""
    turn = TURNS[name]
    count = 60 * len(turn)
    random = np.random.default_rng(3)
    kept = np.ones(count, bool)
    for at in random.integers(0, count, count // 100):
        kept[at : at + random.integers(1, 4)] = False
    kept[30 * len(turn) - 1 : 30 * len(turn) + 3] = kept[-9:] = True
    counter = PackageCounter()
    all_numbers = np.array(turning(turn, count))
    half = 30 * len(turn)
    counter.lost_before(all_numbers[:half][kept[:half]].tolist())
    counted = counter.lost_before(all_numbers[half:][kept[half:]].tolist())
    assert sum(counted) == (~kept[half:]).sum()
