from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk
from app.errors import SourceError
from app.serving.sources import acquisition as module
from app.serving.sources.acquisition import STALL_S, Acquisition
from tests.fakes import FakeClock, StepwiseSource
from tests.serving.station import until

PATIENT_S = 20.0


def chunk(index: int, count: int = 2, channels: int = 1) -> Chunk:
    return Chunk(index=index, samples=np.ones((count, channels), np.float32))


class Watched:
    """An acquisition of a source that the test feeds step by step, with time that the test moves."""

    def __init__(self) -> None:
        self.source, self.clock = StepwiseSource(), FakeClock()
        self.ring = Ring(100, 1, max_fill=10)
        path = SignalPath(self.ring, design([], self.source.sampling_rate, None))
        self.acquisition = Acquisition(self.source, path, self.clock)

    @property
    def state(self) -> str:
        return self.acquisition.state

    def give(self, step: Chunk | SourceError | None, state: str = "running") -> None:
        """Hand over one step and wait until the acquisition has taken it in."""
        self.source.give(step)
        if isinstance(step, Chunk):
            end = step.index + len(step.samples)
            until(lambda: self.ring.newest == end and self.state == state, PATIENT_S)
        else:
            until(lambda: self.state == state, PATIENT_S)


@contextmanager
def watched() -> Iterator[Watched]:
    found = Watched()
    found.acquisition.start()
    try:
        yield found
    finally:
        found.acquisition.close()


@pytest.fixture
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)


def test_it_is_starting_until_the_first_samples_then_running() -> None:
    with watched() as it:
        assert (it.state, it.acquisition.look().last_sample_age_ms) == ("starting", None)
        it.give(chunk(0))
        it.clock.advance(0.05)
        look = it.acquisition.look()
    assert (look.state, look.name, look.samples, look.error) == ("running", "stepwise", 2, None)
    assert look.last_sample_age_ms == pytest.approx(50)


def test_it_is_stalled_when_no_samples_come_and_running_once_they_do() -> None:
    with watched() as it:
        it.give(chunk(0))
        it.clock.advance(STALL_S)
        assert it.state == "running"
        it.clock.advance(0.01)
        assert it.state == "stalled"
        it.give(chunk(2))
        assert it.state == "running"


def test_samples_that_come_late_and_continue_the_index_are_one_signal() -> None:
    """The clock cut them: a network that held its packets for 0.3 s reset filters, votes and recordings."""
    chunks: list[Chunk] = []
    with watched() as it:
        it.acquisition.taps.append(lambda chunk, _: chunks.append(chunk))
        it.give(chunk(0, 10))
        it.clock.advance(STALL_S + 0.01)
        it.give(chunk(10, 10))
        assert it.ring.segment_start == 0
        assert it.ring.window(15, 10) is not None
        it.clock.advance(STALL_S + 0.01)
        it.give(chunk(40, 10))  # here the index says that something is missing
        assert it.ring.segment_start == 40
        until(lambda: len(chunks) == 3, PATIENT_S)
    assert [chunk.restart for chunk in chunks] == [False, False, False]


def test_after_a_silence_of_a_source_that_cannot_number_its_samples_a_new_segment_begins() -> None:
    with watched() as it:
        it.source.numbered = False  # type: ignore[attr-defined]  # some sources say so
        it.give(chunk(0, 10))
        it.clock.advance(STALL_S / 2)
        it.give(chunk(10, 10))
        assert it.ring.segment_start == 0
        it.clock.advance(STALL_S + 0.01)
        it.give(chunk(20, 10))
        assert it.ring.segment_start == 20
        assert it.ring.window(25, 10) is None
        assert it.ring.window(30, 10) is not None


def test_samples_keep_the_time_at_which_they_arrived() -> None:
    with watched() as it:
        it.give(chunk(0))
        it.clock.advance(0.1)
        it.give(chunk(2))
        assert it.ring.acquired_at(3) == it.clock.now
        assert it.ring.acquired_at(1) == it.clock.now - 0.1


