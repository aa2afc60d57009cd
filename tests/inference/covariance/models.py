"""A small covariance model with its graph, and what it says offline: features and head, without any runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.artefact import Artefact, save, weights_bytes
from app.inference.covariance.features import features, features_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import STEM
from app.inference.outputs import VALUES, Outputs
from app.inference.prediction import normalise, softmax
from app.inference.values import NamedValue
from app.learning.covariance.graph import covariance_graph, stem_graph
from tests.inference.artefacts import make_artefact, make_manifest

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


def values_model(folder: Path, channels: int = 8, centres: int = 40, seed: int = 3) -> Artefact:
    """A model of two values by how near a window is to centres, which are features of windows as they come."""
    values = tuple(NamedValue(name=name, low=-1.0, high=1.0) for name in ("wrist", "hand"))
    manifest = make_manifest(
        channels=channels,
        length=40,
        architecture="covariance",
        classes=(),
        context=120,
        outputs=Outputs(VALUES, "", values),
        hyper_parameters={"floor": 0.1, "tau_ms": 200.0, "centres": centres, "gamma": 0.01},
    )
    chance = np.random.default_rng(seed)
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    noise = (
        chance.normal(size=(centres, manifest.reads, channels)) * np.geomspace(0.1, 3, centres)[:, None, None]
    )
    arrays = {
        "centres.weight": features(noise, parameters, length=40, rate=manifest.sampling_rate),
        "head.weight": chance.normal(0, 0.3, (2, centres)),
        "head.bias": np.array([0.1, -0.2]),
    }
    weights = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    files = {"weights.safetensors": weights_bytes(weights), "model.onnx": covariance_graph(manifest, weights)}
    return save(folder / "values", manifest, files)
