"""A small covariance model with its graph, and what it says offline: features and head, without any runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.artefact import Artefact
from app.inference.covariance.features import features_along
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.prediction import normalise, softmax
from app.learning.covariance.graph import covariance_graph
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
