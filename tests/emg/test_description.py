"""What devices say of themselves before there is a model."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.emg.brainflow.boards import find_board
from app.emg.brainflow.sdk import load_brainflow
from app.emg.serial_device.describe import describe
from app.emg.serial_device.source import SerialOptions
from app.errors import ConfigError, SourceError
from tests.emg.devices import plugged_in, send
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


def test_frames_say_their_channels(tmp_path: Path) -> None:
    with plugged_in(tmp_path / "emg") as terminal:
        opened = threading.Event()

        def device() -> None:
            while not terminal.listened_to and not opened.wait(0.01):
                pass
            send(terminal, 0, 8)

        sending = threading.Thread(target=device)
        sending.start()
        try:
            found = describe(SerialOptions(port=str(terminal.link), sampling_rate=500.0))
        finally:
            opened.set()
            sending.join()
    assert (found.channels, found.sampling_rate) == (4, 500.0)


def test_a_board_says_it_all() -> None:
    require_extra(load_brainflow)
    assert str(find_board("synthetic").description) == "16 channels at 250 Hz in uV"
