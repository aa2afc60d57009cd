"""What devices say of themselves before there is a model."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from app.emg.brainflow.boards import find_board
from app.emg.brainflow.sdk import load_brainflow
from app.emg.serial_device.describe import describe
from app.emg.serial_device.source import SerialOptions, SerialSource
from app.errors import ConfigError, SourceError
from tests.emg.devices import fake_device
from tests.emg.extras import require_extra


def test_what_the_options_say_needs_no_device() -> None:
    found = describe(SerialOptions(port="/dev/absent", format="csv", channels=2, sampling_rate=148.148))
    assert str(found) == "2 channels at 148.148 Hz in uV"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "set EMG_CH and EMG_FS"),
        ({"channels": 4}, "lines do not say their rate; set EMG_FS, or EMG_MODEL"),
        ({"sampling_rate": 100.0}, "lines do not say how many channels they hold; set EMG_CH, or"),
    ],
    ids=["nothing", "channels", "rate"],
)
def test_lines_do_not_say_what_they_hold(said: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        describe(SerialOptions(port="/dev/absent", format="csv", **said))


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="there is no port /dev/absent"):
        describe(SerialOptions(port="/dev/absent", sampling_rate=1000.0))


def test_a_board_says_it_all() -> None:
    require_extra(load_brainflow)
    assert str(find_board("synthetic").description) == "16 channels at 250 Hz in uV"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "rate", "beside"), [(1, 2000.0, ()), (4, 148.148, ("--tilt", "20")), (64, 1000.0, ())]
)
def test_a_device_of_version_2_says_it_all_and_is_read(
    tmp_path: Path, channels: int, rate: float, beside: tuple[str, ...]
) -> None:
    link = tmp_path / "emg"
    said = ("--channels", str(channels), "--rate", str(rate), "--scale", "0.5", "--per-frame", "5")
    with fake_device(link, *said, *beside):
        asked = SerialOptions(port=str(link), baud=4_000_000, units="unknown")
        found = describe(asked, 20.0)
        assert (found.channels, found.sampling_rate, found.units) == (channels, rate, "uV")
        source = SerialSource(asked.as_described(found))
        chunks = []
        until = time.monotonic() + 20.0
        while sum(len(chunk.samples) for chunk in chunks) < rate:
            assert time.monotonic() < until
            chunk = source.read()
            assert chunk is not None
            chunks.append(chunk)
        source.close()
    samples = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(samples * 2 % 1, 0)  # counts of half a microvolt
    assert samples.std() > 0
    tilt = [aux for chunk in chunks for aux in chunk.aux]
    if beside:
        assert [(stream.name, stream.units, stream.channels) for stream in found.aux_streams] == [
            ("accelerometer", "g", 3)
        ]
        assert found.aux_streams[0].sampling_rate == pytest.approx(148.148 / 5)  # whole frames apart
        np.testing.assert_allclose(np.linalg.norm(tilt[0].samples, axis=1), 1.0, atol=2e-3)
        steps = np.diff([aux.at for aux in tilt])
        np.testing.assert_array_equal(steps % 5, 0)
    else:
        assert (found.aux_streams, tilt) == ((), [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"channels": 8}, "EMG_CH=8, but the device's frames say 4"),
        ({"sampling_rate": 500.0}, "EMG_FS=500, but the device's frames say 1000"),
    ],
    ids=["channels", "rate"],
)
def test_what_is_said_twice_must_be_the_same(tmp_path: Path, said: dict[str, float], told: str) -> None:
    link = tmp_path / "emg"
    with (
        fake_device(link, "--channels", "4", "--rate", "1000", "--seconds", "20"),
        pytest.raises(ConfigError, match=told),
    ):
        describe(SerialOptions(port=str(link), **said), 20.0)


@pytest.mark.slow
def test_frames_of_version_1_do_not_say_their_rate(tmp_path: Path) -> None:
    link = tmp_path / "emg"
    with fake_device(link, "--channels", "4", "--rate", "1000", "--frame", "1"):
        with pytest.raises(ConfigError, match="hold 4 channels, but do not say their rate: set EMG_FS"):
            describe(SerialOptions(port=str(link)), 20.0)
        found = describe(SerialOptions(port=str(link), sampling_rate=1000.0), 20.0)
    assert str(found) == "4 channels at 1000 Hz in uV"
