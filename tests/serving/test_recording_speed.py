"""A recording that is acquired at other speeds than real time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated.faults import FaultInjector, parse
from app.emg.simulated.playback import Playback
from app.emg.source import Source
from app.serving.sources.acquisition import Acquisition
from tests.emg.fakes import Time
from tests.emg.recording_makers import recording
from tests.serving.station import until

SECONDS = 30
PATIENT_S = 20.0


def acquired(source: Source, time: Time) -> Acquisition:
    """All of a source that ends by itself."""
    found = Acquisition(source, SignalPath(Ring(100_000, source.channels), []), time.clock)
    found.start()
    until(lambda: found.state == "ended", PATIENT_S)
    return found


def playback(tmp_path: Path, speed: float | None, time: Time) -> Playback:
    whole = recording(tmp_path / "a.npz", n=SECONDS * 200, recording=None)
    return Playback([whole], speed=speed, loop=False, clock=time.clock, sleep=time.sleep)


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0, 20.0])
def test_the_measured_rate_is_the_recordings_at_any_speed(tmp_path: Path, speed: float) -> None:
    time = Time()
    look = acquired(playback(tmp_path, speed, time), time).look()
    assert (look.state, look.samples) == ("ended", SECONDS * 200)
    assert time.now - 1000 == pytest.approx(SECONDS / speed, abs=0.05)
    assert look.measured_rate_hz == pytest.approx(200, rel=0.01)
    assert look.rate_ok


def test_faults_in_a_recording_leave_its_speed_known(tmp_path: Path) -> None:
    time = Time()
    look = acquired(FaultInjector(playback(tmp_path, 4.0, time), parse("gap@1000:50")), time).look()
    assert (look.lost_samples, look.rate_ok) == (50, True)
    assert look.measured_rate_hz == pytest.approx(200, rel=0.01)


def test_as_fast_as_possible_has_no_rate_to_be_held_to(tmp_path: Path) -> None:
    time = Time()
    look = acquired(playback(tmp_path, None, time), time).look()
    assert (look.state, look.samples, look.measured_rate_hz, look.rate_ok) == (
        "ended",
        SECONDS * 200,
        None,
        True,
    )


@pytest.mark.parametrize("speed", [1.0, 8.0])
def test_samples_keep_the_wall_clocks_time_so_that_age_is_what_a_viewer_waits(
    tmp_path: Path, speed: float
) -> None:
    time = Time()
    ring = acquired(playback(tmp_path, speed, time), time).ring
    first, last = ring.acquired_at(0), ring.acquired_at(SECONDS * 200 - 1)
    assert last - first == pytest.approx(SECONDS / speed, abs=0.05)
    assert time.now == last
