"""What an inference answers: the documented texts beside numbers. The schemas describe it; orjson writes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from app.inference.manifest import Manifest
from app.inference.prediction import Prediction
from app.inference.values import Values
from app.serving.engine.answer import Answer


def infer_answer(answer: Answer, manifest: Manifest, cpu_percent: float) -> bytes:
    """Return the answer of `POST /infer`: numbers, and arrays over the batch when there is more than one window.

    Raises:
        NoNumberError: a model of values gives something else.
    """
    return _json(
        latency_ms=f"{answer.latency_ms:.3f}",
        spikes=f"{answer.spikes.sum():.0f}",
        cpu_percent=f"{cpu_percent:.1f}",
        shape=str(list(answer.logits.shape)),
        backend=answer.backend,
        **_told(answer.told, manifest),
    )


def backend_answer(answer: Answer, manifest: Manifest, cpu_percent: float) -> bytes:
    """Return the answer of `POST /infer/<backend>`: prediction and confidence are texts too.

    Raises:
        NoNumberError: a model of values gives something else.
    """
    told = _told(answer.told, manifest)
    return _json(
        latency_ms=f"{answer.latency_ms:.3f}",
        **{name: str(told.pop(name)) for name in ("prediction", "confidence") if name in told},
        cpu_percent=f"{cpu_percent:.1f}",
        shape=str(list(answer.logits.shape)),
        backend=answer.backend,
        **told,
    )


def _told(told: Prediction | Values, manifest: Manifest) -> dict[str, Any]:
    return _valued(told, manifest) if isinstance(told, Values) else _predicted(told, manifest)


def _valued(told: Values, manifest: Manifest) -> dict[str, Any]:
    """Return each value by its name, and whether one was outside its range."""
    rows, clipped = told.expect_numbers().rows(), told.clipped.tolist()
    if len(rows) == 1:
        return {"values": dict(zip(manifest.columns, rows[0], strict=True)), "clipped": clipped[0]}
    columns = zip(*rows, strict=True)
    return {"values": dict(zip(manifest.columns, columns, strict=True)), "clipped": clipped}


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
