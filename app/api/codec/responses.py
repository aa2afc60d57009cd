"""What an inference answers: the documented texts beside numbers. The schemas describe it; orjson writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from app.inference.manifest import Manifest
from app.inference.prediction import Prediction
from app.serving.engine.engine import Answer


def infer_answer(answer: Answer, manifest: Manifest, cpu_percent: float) -> bytes:
    """Return the answer of `POST /infer`: numbers, and arrays over the batch when there is more than one window."""
    return _json(
        latency_ms=f"{answer.latency_ms:.3f}",
        spikes=f"{answer.spikes.sum():.0f}",
        cpu_percent=f"{cpu_percent:.1f}",
        shape=str(list(answer.logits.shape)),
        backend=answer.backend,
        **_predicted(answer.prediction, manifest),
    )


def backend_answer(answer: Answer, manifest: Manifest, cpu_percent: float) -> bytes:
    """Return the answer of `POST /infer/<backend>`: prediction and confidence are texts too."""
    predicted = _predicted(answer.prediction, manifest)
    return _json(
        latency_ms=f"{answer.latency_ms:.3f}",
        prediction=str(predicted.pop("prediction")),
        confidence=str(predicted.pop("confidence")),
        cpu_percent=f"{cpu_percent:.1f}",
        shape=str(list(answer.logits.shape)),
        backend=answer.backend,
        **predicted,
    )


def _predicted(found: Prediction, manifest: Manifest) -> dict[str, Any]:
    """Return what was found; whether it is none of the classes where the model can tell."""
    classes = manifest.classes
    prediction = found.prediction.tolist()
    # rounded as float64: as float32 they would print with digits that mean nothing
    confidence = found.confidence.astype(np.float64).round(4).tolist()
    probabilities = found.probabilities.astype(np.float64).round(4).tolist()
    one = len(prediction) == 1
    unknown = found.unknown.tolist()
    rejects = manifest.reject_below is not None
    return {
        "prediction": prediction[0] if one else prediction,
        "label": classes[prediction[0]] if one else [classes[k] for k in prediction],
        "confidence": confidence[0] if one else confidence,
        "probabilities": probabilities[0] if one else probabilities,
        **({"unknown": unknown[0] if one else unknown} if rejects else {}),
    }


def _json(**fields: Any) -> bytes:
    return orjson.dumps(fields)
