from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.signal.ring import Gaps, Ring
from app.emg.source import UNLABELLED
from app.errors import SourceError


def ramp(start: int, n: int, channels: int = 2) -> np.ndarray:
    """Samples that carry their own index, so that a wrong one shows."""
    return np.repeat(np.arange(start, start + n, dtype=np.float32)[:, None], channels, axis=1)


def ring_with(*chunks: tuple[int, int], capacity: int = 50, max_fill: int = 0) -> Ring:
    ring = Ring(capacity, 2, max_fill)
    for start, n in chunks:
        ring.write(start, ramp(start, n), np.full(n, start % 7, np.int16), acquired_at=float(start + n))
    return ring


def test_an_empty_ring_has_nothing() -> None:
    ring = Ring(10, 2)
    assert (ring.oldest, ring.newest, ring.segment_start, ring.gaps) == (0, 0, 0, Gaps())
    assert ring.window(1, 1) is None
    assert ring.label_at(0) is None
    assert ring.missing(5, 5) == 5


def test_a_window_is_addressed_by_the_index_after_its_last_sample() -> None:
    ring = ring_with((0, 10), (10, 10))
    np.testing.assert_array_equal(ring.window(13, 5), ramp(8, 5))
    np.testing.assert_array_equal(ring.labels(13, 5), [0, 0, 3, 3, 3])


def test_a_window_is_a_copy_the_writer_cannot_touch() -> None:
    ring = ring_with((0, 50))
    window = ring.window(50, 50)
    ring.write(50, ramp(50, 50))
    np.testing.assert_array_equal(window, ramp(0, 50))
    assert window.flags.c_contiguous
    assert window.dtype == np.float32


def test_an_overwritten_or_future_window_is_none() -> None:
    ring = ring_with((0, 40), (40, 30), capacity=50)
    assert (ring.oldest, ring.newest) == (20, 70)
    assert ring.window(70, 50) is not None
    assert ring.window(69, 50) is None
    assert ring.window(71, 5) is None
    assert ring.window(70, 51) is None
    assert ring.window(70, 0) is None


def test_a_write_larger_than_the_capacity_keeps_the_newest() -> None:
    ring = ring_with((0, 5), (5, 233), capacity=50)
    np.testing.assert_array_equal(ring.window(238, 50), ramp(188, 50))
    assert (ring.oldest, ring.newest) == (188, 238)


def test_a_short_gap_is_filled_with_the_last_sample_and_counted() -> None:
    ring = ring_with((0, 10), (13, 5), max_fill=3)
    np.testing.assert_array_equal(ring.window(15, 7)[:, 0], [8, 9, 9, 9, 9, 13, 14])
    np.testing.assert_array_equal(ring.labels(15, 7), [0, 0, UNLABELLED, UNLABELLED, UNLABELLED, 6, 6])
    assert ring.gaps == Gaps(number=1, lost_samples=3)
    assert [ring.missing(end, 5) for end in (10, 12, 15, 18)] == [0, 2, 3, 0]
    assert ring.segment_start == 0


def test_a_gap_one_sample_too_long_begins_a_segment() -> None:
    ring = ring_with((0, 10), (14, 5), max_fill=3)
    assert ring.gaps == Gaps(number=1, lost_samples=4)
    assert ring.segment_start == 14
    assert ring.window(15, 2) is None
    np.testing.assert_array_equal(ring.window(10, 10), ramp(0, 10))
    np.testing.assert_array_equal(ring.window(19, 5), ramp(14, 5))


def test_no_window_spans_a_restart() -> None:
    ring = ring_with((0, 10))
    ring.write(10, ramp(10, 10), restart=True)
    assert ring.window(11, 2) is None
    assert ring.window(10, 2) is not None
    assert ring.window(12, 2) is not None
    assert ring.segment_start == 10
    assert ring.gaps == Gaps()


def test_samples_lost_at_a_restart_are_counted_but_not_filled() -> None:
    ring = ring_with((0, 10), max_fill=5)
    ring.write(12, ramp(12, 10), restart=True)
    assert ring.gaps == Gaps(number=1, lost_samples=2)
    assert ring.window(12, 2) is None


