"""Makes small recording files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import io

from app.emg.files.recordings import Recording, load

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "emg" / "myo-readings"


def npz_arrays(n: int = 100, channels: int = 4, **changes: Any) -> dict[str, Any]:
    """The keys of a valid `.npz`; a change of None leaves the key out."""
    arrays = {
        "emg": np.arange(n * channels).reshape(n, channels).astype(np.int16),
        "label": (np.arange(n) // 25 % 3).astype(np.int8),
        "repetition": (np.arange(n) // 50 + 1).astype(np.int8),
        "session": np.ones(n, np.int8),
        "recording": (np.arange(n) // 40).astype(np.int8),
        "fs": np.int32(200),
        "gesture_names": np.array(["rest", "fist", "point"]),
        "subject": np.array("S07"),
        "units": np.array("uV"),
    }
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


def write_npz(path: Path, n: int = 100, channels: int = 4, **changes: Any) -> Path:
    np.savez_compressed(path, **npz_arrays(n, channels, **changes))
    return path


def mat_arrays(n: int = 100, channels: int = 4, **changes: Any) -> dict[str, Any]:
    """The keys of a valid Ninapro `.mat`; a change of None leaves the key out."""
    label = (np.arange(n) // 25 % 3).astype(np.int8)[:, None]
    arrays = {
        "emg": np.arange(n * channels).reshape(n, channels).astype(np.float32),
        "stimulus": label,
        "restimulus": np.roll(label, 5, axis=0),
        "repetition": (label > 0).astype(np.int8),
        "rerepetition": (label > 0).astype(np.int8) * 2,
        "subject": np.int16(3),
        "exercise": np.int16(1),
        "frequency": 2000.0,
    }
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


def write_mat(
    path: Path, n: int = 100, channels: int = 4, *, compressed: bool = True, **changes: Any
) -> Path:
    io.savemat(path, mat_arrays(n, channels, **changes), do_compression=compressed)
    return path


def recording(path: Path, **changes: Any) -> Recording:
    return load(write_npz(path, **changes))
