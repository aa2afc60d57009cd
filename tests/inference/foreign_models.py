"""Graphs as others make them, small and made at test time, with the golden vectors of their authors."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.inference.artefact import Artefact
from app.inference.foreign.make import make

LENGTH, CHANNELS, CLASSES = 20, 4, ("rest", "a", "b")
Array = npt.NDArray[Any]


def weights(channels: int = CHANNELS, classes: int = 3) -> Array:
    """What the graph multiplies each channel's mean square by: (channels, classes)."""
    return np.random.default_rng(1).normal(size=(channels, classes)).astype(np.float32)


def graph(
    *,
    layout: str = "ntc",
    length: int = LENGTH,
    channels: int = CHANNELS,
    classes: int = 3,
    batch: int | str = "n",
    probabilities: bool = False,
    nodes: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    initializers: Sequence[Any] = (),
    opsets: Sequence[Any] = (),
) -> onnx.ModelProto:
    """The mean square of each channel, times `weights`; `nodes` are put in front of the rest."""
    shape = [batch, length, channels] if layout == "ntc" else [batch, channels, length]
    axis = 1 if layout == "ntc" else 2
    given = "p" if probabilities else "y"
    body = [
        *nodes,
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["power"], axes=[axis], keepdims=0),
        helper.make_node("MatMul", ["power", "w"], ["y"]),
    ]
    if probabilities:
        body.append(helper.make_node("Softmax", ["y"], ["p"], axis=-1))
    made = helper.make_graph(
        body,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, [batch, classes]), *outputs],
        [numpy_helper.from_array(weights(channels, classes), "w"), *initializers],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17), *opsets], ir_version=9)


def emg(length: int = LENGTH, channels: int = CHANNELS, count: int = 12) -> Array:
    """Windows as they come, from rest to strong."""
    noise = np.random.default_rng(2).normal(size=(count, length, channels))
    return (noise * np.geomspace(0.5, 4, count)[:, None, None]).astype(np.float32)


def answers(windows: Array, mean: float = 0.5, std: float = 2.0, probabilities: bool = False) -> Array:
    """What the author's own program makes of windows, in double precision."""
    power = np.square((windows.astype(np.float64) - mean) / std).mean(1)
    logits: Array = power @ weights(windows.shape[2]).astype(np.float64)
    if not probabilities:
        return logits
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    found: Array = exponentials / exponentials.sum(1, keepdims=True)
    return found


def golden(windows: Array | None = None, output: Array | None = None, **more: Array) -> bytes:
    """The content of golden.npz."""
    windows = emg() if windows is None else windows
    file = io.BytesIO()
    np.savez(file, emg=windows, output=answers(windows) if output is None else output, **more)
    return file.getvalue()


def draft(**changes: Any) -> bytes:
    """The least that an author says of the model; `input` is merged."""
    own: dict[str, Any] = {
        "name": "mine",
        "input": {
            "channels": CHANNELS,
            "length": LENGTH,
            "sampling_rate_hz": 200,
            "units": "uV",
            **changes.pop("input", {}),
        },
        "normalisation": {"mean": [0.5] * CHANNELS, "std": [2.0] * CHANNELS},
        "classes": list(CLASSES),
        "rest_class": "rest",
        "intensity": {"rest_rms": 0.5, "active_rms": 4},
        **changes,
    }
    return json.dumps({name: value for name, value in own.items() if value is not None}).encode()


def foreign(
    folder: Path,
    model: onnx.ModelProto | bytes | None = None,
    manifest: bytes | None = None,
    vectors: bytes | None = None,
    name: str = "mine",
) -> Artefact:
    """An artefact of such a graph, not yet verified, in `folder`/`name`."""
    model = graph() if model is None else model
    folder.mkdir(parents=True, exist_ok=True)
    given, proof = folder / f"{name}.onnx", folder / f"{name}.npz"
    given.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    proof.write_bytes(golden() if vectors is None else vectors)
    return make(folder / name, given, draft() if manifest is None else manifest, proof)
