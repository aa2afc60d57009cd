"""People who make gestures on four electrodes: small recordings that a network learns in a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording, load
from app.inference.artefact import Artefact, save, weights_bytes
from app.learning.datasets import Dataset, read
from tests.inference.artefacts import make_manifest

RATE, CHANNELS = 200, 4
CLASSES = ("rest", "fist", "point")
LENGTH = 20  # samples in a window
STRETCH = 80  # samples in a stretch of one label

# How strongly each gesture excites each electrode, in counts.
MUSCLES = np.array([[2, 2, 2, 2], [20, 6, 3, 3], [3, 3, 6, 20]], np.float64)


def person(
    path: Path,
    seed: int = 0,
    *,
    sessions: int = 2,
    repetitions: int = 6,
    roll: int = 0,
    gestures: Sequence[int] = (1, 2),
    **changes: Any,
) -> Path:
    """Write a recording: in each session one piece a gesture, in it rest and gesture by turns.

    `roll` turns the ring of electrodes; a change of None leaves that key out.
    """
    chance = np.random.default_rng(seed)
    pieces = [(s, g) for s in range(1, sessions + 1) for g in (*gestures, *(() if gestures else (0,)))]
    label = [np.tile(np.repeat([0, g], STRETCH), repetitions) for _, g in pieces]
    repetition = np.tile(np.repeat(np.arange(1, repetitions + 1), 2 * STRETCH), len(pieces))
    each = 2 * STRETCH * repetitions
    labels = np.concatenate(label)
    emg = chance.normal(size=(len(labels), CHANNELS)) * np.roll(MUSCLES, roll, axis=1)[labels]
    arrays: dict[str, Any] = {
        "emg": np.clip(np.round(emg), -128, 127).astype(np.int8),
        "label": labels.astype(np.int8),
        "repetition": repetition.astype(np.int8),
        "session": np.repeat([s for s, _ in pieces], each).astype(np.int8),
        "recording": np.repeat(np.arange(len(pieces)), each).astype(np.int8),
        "fs": np.int32(RATE),
        "gesture_names": np.array(CLASSES),
        "subject": np.array(path.stem),
        "units": np.array("uV"),
    }
    arrays = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path


def people(folder: Path, count: int = 3, **changes: Any) -> Path:
    """Write that many to a folder, S01.npz and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        person(folder / f"S{k + 1:02d}.npz", seed=k, **changes)
    return folder


def recordings(folder: Path, count: int = 3, **changes: Any) -> tuple[Recording, ...]:
    return tuple(load(path) for path in sorted(people(folder, count, **changes).glob("*.npz")))


def manifest(**changes: Any) -> Any:
    """Of a tiny model for those people."""
    defaults: dict[str, Any] = {
        "channels": CHANNELS,
        "length": LENGTH,
        "rate": RATE,
        "classes": CLASSES,
        "mean": np.zeros(CHANNELS, np.float32),
        "std": np.full(CHANNELS, 6, np.float32),
        "training": {},
        "metrics": {},
    }
    return make_manifest(**{**defaults, **changes})


def dataset(folder: Path, count: int = 3, **changes: Any) -> Dataset:
    return read(recordings(folder, count, **changes), manifest())


def artefact(path: Path, **changes: Any) -> Artefact:
    """An untrained model; `changes` are fields of its manifest."""
    import torch

    from app.inference.networks import build_for, state_arrays

    described = manifest(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        weights = weights_bytes(state_arrays(build_for(described)))
    folds = [name for name in described.training.get("runs", {}) if name != "main"]
    return save(
        path,
        described,
        {"weights.safetensors": weights, **{f"folds/{name}.safetensors": weights for name in folds}},
        replacing=True,
    )
