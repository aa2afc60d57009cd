"""A cursor's trajectory: each movement alone at two levels, then all at once, smooth, at rest at both ends."""

from __future__ import annotations

import numpy as np
import pytest

from app.emg.recording.prompts.trajectory import Trajectory
from app.errors import DataError

NAMES = ("wrist", "rotation", "grip")


def drawn(seconds: float = 120.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(0, seconds, 0.02)
    return at, Trajectory(NAMES, seconds, seed, frozenset({"grip"})).at(at)


def test_it_stays_in_its_range_and_begins_and_ends_at_rest() -> None:
    _, found = drawn()
    assert np.abs(found).max() <= 1
    assert found[:, 2].min() == 0
    assert (found[0] == 0).all()
    assert np.abs(found[-1]).max() < 0.01


def test_a_person_can_follow_it() -> None:
    _, found = drawn()
    assert np.abs(np.diff(found, axis=0)).max() / 0.02 < 5  # ranges a second


def test_each_movement_is_made_alone_at_two_levels_and_then_several_at_once() -> None:
    at, found = drawn()
    plan = Trajectory(NAMES, 120.0, 0, frozenset({"grip"}))
    alone = list(plan.places())
    assert {(name, level) for _, name, level in alone} == {
        *((name, way * level) for name in NAMES[:2] for way in (1, -1) for level in (1.0, 0.5)),
        *(("grip", level) for level in (1.0, 0.5)),
    }
    for begin, name, level in alone:
        held = found[(at > begin + 1.1) & (at < begin + 2.4)]
        assert held[:, NAMES.index(name)] == pytest.approx(level)
        assert (np.delete(held, NAMES.index(name), axis=1) == 0).all()
    later = found[at > alone[-1][0] + 5]
    assert ((np.abs(later) > 0.2).sum(axis=1) > 1).mean() > 0.3
    level = np.abs(later).max(axis=1)
    assert ((level > 0.2) & (level < 0.8)).mean() > 0.3


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    one, same, other = (drawn(seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_outside_of_its_time_it_is_at_rest() -> None:
    plan = Trajectory(NAMES, 30.0)
    assert (plan.at([-1.0, 31.0, 1e6]) == 0).all()


@pytest.mark.parametrize(
    ("names", "seconds", "message"),
    [
        ((), 60, "1 to 6 values, got 0"),
        (("a", "a"), 60, "names that differ"),
        ((" a",), 60, "a short printable text"),
        (("a",), 5, "20 to 1800 s, got 5"),
        (("a",), float("nan"), "20 to 1800 s, got nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(names: tuple[str, ...], seconds: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Trajectory(names, seconds)
