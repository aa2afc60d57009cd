"""Small valid artefacts, and manifests, for tests of anything that holds a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.inference.artefact import Artefact, Manifest, save, weights_bytes

TINY = {"width": 8, "stem_kernel": 4, "stem_stride": 2, "kernel": 3, "dilations": [1, 2]}
COVARIANCE = {"floor": 0.01, "bands_hz": [[15, 60], [60, 95]], "frame_ms": 100.0, "typical": 3}


def make_manifest(
    *,
    channels: int = 4,
    length: int = 20,
    rate: float = 200,
    classes: Sequence[str] = ("rest", "a", "b"),
    architecture: str = "tcn",
    **changes: Any,
) -> Manifest:
    """A manifest in which every field has a value that can be told from a default."""
    covariance = architecture == "covariance"
    spiking = {"beta": 0.9, "threshold": 1.0} if architecture == "spiking_tcn" else {}
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0.0",
        "architecture": architecture,
        "hyper_parameters": COVARIANCE if covariance else {**TINY, **spiking},
        "channels": channels,
        "length": length,
        "context": 2 * length if covariance else 0,
        "sampling_rate": rate,
        "units": "uV",
        "mean": np.linspace(-0.5, 0.5, channels, dtype=np.float32),
        "std": np.linspace(1.0, 2.0, channels, dtype=np.float32),
        "classes": tuple(classes),
        "rest_class": next(iter(classes), ""),
        "steps": 4 if architecture == "spiking_tcn" else 1,
        "rest_rms": 0.5,
        "active_rms": 4.0,
        "training": {"dataset": "none", "split": "none", "seed": 0},
        "metrics": {"balanced_accuracy": 0.5},
    }
    return Manifest(**{**fields, **changes})


def make_artefact(
    path: Path,
    *,
    channels: int = 4,
    length: int = 20,
    rate: float = 200,
    classes: Sequence[str] = ("rest", "a", "b"),
    architecture: str = "tcn",
    files: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> Artefact:
    """Write a model with seeded random weights to the folder `path`; `changes` are manifest fields.

    It takes the place of the one that is there.
    """
    manifest = make_manifest(
        channels=channels, length=length, rate=rate, classes=classes, architecture=architecture, **changes
    )
    contents = {"weights.safetensors": _random_weights(manifest), **(files or {})}
    return save(path, manifest, contents, replacing=True)


def _random_weights(manifest: Manifest) -> bytes:
    import torch

    from app.inference.networks import build_for, state_arrays

    with torch.random.fork_rng():
        torch.manual_seed(7)
        return weights_bytes(state_arrays(build_for(manifest)))
