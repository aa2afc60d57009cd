"""How each backend is opened for a model, best first, each checked against the reference before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.inference.artefact import Artefact
from app.inference.parity import PreciseBackend, checked

OpenBackend = Callable[[], PreciseBackend]


def openers(artefact: Artefact, plan: Path, *, onnx_precision: str = "fp32") -> dict[str, OpenBackend]:
    """By name; call one on the thread that will use the backend.

    Args:
        artefact: the model.
        plan: TensorRT's plan file, or a folder in which the model's plan is looked for.
        onnx_precision: of the graph that ONNX Runtime runs.
    """

    def tensorrt() -> PreciseBackend:
        from app.inference.tensorrt.backend import TensorRtBackend

        return checked(TensorRtBackend.open(artefact, plan=plan), artefact)

    def onnxruntime() -> PreciseBackend:
        from app.inference.onnx_backend import OnnxBackend

        return checked(OnnxBackend.open(artefact, precision=onnx_precision), artefact)

    def pytorch() -> PreciseBackend:
        from app.inference.torch_backend import TorchBackend

        return checked(TorchBackend.open(artefact), artefact)

    return {"tensorrt": tensorrt, "onnxruntime": onnxruntime, "pytorch": pytorch}
