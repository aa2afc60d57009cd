from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.emg.quality.monitor import QualityMonitor
from app.emg.simulated.faults import Fault, FaultInjector, Gap
from app.emg.simulated.playback import Playback
from app.emg.source import Chunk
from app.emg.source_check import EDGES_MS, SourceCheck, SourceReport
from app.errors import SourceError
from tests.emg.fakes import Time
from tests.emg.recording_makers import recording

RATE = 1000.0


class PacedSource:
    """Chunks of ten samples, 10 ms apart in a time of its own; `missing` chunks are left out, `late` take 100 ms."""

    name, units, channels, sampling_rate = "paced", "uV", 2, RATE
    gesture_names: Sequence[str] = ()

    def __init__(
        self,
        time: Time,
        missing: Sequence[int] = (),
        late: Sequence[int] = (),
        fast: float = 1.0,
        anew: Sequence[int] = (),
    ) -> None:
        self._time, self._missing, self._late, self._fast, self._anew = time, missing, late, fast, anew
        self._chunk = 0
        self.fails_at: int | None = None
        self._random = np.random.default_rng(0)

    def read(self) -> Chunk | None:
        if self._chunk == self.fails_at:
            self.fails_at = None
            raise SourceError("unplugged")
        while self._chunk in self._missing:
            self._chunk += 1
        self._time.sleep(0.1 if self._chunk in self._late else 0.01 / self._fast)
        samples = self._random.normal(0, 20, (10, 2)).astype(np.float32)
        chunk = Chunk(index=10 * self._chunk, samples=samples, restart=self._chunk in (0, *self._anew))
        self._chunk += 1
        return chunk

    def close(self) -> None: ...


def checked(
    seconds: float = 10.0, fails_at: int | None = None, faults: Sequence[Fault] = (), **options: object
) -> SourceReport:
    time = Time()
    source = PacedSource(time, **options)
    source.fails_at = fails_at
    monitor = QualityMonitor(2, RATE, 50.0, 10.0, 100.0)
    read = FaultInjector(source, faults) if faults else source
    return SourceCheck(read, monitor, clock=time.clock, sleep=time.sleep).run(seconds)


def test_a_sound_source_is_well() -> None:
    found = checked()
    assert found.ok
    assert found.rate_hz == pytest.approx(RATE, rel=1e-3)
    assert (found.gaps, found.lost_samples, found.restarts, found.errors) == (0, 0, 0, ())
    assert found.samples == pytest.approx(10_000, abs=20)
    assert found.median_ms == pytest.approx(10.0)


def test_gaps_are_counted_in_samples() -> None:
    found = checked(missing=[100, 101, 300])
    assert (found.gaps, found.lost_samples, found.ok) == (2, 30, False)


@pytest.mark.parametrize("faults", [(), (Gap(10**9, 1),)], ids=["plain", "with EMG_FAULTS"])
def test_a_device_that_begins_anew_is_not_well(faults: Sequence[Fault]) -> None:
    """Behind EMG_FAULTS it was taken for a recording, of which restarts are no fault."""
    found = checked(anew=[100, 300], faults=faults)
    assert (found.restarts, found.ok) == (2, False)


def test_the_pieces_of_a_recording_are_no_fault(tmp_path: Path) -> None:
    time = Time()
    source = Playback([recording(tmp_path / "S01.npz")], clock=time.clock, sleep=time.sleep)
    monitor = QualityMonitor(source.channels, source.sampling_rate, 50.0, None, None)
    for played in (source, FaultInjector(source, (Gap(10**9, 1),))):
        assert SourceCheck(played, monitor, clock=time.clock, sleep=time.sleep).run(2.0).restarts == 0


def test_every_time_between_chunks_is_in_the_histogram() -> None:
    found = checked(late=[50, 51], seconds=5.0)
    assert len(found.intervals) == len(EDGES_MS)
    assert sum(found.intervals) == found.chunks - 1
    assert sum(found.intervals[EDGES_MS.index(100.0) - 1 :]) == 2
    assert found.max_ms == pytest.approx(100.0)


def test_a_wrong_rate_is_told() -> None:
    found = checked(fast=1.1)
    assert (found.rate_ok, found.ok) == (False, False)
    assert found.rate_hz == pytest.approx(1.1 * RATE, rel=1e-3)


def test_a_source_that_fails_in_between_is_read_on_and_told() -> None:
    found = checked(fails_at=200)
    assert (found.errors, found.ok) == (("unplugged",), False)
    assert found.samples > 9000


def test_a_source_that_cannot_be_read_at_all_is_an_error() -> None:
    with pytest.raises(SourceError, match="unplugged"):
        checked(fails_at=0)
