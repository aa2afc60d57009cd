"""A model of one's own, from a recording to the stream: 5 channels at 500 Hz, gestures in another script."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.config import ROOT
from app.emg.simulated.simulator import Simulator
from tests.server.live import Live, connecting, gunicorn

pytestmark = pytest.mark.server

NAMES = ("покой", "кулак", "ладонь", "щепоть")
CHANNELS, RATE, SECONDS = 5, 500.0, 60.0
FPS, FRAMES = 20, 400  # twenty seconds: several gestures and rests


def recorded(path: Path) -> Path:
    """What the simulated person does for a minute, as a recording."""
    source = Simulator(CHANNELS, RATE, NAMES, NAMES[0], seed=0, speed=None)
    emg, label = source.generate(round(SECONDS * RATE))
    np.savez_compressed(
        path, emg=emg, label=label, fs=RATE, gesture_names=np.array(NAMES), units=np.array("uV")
    )
    return path


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("own")
    words = ["model", "new", "--recording", recorded(folder / "me.npz"), "--out", folder / "own"]
    subprocess.run([sys.executable, "-m", "app", *map(str, words)], cwd=ROOT, check=True, timeout=120)
    with gunicorn(folder, EMG_MODEL=str(folder / "own")) as live:
        yield live


def test_it_is_served_and_knows_the_gestures(live: Live) -> None:
    with connecting(live.port) as connect:
        frames = connect(fps=FPS).frames(FRAMES)

    told = [frame for frame in frames if frame["truth"] is not None]
    right = [frame["label"] == frame["truth"] for frame in told]
    assert len({frame["truth"] for frame in told}) > 2, "the person made no gestures"
    assert np.mean(right) > 0.75