def test_a_gap_right_after_an_empty_restart_holds_nothing_of_the_old_segment() -> None:
    ring = ring_with((0, 10), max_fill=5)
    ring.write(10, ramp(10, 0), restart=True)
    ring.write(12, ramp(12, 3))
    assert ring.segment_start == 12
    assert ring.window(13, 2) is None


def test_an_index_that_goes_backwards_is_an_error_and_writes_nothing() -> None:
    ring = ring_with((0, 10))
    with pytest.raises(SourceError, match="backwards, from 10 to 9"):
        ring.write(9, ramp(9, 5), restart=True)
    assert ring.newest == 10
    assert ring.gaps == Gaps()


@pytest.mark.parametrize(
    "samples", [np.zeros((5, 3), np.float32), np.zeros(5, np.float32)], ids=["channels", "1-D"]
)
def test_samples_of_another_shape_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(SourceError, match=r"must be \(n, 2\)"):
        Ring(10, 2).write(0, samples)


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(SourceError, match="5 samples cannot carry labels"):
        Ring(10, 2).write(0, ramp(0, 5), np.zeros(4, np.int16))


def test_each_sample_knows_its_label_and_when_it_arrived() -> None:
    ring = ring_with((0, 10), (10, 4))
    assert [ring.label_at(i) for i in (9, 10, 14)] == [0, 3, None]
    assert [ring.acquired_at(i) for i in (0, 9, 10, 13, 14)] == [10.0, 10.0, 14.0, 14.0, None]


def test_the_first_chunk_may_start_anywhere() -> None:
    ring = ring_with((1000, 5), max_fill=3)
    assert (ring.oldest, ring.newest, ring.gaps) == (1000, 1005, Gaps())


def test_wait_beyond_answers_at_once_when_the_sample_is_there_or_the_ring_is_closed() -> None:
    ring = ring_with((0, 10))
    assert ring.wait_beyond(9, timeout=0)
    assert not ring.wait_beyond(10, timeout=0)
    ring.close()
    assert not ring.wait_beyond(10)  # without a timeout: a hang would fail the run


def test_hundreds_of_waiting_threads_wake_on_the_write_they_wait_for() -> None:
    ring = ring_with((0, 10))
    woken: list[bool] = []
    threads = [
        threading.Thread(target=lambda i=i: woken.append(ring.wait_beyond(10 + i % 20, 30)))
        for i in range(300)
    ]
    for thread in threads:
        thread.start()
    ring.write(10, ramp(10, 10))
    ring.write(20, ramp(20, 10))
    for thread in threads:
        thread.join()
    assert woken == [True] * 300


def test_readers_never_see_a_torn_window_while_the_writer_runs() -> None:
    ring = Ring(500, 2)
    torn: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            end = ring.newest
            window = ring.window(end, 100)
            if window is not None and not np.array_equal(window, ramp(end - 100, 100)):
                torn.append(end)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for index in range(0, 30_000, 30):
        ring.write(index, ramp(index, 30))
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []


class NaiveRing:
    """The same promises over plain lists that keep everything."""

    def __init__(self, capacity: int, max_fill: int) -> None:
        self.capacity, self.max_fill = capacity, max_fill
        self.rows: dict[int, tuple[float, int, bool, int]] = {}  # index -> value, label, filled, segment
        self.end, self.segment, self.gaps, self.lost = 0, -1, 0, 0
        self.empty_segment = True

    def write(self, index: int, values: list[float], labels: list[int], restart: bool) -> None:
        lost = index - self.end if self.segment >= 0 else 0
        self.gaps += lost > 0
        self.lost += lost
        if restart or self.segment < 0 or lost > self.max_fill or (lost and self.empty_segment):
            self.segment += 1
            self.empty_segment = True
        else:
            for i in range(self.end, index):
                self.rows[i] = (self.rows[self.end - 1][0], UNLABELLED, True, self.segment)
        for i, (value, label) in enumerate(zip(values, labels, strict=True)):
            self.rows[index + i] = (value, label, False, self.segment)
            self.empty_segment = False
        self.end = index + len(values)

    def window(self, end: int, length: int) -> list[tuple[float, int, bool, int]] | None:
        indices = range(end - length, end)
        if end - length < self.end - self.capacity or any(i not in self.rows for i in indices):
            return None
        rows = [self.rows[i] for i in indices]
        return rows if len({row[3] for row in rows}) == 1 else None


