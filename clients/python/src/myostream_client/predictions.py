"""The answers of `/infer`, as frozen dataclasses: one for each window."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says of one window."""

    prediction: int
    label: str
    confidence: float
    probabilities: tuple[float, ...]
    latency_ms: float  # of the whole batch
    backend: str
    unknown: bool = False  # none of the classes; never of a model that cannot tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What a model of values says of one window."""

    values: Mapping[str, float]  # by name, each in its range
    clipped: bool  # whether the model said one outside of it
    latency_ms: float  # of the whole batch
    backend: str


def values_of(answer: Mapping[str, Any]) -> list[Values]:
    """One for each window. A batch of one is answered without arrays.

    Raises:
        ClientError: the model decides between classes.
    """
    if "values" not in answer:
        raise ClientError("the model decides between classes, and gives no values: call infer")
    values, clipped = answer["values"], answer["clipped"]
    if not isinstance(clipped, list):
        values, clipped = {name: [value] for name, value in values.items()}, [clipped]
    return [
        Values(
            values={name: column[row] for name, column in values.items()},
            clipped=clipped[row],
            latency_ms=float(answer["latency_ms"]),
            backend=answer["backend"],
        )
        for row in range(len(clipped))
    ]


def predictions_of(answer: Mapping[str, Any]) -> list[Prediction]:
    """One for each window. A batch of one is answered without arrays, and some routes answer in texts.

    Raises:
        ClientError: the model gives values.
    """
    if "values" in answer:
        raise ClientError("the model gives values, and decides between no classes: call infer_values")
    columns = [answer[name] for name in ("prediction", "label", "confidence", "probabilities")]
    many = isinstance(answer["label"], list)
    columns.append(answer.get("unknown", [False] * len(answer["label"]) if many else False))
    rows = list(zip(*map(_values, columns), strict=True)) if many else [columns]
    return [
        Prediction(
            prediction=int(prediction),
            label=label,
            confidence=float(confidence),
            probabilities=tuple(probabilities),
            latency_ms=float(answer["latency_ms"]),
            backend=answer["backend"],
            unknown=unknown,
        )
        for prediction, label, confidence, probabilities, unknown in rows
    ]


def _values(column: Any) -> Any:
    return json.loads(column) if isinstance(column, str) else column
