from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.lsl.timestamps import JUMP_S, TimestampFit
from app.errors import SourceError

RATE = 2000.0


def regular(count: int, start: float = 100.0, rate: float = RATE) -> np.ndarray:
    return start + np.arange(count) / rate


def in_chunks(line: TimestampFit, stamps: np.ndarray, size: int = 20) -> tuple[np.ndarray, int]:
    """The indices, and how often the line began anew."""
    placed = [line.place(stamps[at : at + size]) for at in range(0, len(stamps), size)]
    return np.concatenate([one.indices for one in placed]), sum(one.restart for one in placed)


def test_regular_samples_are_numbered_one_by_one() -> None:
    indices, restarts = in_chunks(TimestampFit(RATE), regular(10_000))
    assert np.array_equal(indices, np.arange(10_000))
    assert restarts == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 7, 20, 200]))
@settings(max_examples=30, deadline=None)
def test_jitter_makes_no_gap(seed: int, size: int) -> None:
    """A desktop system delays a sender by up to a few tens of ms."""
    late = np.random.default_rng(seed).uniform(0.0, 0.8 * JUMP_S, 4000 // size + 1).repeat(size)[:4000]
    indices, restarts = in_chunks(TimestampFit(RATE), regular(4000) + late, size)
    assert np.array_equal(indices, np.arange(4000))
    assert restarts == 0


@pytest.mark.parametrize("lost", [150, 1000, 20_000])
@pytest.mark.parametrize("at", [400, 405])  # between two chunks, and within one
def test_a_jump_is_as_many_lost_samples(lost: int, at: int) -> None:
    stamps = np.delete(regular(2000 + lost), np.arange(at, at + lost))
    indices, restarts = in_chunks(TimestampFit(RATE), stamps)
    assert np.array_equal(indices, np.delete(np.arange(2000 + lost), np.arange(at, at + lost)))
    assert restarts == 0


def test_two_jumps_in_one_chunk_are_both_found() -> None:
    line = TimestampFit(RATE)
    line.place(regular(20))
    stamps = np.concatenate([regular(5, 100.11), regular(5, 100.11 + 0.2 + 5 / RATE)])
    indices = line.place(stamps).indices
    assert np.array_equal(indices, [*range(220, 225), *range(625, 630)])


def test_a_pause_of_the_sender_with_all_samples_after_it_is_no_gap() -> None:
    """It stamps them as it sends them: late at first, on the line again at the end of the burst."""
    stamps = regular(2000)
    stamps[600:1000] = np.maximum(stamps[600:1000], stamps[1000])  # all sent at once
    line = TimestampFit(RATE)
    line.place(stamps[:600])
    assert line.doubts(stamps[600:700]), "a look at what follows would explain it"
    assert not line.doubts(stamps[600:1000])
    indices = np.concatenate([line.place(stamps[600:1000]).indices, in_chunks(line, stamps[1000:])[0]])
    assert np.array_equal(indices, np.arange(600, 2000))


@pytest.mark.parametrize("off", [0.95, 0.999, 1.001, 1.05])
def test_a_clock_that_is_off_makes_no_gap(off: float) -> None:
    indices, restarts = in_chunks(TimestampFit(RATE), regular(120_000, rate=RATE * off))
    assert np.array_equal(indices, np.arange(120_000))
    assert restarts == 0


@pytest.mark.parametrize("jump_s", [-3600.0, -2.0, 300.0], ids=["an hour back", "two seconds back", "ahead"])
def test_a_clock_that_was_set_begins_anew_and_loses_nothing(jump_s: float) -> None:
    stamps = np.concatenate([regular(400), regular(400, 100.2 + jump_s)])
    indices, restarts = in_chunks(TimestampFit(RATE), stamps)
    assert np.array_equal(indices, np.arange(800))
    assert restarts == 1


def test_indices_always_rise() -> None:
    random = np.random.default_rng(5)
    stamps = 100 + np.cumsum(random.choice([0.0, 0.0005, 0.001, 0.3, -0.2, 90.0, -70.0], 5000))
    indices, _ = in_chunks(TimestampFit(RATE), stamps, 13)
    assert (np.diff(indices) >= 1).all()


def test_stamps_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(SourceError, match="not numbers"):
        TimestampFit(RATE).place(np.array([1.0, np.nan]))
