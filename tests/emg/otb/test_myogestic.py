"""An independent reader: MyoGestic 2.6.2's sources read our fake probe, as they would a real one.

They need Python 3.12: MYOGESTIC_PYTHON names one in which `pip install myogestic==2.6.2` was run.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from app.emg.otb.fake_probe import FakeProbe
from tests.emg.otb.test_source import Numbers

READER = Path(__file__).with_name("myogestic_reader.py")
LATE_S = 60.0
SAMPLES = 300


@pytest.fixture(scope="module")
def python() -> str:
    path = os.environ.get("MYOGESTIC_PYTHON", "")
    if not path:
        pytest.skip("MYOGESTIC_PYTHON names no Python 3.12 with myogestic")
    done = subprocess.run([path, "-c", "import myogestic.sources.otb"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{path} has no myogestic")
    return path


@pytest.mark.parametrize(
    ("kind", "channels", "scale"),
    [
        ("muovi", 32, 0.286),
        ("muovi+", 64, 0.286),
        ("sessantaquattro+", 64, 0.2861),
        ("sessantaquattro", 64, 0.2861),
    ],
)
def test_it_reads_what_our_probe_sends(python: str, kind: str, channels: int, scale: float) -> None:
    fake = FakeProbe(kind, Numbers)
    reader = subprocess.Popen([python, READER, kind, str(SAMPLES)], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None
        port = int(reader.stdout.readline().split()[1])
        probe = threading.Thread(target=fake.run, args=("127.0.0.1", port))
        probe.start()
        said = json.loads(reader.stdout.readline())
        probe.join(LATE_S)
        assert not probe.is_alive(), "it was told to stop"
    finally:
        fake.close()
        reader.kill()
        reader.communicate()
    table = np.array(said["table"])
    assert said["rate"] == 2000.0
    counts = np.rint(table[:, :channels] * 1000.0 / scale)  # MyoGestic has millivolts
    numbers = (np.arange(SAMPLES)[:, None] + np.arange(channels)) % 1000
    np.testing.assert_array_equal(counts, np.rint(numbers / scale))
    assert said["names"][-1] == "counter"
    np.testing.assert_array_equal(table[:, -1], np.arange(SAMPLES))
    named = dict(zip(said["names"], table.T, strict=True))
    if "imu_w" in named:
        norm = np.sqrt(sum(named[f"imu_{axis}"] ** 2 for axis in "wxyz"))
        np.testing.assert_allclose(norm, 16384.0, atol=2.0)
