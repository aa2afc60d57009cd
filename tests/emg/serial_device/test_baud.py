from __future__ import annotations

import re

import numpy as np
import pytest

from app.emg.serial_device import baud
from app.emg.serial_device.frames import encode, most_samples
from app.errors import ConfigError


@pytest.mark.parametrize(
    ("bits", "channels", "rate", "form"),
    [
        (921600, 16, 2000, "binary"),
        (115200, 8, 200, "csv"),
        (115200, 1, 1000, "csv"),
        (460800, 8, 2000, "binary"),
        (1000000, 16, 2000, "csv"),  # two digits at most; a warning says so
    ],
)
def test_what_fits_is_taken(bits: int, channels: int, rate: float, form: str) -> None:
    baud.require(bits, channels, rate, form)


@pytest.mark.parametrize(
    ("bits", "channels", "rate", "form", "cures"),
    [
        (115200, 16, 2000, "binary", ["EMG_BAUD=921600", "2 channels at 2000 Hz", "16 channels at 359 Hz"]),
        (
            921600,
            16,
            2000,
            "csv",
            ["EMG_BAUD=1000000", "EMG_FORMAT=binary", "15 channels", "16 channels at 1920 Hz"],
        ),
        (9600, 1, 2000, "csv", ["EMG_BAUD=115200", "1 channel at 320 Hz"]),
        (4000000, 255, 30000, "binary", ["6 channels at 30000 Hz", "255 channels at 782 Hz"]),
    ],
)
def test_what_cannot_fit_is_refused_with_what_would(
    bits: int, channels: int, rate: float, form: str, cures: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        baud.require(bits, channels, rate, form)
    line = str(refused.value)
    assert line.startswith(f"EMG_BAUD={bits} carries ")
    for cure in cures:
        assert cure in line


def test_every_cure_is_one() -> None:
    with pytest.raises(ConfigError) as refused:
        baud.require(115200, 16, 2000, "binary")
    baud.require(int(re.search(r"EMG_BAUD=(\d+),", str(refused.value))[1]), 16, 2000, "binary")
    baud.require(115200, 2, 2000, "binary")
    baud.require(115200, 16, 359, "binary")
    with pytest.raises(ConfigError):
        baud.require(115200, 3, 2000, "binary")
    with pytest.raises(ConfigError):
        baud.require(115200, 16, 360, "binary")


@pytest.mark.parametrize("channels", [1, 8, 16, 255])
def test_the_sizes_are_those_of_real_frames(channels: int) -> None:
    for per_frame in (1, most_samples(channels)):
        frame = encode(np.zeros((per_frame, channels), np.int16), 0, per_frame)
        assert baud.sample_bytes(channels, "binary", per_frame) * per_frame == pytest.approx(len(frame))


@pytest.mark.parametrize(
    ("bits", "channels", "rate", "form", "words"),
    [
        (921600, 16, 2000, "binary", None),
        (921600, 22, 2000, "binary", "in frames of 4 samples or more"),
        (115200, 4, 500, "csv", None),
        (115200, 6, 500, "csv", "leaves 3.8 bytes a number"),
    ],
)
def test_what_fits_only_just_is_said(
    bits: int, channels: int, rate: float, form: str, words: str | None
) -> None:
    note = baud.note(bits, channels, rate, form)
    assert note is None if words is None else words in str(note)


@pytest.mark.parametrize(("channels", "form"), [(0, "csv"), (257, "binary"), (8, "hex")])
def test_what_is_no_device_is_refused(channels: int, form: str) -> None:
    with pytest.raises(ConfigError, match="not allowed"):
        baud.require(115200, channels, 100, form)


@pytest.mark.parametrize(("version", "fewest"), [(1, 1), (2, 2)])
def test_frames_are_as_small_as_the_line_allows(version: int, fewest: int) -> None:
    assert baud.fewest_samples(921_600, 16, 2000.0, version) == fewest
    assert baud.fewest_samples(9600, 16, 2000.0, version) == 1, "nothing would help"
