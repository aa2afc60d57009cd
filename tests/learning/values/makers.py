"""Recordings of somebody who follows a cursor, as an export of ours has them; what their muscles did is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.loading import load_path
from app.emg.files.recordings import Recording
from app.emg.recording.prompts.trajectory import RATE_HZ, Trajectory
from app.emg.simulated.follower import Followed, Follower

NAMES = ("wrist", "rotation", "hand")
CHANNELS, RATE, SECONDS, UV = 8, 200.0, 90.0, 300.0


def cursor(seconds: float = SECONDS, seed: int = 0, names: tuple[str, ...] = NAMES) -> Trajectory:
    return Trajectory(names, seconds, seed)


def followed(
    path: Path,
    *,
    seed: int = 0,
    rate: float = RATE,
    channels: int = CHANNELS,
    trajectory: Trajectory | None = None,
    stream: str = "trajectory",
    person: Follower | None = None,
    **changes: Any,
) -> tuple[Path, Followed]:
    """Write a recording; `changes` are arrays in place of these, None leaves one out."""
    plan = trajectory or cursor(seed=seed)
    count = round(plan.seconds * rate)
    who = person or Follower(channels, rate, len(plan.names), seed)
    done = who.follow(plan.at(np.arange(count) / rate))
    at = np.arange(0, count, rate / RATE_HZ)
    arrays: dict[str, Any] = {
        "emg": done.emg * np.float32(UV),
        "fs": np.float64(rate),
        "units": np.array("uV"),
        "gesture_names": np.array(["rest"]),
        "label": np.full(count, -1, np.int16),
        "sample_index": np.arange(count),
        "channel_names": np.array([f"ch{k}" for k in range(1, channels + 1)]),
        "aux_names": np.array([stream]),
        f"aux_{stream}": plan.at(at / rate).astype(np.float32),
        f"aux_{stream}_at": at,
        f"aux_{stream}_fs": np.float64(RATE_HZ),
        f"aux_{stream}_channels": np.array(plan.names),
        f"aux_{stream}_units": np.array("1"),
    }
    arrays = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path, done


def recording(path: Path, **changes: Any) -> Recording:
    [found] = load_path(followed(path, **changes)[0], labelled=False)
    return found
