"""A small covariance model with its graph, and what it says offline: features and head, without any runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.artefact import Artefact, save, weights_bytes
from app.inference.covariance.features import features_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import STEM
from app.inference.prediction import normalise, softmax
from app.learning.covariance.graph import covariance_graph, stem_graph
from tests.inference.artefacts import make_artefact

CHANNELS, LENGTH, CONTEXT, RATE = 8, 40, 160, 200


def covariance_model(path: Path, **changes: Any) -> Artefact:
    """A model for 8 channels at 200 Hz whose context is four windows."""
    described: dict[str, Any] = {
        "channels": CHANNELS,
        "length": LENGTH,
        "context": CONTEXT,
        "rate": RATE,
        "architecture": "covariance",
        **changes,
    }
    bare = make_artefact(path, **described)
    graph = covariance_graph(bare.manifest, bare.weights())
    return make_artefact(path, files={"model.onnx": graph}, **described)


def child(folder: Path, seed: int = 0, **changes: Any) -> Artefact:
    """A covariance model as `model calibrate` writes it: with its stem, and a head that `seed` draws."""
    bare = covariance_model(folder / f"child-{seed}", name=f"child-{seed}", **changes)
    manifest, chance = bare.manifest, np.random.default_rng(seed)
    arrays = {
        name: values + chance.normal(0, 0.1, values.shape).astype(np.float32) * (name != "project.weight")
        for name, values in bare.weights().items()
    }
    files = {
        "weights.safetensors": weights_bytes(arrays),
        "model.onnx": covariance_graph(manifest, arrays),
        STEM: stem_graph(manifest, arrays),
    }
    return save(bare.path, manifest, files, replacing=True)


def offline(
    model: Artefact, segment: npt.NDArray[np.float32], ends: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """Probabilities (ends, classes) of the windows that end before those samples of one unbroken segment."""
    manifest, arrays = model.manifest, model.weights()
    found = features_along(
        normalise(segment, manifest.mean, manifest.std),
        np.asarray(ends),
        CovarianceParameters.read(manifest.hyper_parameters),
        length=manifest.length,
        reads=manifest.reads,
        rate=manifest.sampling_rate,
    )
    logits = found @ arrays["head.weight"].T + arrays["head.bias"]
    return softmax(logits.astype(np.float32))