def test_a_source_that_asks_is_told_whether_anybody_waits_for_its_samples() -> None:
    with watched() as it:
        told: list[bool] = []
        it.source.hurried = True  # type: ignore[attr-defined]  # some sources have it
        read = it.source.read

        def noting() -> Chunk | None:
            told.append(it.source.hurried)  # type: ignore[attr-defined]  # as above
            return read()

        it.source.read = noting  # type: ignore[method-assign]  # noted
        it.acquisition._hurries = True  # it was asked before the test could say so

        def after(change: Callable[[], object]) -> bool:
            change()
            it.give(chunk(it.ring.newest))
            it.give(chunk(it.ring.newest))
            until(lambda: it.source.waits, PATIENT_S)
            return told[-1]

        def nothing() -> None:
            """Stand where one does that watches."""

        def tap(_chunk: Chunk, _arrived: float) -> None:
            """Stand where one does that records."""

        assert not after(nothing)
        assert after(lambda: it.ring.watch(nothing))
        assert not after(lambda: it.ring.unwatch(nothing))
        assert after(lambda: it.acquisition.taps.append(tap))
        assert not after(lambda: it.acquisition.taps.remove(tap))
        reader = Reader(it.ring, 10_000)
        until(lambda: it.ring.awaited, PATIENT_S)
        assert after(nothing)
    reader.join(PATIENT_S)


def test_lost_samples_are_counted() -> None:
    with watched() as it:
        it.give(chunk(0))
        it.give(chunk(7))
        look = it.acquisition.look()
    assert (look.samples, look.gaps, look.lost_samples) == (9, 1, 5)


@pytest.mark.usefixtures("_retry_at_once")
def test_a_source_that_fails_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), watched() as it:
        it.give(chunk(0))
        for _ in range(3):
            it.give(SourceError("the cable is out"), "disconnected")
        it.give(SourceError("and still out"), "disconnected")
        until(lambda: it.acquisition.look().error == "and still out", PATIENT_S)
        it.give(chunk(2))
        assert it.acquisition.look().error is None
    assert caplog.messages == ["stepwise: the cable is out", "stepwise delivers again"]


@pytest.mark.usefixtures("_retry_at_once")
def test_a_chunk_that_does_not_fit_is_the_sources_mistake_and_passed_over() -> None:
    with watched() as it:
        it.give(chunk(0))
        it.source.give(chunk(2, channels=3))
        until(lambda: it.state == "disconnected", PATIENT_S)
        assert "got (2, 3)" in (it.acquisition.look().error or "")
        it.give(chunk(2))
        assert it.ring.newest == 4


def test_a_source_that_has_ended_is_told_and_wakes_its_readers() -> None:
    with watched() as it:
        it.give(chunk(0))
        reader = Reader(it.ring, 100)
        it.give(None, "ended")
        reader.join(PATIENT_S)
        assert reader.found is False
        assert it.acquisition.look().state == "ended"


def test_an_error_of_any_other_kind_is_tried_again_and_told_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with watched() as it:
        for _ in range(2):
            it.source.give(ValueError("a bug"))  # type: ignore[arg-type]  # no chunk, as of a driver's bug
        until(lambda: it.state == "disconnected", PATIENT_S)
        # what the driver returned is no chunk: the traceback is in the log, not in the answer
        assert it.acquisition.look().error == "it cannot be read; the server's log has the reason"
        it.give(chunk(0))
        until(lambda: it.state == "running", PATIENT_S)
    assert caplog.messages == ["stepwise cannot be read", "stepwise delivers again"]
    assert caplog.records[0].exc_info


def test_what_a_source_raises_since_it_was_closed_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with watched() as it:
        it.give(chunk(0))
        it.acquisition._stop.set()
        it.source.give(ValueError("a closed descriptor"))  # type: ignore[arg-type]  # no chunk, as of a driver's bug
        until(lambda: it.state == "ended", PATIENT_S)
    assert caplog.messages == []


class Reader(threading.Thread):
    """Waits for a sample."""

    def __init__(self, ring: Ring, index: int) -> None:
        super().__init__()
        self._ring, self._index = ring, index
        self.found: bool | None = None
        self.start()

    def run(self) -> None:
        self.found = self._ring.wait_beyond(self._index, PATIENT_S)


def test_closing_wakes_every_reader_and_gives_the_source_back() -> None:
    it = Watched()
    closed: list[str] = []
    give_back = it.source.close
    it.source.close = lambda: (closed.append("source"), give_back())[1]  # type: ignore[method-assign]  # noted
    it.acquisition.start()
    it.give(chunk(0))
    readers = [Reader(it.ring, 100) for _ in range(3)]
    it.acquisition.close()
    for reader in readers:
        reader.join(PATIENT_S)
    assert [reader.found for reader in readers] == [False] * 3
    assert closed == ["source"]
    assert it.state == "ended"


def test_closing_what_was_never_started_wakes_readers_too() -> None:
    it = Watched()
    reader = Reader(it.ring, 0)
    it.acquisition.close()
    reader.join(PATIENT_S)
    assert reader.found is False


def test_closing_twice_is_harmless() -> None:
    with watched() as it:
        it.acquisition.close()
        it.acquisition.close()
