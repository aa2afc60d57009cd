from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.signal.timestamps import JUMP_S, TimestampFit
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


# --- chunks that are stamped late, and clocks that are set --------------------------------------------


def generated(
    rate: float, chunk: int, late_s: float, seconds: float, lost: dict[int, int] | None = None
) -> tuple:
    """As MyoGestic's generator stamps them: about once a second it looks for a stream, and is late with one chunk.

    Returns the stamps of each chunk, their arrival, and the true index of their samples; `lost` by chunk.
    """
    random = np.random.default_rng(1)
    chunks, arrivals, truth = [], [], []
    sent, probe_at = 0, 0.7
    for number in range(int(seconds * rate / chunk)):
        sent += (lost or {}).get(number, 0)
        index = np.arange(sent, sent + chunk)
        sent += chunk
        now = sent / rate + random.uniform(0, 0.002)
        if now >= probe_at and number not in (lost or {}):
            probe_at, now = now + 1.0, now + late_s
        chunks.append(1000.0 + now - (chunk - 1 - np.arange(chunk)) / rate)
        arrivals.append(50.0 + now + random.uniform(0, 0.005))
        truth.append(index)
    return chunks, arrivals, truth


@pytest.mark.parametrize(
    ("rate", "chunk"), [(256.0, 32), (256.0, 8), (2048.0, 256), (200.0, 20), (2000.0, 200), (1000.0, 64)]
)
@pytest.mark.parametrize("late_s", [0.046, 0.0521, 0.06])
@pytest.mark.parametrize("told", [True, False], ids=["with arrivals", "stamps alone"])
def test_a_chunk_that_is_stamped_late_is_no_gap(rate: float, chunk: int, late_s: float, told: bool) -> None:
    """`python -m myogestic.tools.emg_generator`: its stamps step back by 46 ms once a second, a gap of 13 samples."""
    line = TimestampFit(rate)
    for stamps, arrived, truth in zip(*generated(rate, chunk, late_s, 60.0), strict=True):
        placed = line.place(stamps, arrived if told else None)
        assert np.array_equal(placed.indices, truth)
        assert not placed.restart


def test_a_late_chunk_that_comes_in_two_parts_is_no_gap() -> None:
    line = TimestampFit(256.0)
    chunks, arrivals, truth = generated(256.0, 32, 0.052, 60.0)
    for stamps, arrived, index in zip(chunks, arrivals, truth, strict=True):
        for part in (slice(0, 10), slice(10, 32)):
            assert np.array_equal(line.place(stamps[part], arrived).indices, index[part])


def test_a_loss_among_chunks_that_are_stamped_late_is_counted_once() -> None:
    lost = {40: 30, 123: 100}  # samples of 256 Hz: a little less than a chunk, and more
    line = TimestampFit(256.0)
    chunks, arrivals, truth = generated(256.0, 32, 0.046, 40.0, lost)
    placed = [line.place(*one).indices for one in zip(chunks, arrivals, strict=True)]
    wrong = [
        n for n, (ours, true) in enumerate(zip(placed, truth, strict=True)) if abs(int((ours - true)[0])) > 4
    ]
    assert wrong in ([], [40]), "a loss that one chunk may explain is believed with the next"
    assert all((np.diff(one) == 1).all() for one in placed)


@pytest.mark.parametrize("jump_s", [0.2, 3.0, 15.0, 59.0])
@pytest.mark.parametrize("at", [2000, 2013], ids=["between chunks", "within one"])
def test_stamps_that_jump_ahead_of_the_time_that_passed_are_a_clock_and_no_loss(
    jump_s: float, at: int
) -> None:
    """15 s ahead were 3000 samples of 200 Hz lost, though these came without a pause."""
    stamps = regular(8000, rate=200.0)
    arrivals = stamps + 40.0
    stamps[at:] += jump_s
    line = TimestampFit(200.0)
    placed = [line.place(stamps[k : k + 20], arrivals[k + 19]) for k in range(0, 8000, 20)]
    assert np.array_equal(np.concatenate([one.indices for one in placed]), np.arange(8000))
    assert sum(one.restart for one in placed) == (jump_s > 1.0)


@given(st.lists(st.tuples(st.integers(40, 3000), st.booleans()), max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_of_jumps_just_those_are_losses_for_which_time_has_passed(
    jumps: list[tuple[int, bool]], seed: int
) -> None:
    """Each jump is a loss, in which nothing came, or a clock that was set by as much."""
    random = np.random.default_rng(seed)
    line, clock, now, lost = TimestampFit(200.0), 1000.0, 0.0, 0
    placed, sent = [], 0
    for size, real in [(0, False), *jumps]:
        clock += size / 200.0
        if real:
            now, lost = now + size / 200.0, lost + size
        for _ in range(60):
            clock, now, sent = clock + 0.1, now + 0.1, sent + 20
            stamps = clock + np.arange(-20, 0) / 200.0
            placed.append(line.place(stamps, now + random.uniform(0, 0.02)).indices)
    index = np.concatenate(placed)
    assert index[-1] + 1 - sent == lost
