"""A network as ONNX: one file with the weights inside, for ONNX Runtime and the TensorRT parsers.

The graph takes `emg` (batch, context + length, channels) float32, normalised already, with a dynamic batch, and gives
`logits` (batch, classes) and, for a spiking network, `spikes` (batch,). Its steps are those of the manifest.

onnx, onnxscript and onnxruntime are imported where used: a server that only runs graphs loads none of the first two.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from app.errors import MyostreamError
from app.inference.backend import Batch
from app.inference.covariance.network import CovarianceNet
from app.inference.covariance.shared_stem import STEM
from app.inference.manifest import Manifest
from app.inference.networks import Classifier, folded, state_arrays
from app.inference.parity import ALLOWED
from app.learning.covariance.graph import covariance_graph, stem_graph
from app.learning.progress import Progress, silently

# The oldest that torch's exporter writes without converting; TensorRT 10 and 11 parse it.
OPSET = 18
MAX_BATCH = 1024  # the largest batch the graph promises to take
SAME_SPIKES = 0.99  # of the windows; rounding can move a potential over its threshold


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a graph's answers compare with the network's on the same windows."""

    difference: (
        float  # largest of a logit, as a share of the network's largest; windows of as many spikes only
    )
    same_prediction: float  # share of the windows
    same_spikes: float  # share of the windows; 1 for a network without spikes


def export(
    network: Classifier, manifest: Manifest, windows: Batch, progress: Progress = silently
) -> dict[str, bytes]:
    """All graphs of a network, by their names in an artefact; the fp32 one is checked against the network.

    Args:
        network: trained, in any mode; it is not changed.
        manifest: of the same form.
        windows: normalised (batch, length, channels), some hundreds of the training data: they calibrate
            the int8 graph and check the fp32 one.
        progress: is told of each graph.

    Raises:
        MyostreamError: a package is missing, or the graph does not give what the network gives.
    """
    made: dict[str, bytes] = {}
    if isinstance(network, CovarianceNet):  # fp16 and int8 gain nothing: nodes cost it more than products
        return {"model.onnx": _checked(network, manifest, windows), **_stem(network, manifest)}
    steps: list[tuple[str, Callable[[], bytes]]] = [
        ("model.onnx", lambda: _checked(network, manifest, windows)),
        ("model.fp16.onnx", lambda: onnx_fp16(network, manifest)),
        ("model.int8.onnx", lambda: onnx_int8(made["model.onnx"], windows)),
    ]
    for k in progress(range(len(steps)), len(steps), "graphs"):
        name, make = steps[k]
        made[name] = make()
    return made


def _stem(network: CovarianceNet, manifest: Manifest) -> dict[str, bytes]:
    """Return what a child shares with its siblings; nothing of a model that has no parent."""
    if manifest.parent is None or network.held.parameters.placements > 1:
        return {}
    return {STEM: stem_graph(manifest, state_arrays(network))}


def _checked(network: Classifier, manifest: Manifest, windows: Batch) -> bytes:
    graph = onnx_fp32(network, manifest)
    found = agreement(graph, network, windows)
    if not (found.difference <= ALLOWED["fp32"] and found.same_spikes >= SAME_SPIKES):  # refuses NaN, too
        raise MyostreamError(f"the ONNX graph of {manifest.name} differs from the network: {found}")
    return graph


def onnx_fp32(network: Classifier, manifest: Manifest) -> bytes:
    """Return the network as it is."""
    if isinstance(network, CovarianceNet):
        return covariance_graph(manifest, state_arrays(network))
    return _exported(folded(network), manifest, network.spiking)


def onnx_fp16(network: Classifier, manifest: Manifest) -> bytes:
    """float16 inside and float32 at the border, for strongly typed engines."""
    return _exported(_HalfInside(folded(network)), manifest, network.spiking)


def onnx_int8(graph: bytes, windows: Batch) -> bytes:
    """Return an fp32 graph with its convolutions and head in int8, scaled by what these normalised windows excite.

    Symmetric, since TensorRT refuses zero points; biases stay float32, as it wants them.
    """
    quantization = _module("onnxruntime.quantization")
    onnx = _module("onnx")
    with tempfile.TemporaryDirectory() as folder, _quietly():
        target = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            onnx.load_from_string(graph),
            target,
            _OneByOne(windows),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )
        return _stripped(onnx.load(target))


def agreement(graph: bytes, network: Classifier, windows: Batch) -> Agreement:
    """Run both on normalised windows and compare."""
    expected, expected_spikes = _network_answers(network, windows)
    logits, spikes = _graph_answers(graph, windows)
    same = np.ones(len(windows), bool) if spikes is None else spikes == expected_spikes
    distances = np.abs(logits - expected)[same]
    return Agreement(
        difference=float(distances.max(initial=0.0) / np.abs(expected).max()),
        same_prediction=float(np.mean(logits.argmax(1) == expected.argmax(1))),
        same_spikes=float(np.mean(same)),
    )


class _HalfInside(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inner = network.half()

    def forward(self, emg: Tensor) -> Any:
        answer = self.inner(emg.half())
        return tuple(part.float() for part in answer) if isinstance(answer, tuple) else answer.float()


class _OneByOne:
    """The calibration windows, in the form ONNX Runtime asks for them."""

    def __init__(self, windows: Batch) -> None:
        self._rest = iter(windows)

    def get_next(self) -> dict[str, Batch] | None:
        window = next(self._rest, None)
        return None if window is None else {"emg": window[np.newaxis]}


def _exported(network: nn.Module, manifest: Manifest, spiking: bool) -> bytes:
    for needed in ("onnx", "onnxscript"):  # by torch's exporter
        _module(needed)
    with _quietly():
        program: Any = torch.onnx.export(
            network,
            (torch.zeros(2, manifest.reads, manifest.channels),),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["emg"],
            output_names=["logits", "spikes"] if spiking else ["logits"],
            dynamic_shapes={"emg": {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}},
        )
        return _stripped(program.model_proto)


def _stripped(model: Any) -> bytes:
    """Return the model without the exporter's notes, which name folders of this machine."""
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


def _network_answers(network: Classifier, windows: Batch) -> tuple[Any, Any]:
    with torch.inference_mode():
        answer = folded(network)(torch.from_numpy(windows))
    return (answer[0].numpy(), answer[1].numpy()) if isinstance(answer, tuple) else (answer.numpy(), None)


def _graph_answers(graph: bytes, windows: Batch) -> tuple[Any, Any]:
    runtime = _module("onnxruntime")
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers = session.run(None, {"emg": windows})
    return (answers[0], answers[1]) if len(answers) == 2 else (answers[0], None)


def _module(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        cure = "install it with `pip install -r requirements.txt`"
        raise MyostreamError(f"exporting to ONNX needs {error.name}; {cure}") from None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' remarks: deprecations inside torch, and packages that we do not use."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
