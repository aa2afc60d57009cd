"""What the Open Inference Protocol is told of our models: their one input, their outputs, and what came of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.api.codec.oip import BYTES, OipRequest, OutputTensor
from app.emg.source import Samples
from app.errors import DataError
from app.inference.manifest import Manifest
from app.inference.values import Values
from app.serving.engine.answer import Answer

PLATFORM = "myostream"
INPUT = "emg"


def input_of(asked: OipRequest) -> Samples:
    """Return the windows that were sent.

    Raises:
        DataError: they are not there, or other things are.
    """
    unknown = [name for name in asked.inputs if name not in (INPUT, None)]
    if unknown or not asked.inputs:
        raise DataError(
            f"the model takes one input, {INPUT}, got {', '.join(str(one)[:40] for one in unknown)}"
        )
    emg = next(iter(asked.inputs.values()))
    if emg.ndim == 1 and None not in asked.inputs:
        raise DataError(f"shape of {INPUT} must be (windows, samples, channels), got {emg.size}")
    with np.errstate(over="ignore"):  # what does not fit float32 becomes inf, which is refused with the rest
        found: Samples = emg.astype(np.float32)
    return found


def preprocess_of(asked: OipRequest) -> bool:
    """Return whether the windows are to be normalised; they are unless the request says otherwise.

    Raises:
        DataError: it says neither.
    """
    value = asked.parameters.get("preprocess", True)
    if not isinstance(value, bool):
        raise DataError("preprocess of the request must be true or false")
    return value


def remote_of(asked: OipRequest) -> bool:
    """Return whether a fleet of ours may be asked in turn; a server of ours that asks another says that it may not.

    Raises:
        DataError: it says neither.
    """
    value = asked.parameters.get("remote", True)
    if not isinstance(value, bool):
        raise DataError("remote of the request must be true or false")
    return value


def outputs_of(answer: Answer, manifest: Manifest) -> list[OutputTensor]:
    """Return all that a model told of the windows, in the order of its description."""
    told = answer.told
    if isinstance(told, Values):
        numbers = told.expect_numbers()
        values = OutputTensor("values", "FP32", numbers.values, manifest.columns)
        return [values, OutputTensor("clipped", "BOOL", numbers.clipped)]
    classes = manifest.classes
    rejects = manifest.reject_below is not None
    return [
        OutputTensor("logits", "FP32", answer.logits, classes),
        OutputTensor("probabilities", "FP32", told.probabilities, classes),
        OutputTensor("prediction", "INT64", told.prediction),
        OutputTensor("label", BYTES, [classes[k] for k in told.prediction.tolist()]),
        *([OutputTensor("unknown", "BOOL", told.unknown)] if rejects else []),
    ]


def _given(manifest: Manifest) -> list[tuple[str, str, list[int]]]:
    """Return name, datatype and shape without the batch of what a model gives."""
    if manifest.gives_values:
        return [("values", "FP32", [len(manifest.columns)]), ("clipped", "BOOL", [])]
    count = len(manifest.classes)
    rejects = manifest.reject_below is not None
    return [
        ("logits", "FP32", [count]),
        ("probabilities", "FP32", [count]),
        ("prediction", "INT64", []),
        ("label", BYTES, []),
        *([("unknown", "BOOL", list[int]())] if rejects else []),
    ]


def _window(manifest: Manifest) -> list[int]:
    """Return (samples, channels); the samples vary where the model also reads some before the window."""
    return [-1 if manifest.context else manifest.length, manifest.channels]


def described(name: str, manifest: Manifest) -> dict[str, Any]:
    """Return what a model takes and gives, as the protocol's metadata."""
    labels = {"labels": list(manifest.columns if manifest.gives_values else manifest.classes)}
    return {
        "name": name,
        "versions": [manifest.version],
        "platform": PLATFORM,
        "inputs": [
            {
                "name": INPUT,
                "datatype": "FP32",
                "shape": [-1, *_window(manifest)],
                "parameters": {
                    "units": manifest.units,
                    "sampling_rate_hz": manifest.sampling_rate,
                    "length": manifest.length,
                    "context": manifest.context,
                },
            }
        ],
        "outputs": [
            {
                "name": tensor,
                "datatype": kind,
                "shape": [-1, *shape],
                **({"parameters": labels} if shape else {}),
            }
            for tensor, kind, shape in _given(manifest)
        ],
    }


def configured(name: str, manifest: Manifest, most: int) -> dict[str, Any]:
    """Return a model's configuration as Triton says it; `most` windows are a batch."""
    kinds = {BYTES: "STRING"}
    return {
        "name": name,
        "platform": "",
        "backend": PLATFORM,
        "max_batch_size": most,
        "input": [{"name": INPUT, "data_type": "TYPE_FP32", "dims": _window(manifest)}],
        "output": [
            {"name": tensor, "data_type": f"TYPE_{kinds.get(kind, kind)}", "dims": shape or [1]}
            for tensor, kind, shape in _given(manifest)
        ],
    }