writes = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=12
)


@settings(deadline=None)
@given(writes, st.integers(1, 30), st.integers(0, 5), st.integers(0, 3))
def test_it_keeps_the_promises_of_a_naive_model(
    script: list[tuple[int, int, bool, bool]], capacity: int, max_fill: int, first: int
) -> None:
    ring, naive, index = Ring(capacity, 1, max_fill), NaiveRing(capacity, max_fill), first
    for jump, n, restart, jumps in script:
        index += jump if jumps else 0
        values, labels = list(range(index, index + n)), [i % 5 for i in range(n)]
        naive.write(index, values, labels, restart)
        ring.write(index, np.array(values, np.float32).reshape(n, 1), np.array(labels, np.int16), restart)
        index += n
        assert (ring.newest, ring.gaps) == (naive.end, Gaps(naive.gaps, naive.lost))
        for end in range(max(0, index - capacity - 2), index + 2):
            for length in (1, 2, 5, capacity):
                expected = naive.window(end, length)
                window = ring.window(end, length)
                assert (window is None) == (expected is None), (end, length)
                if expected is not None:
                    assert window[:, 0].tolist() == [row[0] for row in expected]
                    assert ring.labels(end, length).tolist() == [row[1] for row in expected]
                    assert ring.missing(end, length) == sum(row[2] for row in expected)


def test_what_is_recent_is_as_much_as_the_segment_has_up_to_the_most() -> None:
    ring = ring_with((0, 10), (20, 20))  # a gap between

    np.testing.assert_array_equal(ring.recent(40, 5, 12), ramp(28, 12))
    np.testing.assert_array_equal(ring.recent(30, 5, 20), ramp(20, 10))
    np.testing.assert_array_equal(ring.recent(10, 10, 20), ramp(0, 10))
    assert ring.recent(24, 5, 20) is None
    assert ring.recent(41, 5, 20) is None
    assert ring.recent(15, 5, 20) is None


def test_what_is_recent_begins_with_the_oldest_that_is_kept() -> None:
    ring = ring_with((0, 40), (40, 30), capacity=50)

    np.testing.assert_array_equal(ring.recent(30, 5, 40), ramp(20, 10))
    assert ring.recent(22, 5, 40) is None


def test_what_is_recent_is_never_torn_or_short_while_the_writer_runs() -> None:
    ring = Ring(150, 2)
    wrong: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            end = ring.newest
            found = ring.recent(end, 20, 140)
            if found is not None and not (
                len(found) >= 20 and np.array_equal(found, ramp(end - len(found), len(found)))
            ):
                wrong.append(end)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for index in range(0, 30_000, 30):
        ring.write(index, ramp(index, 30))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_who_watches_is_told_of_every_write_and_of_the_end_until_it_does_so_no_more() -> None:
    ring, seen, others = Ring(20, 2), [], []

    def watcher() -> None:
        seen.append(ring.newest)

    ring.watch(watcher)
    ring.watch(lambda: others.append(ring.newest))
    ring.write(0, ramp(0, 5))
    ring.write(5, ramp(5, 30))
    ring.close()
    assert seen == [5, 35, 35]
    ring.unwatch(watcher)
    ring.unwatch(watcher)
    ring.write(35, ramp(35, 1))
    assert (seen, others) == ([5, 35, 35], [5, 35, 35, 36])


def test_marks_of_filled_samples_and_labels_do_not_outlast_them() -> None:
    """A row is used again for another sample, also where the index has jumped over it in between."""
    ring = Ring(20, 2, max_fill=3)
    ring.write(0, ramp(0, 5))
    ring.write(7, ramp(7, 3), np.full(3, 4, np.int16))  # samples 5 and 6 are filled
    assert (ring.missing(10, 10), ring.label_at(9)) == (2, 4)
    ring.write(1020, ramp(1020, 8))
    ring.write(1030, ramp(1030, 10))  # and two of these
    assert ring.missing(1028, 8) == 0
    assert ring.missing(1040, 20) == 2
    assert [ring.label_at(index) for index in (1025, 1029, 1039)] == [UNLABELLED] * 3
