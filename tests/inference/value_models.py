"""A regression as somebody else makes it: two joint angles and a force from the RMS of each channel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.inference.artefact import Artefact
from tests.inference import foreign_models as made
from tests.inference.foreign_models import CHANNELS, LENGTH, Array

MEAN, STD = 0.5, 2.0  # of the draft's normalisation
VALUES: tuple[dict[str, Any], ...] = (
    {"name": "wrist_flexion", "low": -90, "high": 90, "units": "deg"},
    {"name": "grip", "low": 0, "high": 1},
    {"name": "elbow", "low": 10, "high": 150, "units": "deg", "rest": 30},
)
# (channels, values): the angle by the difference of two channels, the force by all of them
WEIGHTS = np.array([[30, 0.1, 10], [-20, 0.1, 10], [5, 0.1, 20], [0, 0.1, -5]], np.float32)
BIAS = np.array([2, 0, 40], np.float32)


def graph(layout: str = "ntc", length: int = LENGTH, inverse: bool = False) -> onnx.ModelProto:
    """The RMS of each channel, times WEIGHTS and plus BIAS; `inverse`: of one over the RMS, infinity for silence."""
    shape: list[Any] = ["n", length, CHANNELS] if layout == "ntc" else ["n", CHANNELS, length]
    body = [
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["power"], axes=[1 if layout == "ntc" else 2], keepdims=0),
        helper.make_node("Sqrt", ["power"], ["r"]),
        *(
            [helper.make_node("Reciprocal", ["r"], ["rms"])]
            if inverse
            else [helper.make_node("Identity", ["r"], ["rms"])]
        ),
        helper.make_node("Gemm", ["rms", "w", "b"], ["angles"]),
    ]
    whole = helper.make_graph(
        body,
        "regression",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("angles", TensorProto.FLOAT, ["n", len(VALUES)])],
        [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(BIAS, "b")],
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def answers(windows: Array, inverse: bool = False) -> Array:
    """What the author's own program makes of windows (n, length, channels), in double precision: (n, values)."""
    rms = np.sqrt(np.square((windows.astype(np.float64) - MEAN) / STD).mean(1))
    found: Array = (1 / rms if inverse else rms) @ WEIGHTS.astype(np.float64) + BIAS
    return found


def within(values: Array) -> Array:
    """The same, clipped into the ranges."""
    return np.clip(values, [one["low"] for one in VALUES], [one["high"] for one in VALUES])


def draft(values: Any = VALUES, **changes: Any) -> bytes:
    """The least that an author says of it."""
    outputs = {"kind": "values", "values": list(values) if isinstance(values, tuple) else values}
    return made.draft(**{"classes": None, "rest_class": None, "outputs": outputs, **changes})


def golden(length: int = LENGTH, inverse: bool = False) -> bytes:
    windows = made.emg(length)
    return made.golden(windows, answers(windows, inverse))


def regression(
    folder: Path, layout: str = "ntc", context: int = 0, inverse: bool = False, **changes: Any
) -> Artefact:
    """An artefact of it, not yet verified, in `folder`/mine."""
    reads = LENGTH + context
    told = draft(input={"layout": layout, "context": context}, **changes)
    if inverse:
        wide = [{**one, "low": -1000, "high": 1000} for one in VALUES]
        told = draft(tuple(wide), **changes)
    return made.foreign(folder, graph(layout, reads, inverse), told, golden(reads, inverse))


def fields(model: Artefact) -> dict[str, Any]:
    """What its manifest.json says."""
    found: dict[str, Any] = json.loads((model.path / "manifest.json").read_bytes())
    return found
