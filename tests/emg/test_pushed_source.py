"""Chunks that a client sends: twice, in the wrong order, too many, none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.auxiliary import AuxStream
from app.emg.pushed_source import BURST_S, HOLD_S, LEAD, QUEUE_S, SPREAD_S, AuxSamples, PushSource, phase_s
from app.emg.source import Samples
from app.errors import DataError, OverloadedError, TooFastError
from tests.fakes import FakeClock

RATE, CHANNELS = 100.0, 2


def opened(clock: FakeClock, idle_s: float = 10.0) -> PushSource:
    return PushSource("arm", CHANNELS, RATE, "uV", idle_s=idle_s, clock=clock)


def counting(first: int, count: int) -> Samples:
    """Samples that say which they are."""
    index = np.arange(first, first + count, dtype=np.float32)
    return np.tile(index[:, np.newaxis], (1, CHANNELS))


def taken(source: PushSource) -> list[tuple[int, list[float]]]:
    """All chunks that can be read now: (index, what its samples say)."""
    chunks = []
    while source._ready:
        chunk = source.read()
        assert chunk is not None
        chunks.append((chunk.index, chunk.samples[:, 0].tolist()))
    return chunks


def test_chunks_in_order_are_read_as_they_came(clock: FakeClock) -> None:
    source = opened(clock)
    assert source.push(0, counting(0, 3)).next_sample == 3
    assert source.push(3, counting(3, 2)).next_sample == 5
    assert taken(source) == [(0, [0, 1, 2]), (3, [3, 4])]


def test_what_goes_on_from_another_process_begins_with_a_restart_also_where_it_is_taken_together(
    clock: FakeClock,
) -> None:
    source = opened(clock)
    source.restarts = True
    source.push(500, counting(500, 4))
    source.push(504, counting(504, 4))
    first = source.take()
    source.push(508, counting(508, 4))
    second = source.take()
    assert first is not None
    assert second is not None
    assert (first.index, len(first.samples), first.restart) == (500, 8, True)
    assert (second.index, second.restart) == (508, False)


def test_what_waits_is_taken_as_one_chunk_no_longer_than_a_tenth_of_a_second(clock: FakeClock) -> None:
    source = opened(clock)
    for first in range(0, 16, 4):
        source.push(first, counting(first, 4))
        clock.advance(0.01)
    source.push(20, counting(20, 4))  # nothing continues what comes before
    clock.advance(HOLD_S)
    took = [source.take(), source.take(), source.take()]
    assert [None if one is None else (one.index, len(one.samples)) for one in took] == [
        (0, 8),
        (8, 8),
        (20, 4),
    ]
    assert took[0] is not None
    assert took[0].samples[:, 0].tolist() == list(range(8))
    assert source.take() is None


def test_samples_are_as_old_as_when_they_came_and_not_as_when_they_were_read(clock: FakeClock) -> None:
    source = opened(clock)
    came = clock()
    source.push(0, counting(0, 4))
    clock.advance(0.05)
    source.push(4, counting(4, 4))
    clock.advance(0.05)
    chunk = source.take()
    assert chunk is not None
    assert len(chunk.samples) == 8
    assert chunk.acquired_at == came  # of the oldest of them: none is said to be younger than it is


def test_counting_may_begin_anywhere(clock: FakeClock) -> None:
    receipt = opened(clock).push(700, counting(700, 3))
    assert (receipt.accepted, receipt.lost_samples, receipt.next_sample) == (3, 0, 703)


def test_a_chunk_sent_twice_is_taken_once(clock: FakeClock) -> None:
    source = opened(clock)
    source.push(0, counting(0, 4))
    again = source.push(0, counting(0, 4))
    assert (again.accepted, again.duplicates) == (0, 4)
    overlapping = source.push(2, counting(2, 4))
    assert (overlapping.accepted, overlapping.duplicates, overlapping.next_sample) == (2, 2, 6)
    assert taken(source) == [(0, [0, 1, 2, 3]), (4, [4, 5])]


def test_two_chunks_in_the_wrong_order_are_put_right(clock: FakeClock) -> None:
    source = opened(clock)
    source.push(0, counting(0, 2))
    early = source.push(4, counting(4, 2))
    assert (early.accepted, early.next_sample, early.lost_samples) == (2, 2, 0)
    assert taken(source) == [(0, [0, 1])]
    assert source.push(2, counting(2, 2)).next_sample == 6
    assert taken(source) == [(2, [2, 3]), (4, [4, 5])]


def test_what_does_not_come_in_time_is_lost_and_told_once(clock: FakeClock) -> None:
    source = opened(clock)
    source.push(0, counting(0, 2))
    source.push(5, counting(5, 1))
    clock.advance(HOLD_S)
    assert source.push(6, counting(6, 1)).lost_samples == 3
    assert source.push(7, counting(7, 1)).lost_samples == 0
    assert taken(source) == [(0, [0, 1]), (5, [5]), (6, [6]), (7, [7])]


def test_what_was_given_up_is_refused_when_it_comes_at_last(clock: FakeClock) -> None:
    source = opened(clock)
    source.push(0, counting(0, 1))
    source.push(3, counting(3, 1))
    clock.advance(HOLD_S)
    source.push(4, counting(4, 1))
    late = source.push(1, counting(1, 2))
    assert (late.accepted, late.duplicates) == (0, 2)


def test_a_chunk_around_an_early_one_gives_what_was_missing_on_both_sides(clock: FakeClock) -> None:
    source = opened(clock)
    source.push(0, counting(0, 1))
    source.push(3, counting(3, 2))
    around = source.push(1, counting(1, 6))
    assert (around.accepted, around.duplicates, around.next_sample) == (4, 2, 7)
    assert [value for _, values in taken(source) for value in values] == [0, 1, 2, 3, 4, 5, 6]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=40))
def test_whatever_is_pushed_comes_out_in_order_and_once(pushes: list[tuple[int, int]]) -> None:
    clock = FakeClock()
    source = opened(clock)
    source.push(0, counting(0, 1))
    accepted = 1
    for first, count in pushes:
        receipt = source.push(first, counting(first, count))
        assert receipt.accepted + receipt.duplicates == count
        accepted += receipt.accepted
    clock.advance(HOLD_S)
    source.push(1000, counting(1000, 1))
    chunks = taken(source)
    seen = [value for _, values in chunks for value in values]
    assert seen == sorted(set(seen))
    assert len(seen) == accepted
    assert all(values[0] == index for index, values in chunks)


def test_a_client_may_catch_up_but_not_outrun_its_rate(clock: FakeClock) -> None:
    source = opened(clock)
    most = round(BURST_S * RATE)
    source.push(0, counting(0, most))
    with pytest.raises(TooFastError, match="100 samples a second") as error:
        source.push(most, counting(most, 30))
    assert error.value.retry_s == pytest.approx(30 / (RATE * LEAD))
    clock.advance(error.value.retry_s)
    assert source.push(most, counting(most, 30)).accepted == 30


def test_one_chunk_has_a_greatest_length(clock: FakeClock) -> None:
    with pytest.raises(DataError, match="at most 3000 samples"):
        opened(clock).push(0, counting(0, round(BURST_S * RATE) + 1))


def test_samples_that_nobody_reads_have_a_bound(clock: FakeClock) -> None:
    source = opened(clock)
    for first in range(0, round(QUEUE_S * RATE) + 100, 100):
        source.push(first, counting(first, 100))
        clock.advance(1.0)
    with pytest.raises(OverloadedError, match="waiting"):
        source.push(first + 100, counting(first + 100, 100))


@pytest.mark.parametrize(
    "samples", [np.zeros((3, 5), np.float32), np.zeros(3, np.float32)], ids=["wide", "flat"]
)
def test_another_number_of_channels_is_refused_with_the_right_one(clock: FakeClock, samples: Samples) -> None:
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        opened(clock).push(0, samples)


def test_numbers_that_are_none_are_refused(clock: FakeClock) -> None:
    source = opened(clock)
    with pytest.raises(DataError, match="NaN"):
        source.push(0, np.full((1, CHANNELS), np.nan, np.float32))
    assert source.next_sample is None


def test_a_source_that_falls_silent_has_ended(clock: FakeClock) -> None:
    source = opened(clock, idle_s=10.0)
    source.push(0, counting(0, 1))
    assert source.read() is not None
    clock.advance(10.1)
    assert source.read() is None


def test_a_reader_waits_for_the_next_chunk_and_is_woken_by_it_and_by_close(clock: FakeClock) -> None:
    source = opened(clock)
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.extend([source.read(), source.read()]))
    reader.start()
    source.push(0, counting(0, 1))
    source.close()
    reader.join(5)
    assert not reader.is_alive()
    assert read[-1] is None


def with_aux(clock: FakeClock) -> PushSource:
    stream = AuxStream(name="accelerometer", channel_names=("x",), units="g", sampling_rate=10.0)
    return PushSource("arm", CHANNELS, RATE, "uV", idle_s=10.0, clock=clock, aux_streams=(stream,))


def test_what_comes_beside_lies_where_its_own_index_says(clock: FakeClock) -> None:
    source = with_aux(clock)
    source.push(0, counting(0, 20), [AuxSamples(0, 0, np.ones((2, 1), np.float32))])
    source.push(20, counting(20, 20), [AuxSamples(0, 1, np.full((3, 1), 2, np.float32))])  # one of them again
    chunks = [source.read(), source.read()]
    found = [(aux.at, len(aux.samples)) for chunk in chunks if chunk is not None for aux in chunk.aux]
    assert found == [(0.0, 2), (20.0, 2)]


def test_what_comes_beside_must_be_finite_too(clock: FakeClock) -> None:
    source = with_aux(clock)
    with pytest.raises(DataError, match="accelerometer"):
        source.push(0, counting(0, 20), [AuxSamples(0, 0, np.full((1, 1), np.nan, np.float32))])
    assert source.next_sample is None


def test_a_client_that_sends_too_fast_is_there_all_the_same(clock: FakeClock) -> None:
    source = opened(clock, idle_s=1.0)
    most = int(BURST_S * RATE)
    source.push(0, counting(0, most))
    taken(source)
    for _ in range(3):
        clock.advance(0.6)
        with pytest.raises(TooFastError):
            source.push(most, counting(most, most))
    threading.Timer(0.2, lambda: source.push(most, counting(most, 1))).start()
    assert source.read() is not None  # None: it has ended


def test_windows_of_many_who_begin_together_do_not_end_together() -> None:
    """And those of one name always at the same samples."""
    phases = [phase_s(f"arm{k}") for k in range(160)]
    assert phases == [phase_s(f"arm{k}") for k in range(160)]
    in_fifths = np.histogram(phases, 5, (0.0, SPREAD_S))[0]
    assert in_fifths.sum() == 160
    assert in_fifths.max() <= 1.5 * 160 / 5
