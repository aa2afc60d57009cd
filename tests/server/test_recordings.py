"""A real recording, played by a real server: its labels come beside the predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.server.live import Client, gunicorn

pytestmark = [pytest.mark.server, pytest.mark.data]

# Before the first second of these, the recordings hold a minute of rest; at their end the highest number of a gesture,
# without which a .mat would have fewer gestures than the model, and keep its numbers.
KEPT = np.r_[64 * 200 : 100 * 200, -200:0]  # samples


def cut(path: Path, folder: Path) -> Path:
    """The same recording without most of it."""
    target = folder / path.name
    if path.suffix == ".mat":
        whole = loadmat(path)
        length = len(whole["emg"])
        held = {k: v for k, v in whole.items() if not k.startswith("__")}
        savemat(target, {k: v[KEPT] if len(v) == length else v for k, v in held.items()})
        return target
    with np.load(path) as whole:
        length = len(whole["emg"])
        held = {k: whole[k] for k in whole.files}
    np.savez(target, **{k: v[KEPT] if v.ndim and len(v) == length else v for k, v in held.items()})
    return target


@pytest.mark.parametrize("name", ["S8_E1_A1.mat", "S06.npz"])
def test_a_real_recording_is_recognised_well_above_chance(
    tmp_path: Path, recordings: Path, name: str
) -> None:
    """In gestures and in rest alike: one answer all the time does not pass. Chance is one of eight classes."""
    recording = cut(recordings / name, tmp_path)
    with gunicorn(
        tmp_path,
        EMG_MODE="ninapro",
        EMG_RECORDING=str(recording),
        EMG_MODEL="myo-8ch-200hz",
        EMG_SPEED="2",
    ) as live:
        client = Client(live.port, fps=20, duration_seconds=13)  # 26 of the recording
        *frames, last = client.events()
        client.close()
    assert last["status"] == "completed"
    known = [frame for frame in frames if frame["truth"] is not None]
    for part in (
        [frame for frame in known if frame["truth"] != "rest"],
        [frame for frame in known if frame["truth"] == "rest"],
    ):
        assert len(part) > 100
        right = np.mean([frame["label"] == frame["truth"] for frame in part])
        assert right > 2 / 8, f"{right:.3f} of {len(part)} frames"
