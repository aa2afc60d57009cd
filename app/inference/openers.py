"""How each backend is opened for a model, each checked against the reference before it is used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from app.errors import BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.manifest import FOREIGN
from app.inference.parity import PreciseBackend, checked
from app.inference.remote.target import NAME, Target

log = logging.getLogger(__name__)

OpenBackend = Callable[[], PreciseBackend]


def openers(
    artefact: Artefact,
    plan: Path,
    *,
    onnx_precision: str = "fp32",
    or_fp32: bool = False,
    target: Target | None = None,
) -> dict[str, OpenBackend]:
    """By name; call one on the thread that will use the backend.

    Args:
        artefact: the model.
        plan: TensorRT's plan file, or a folder in which the model's plan is looked for.
        onnx_precision: of the graph that ONNX Runtime runs.
        or_fp32: whether fp32 takes the place of a graph that answers otherwise; the log says so, and why.
        target: the model in a fleet, where one is to be asked.
    """
    here = _here(artefact, plan, onnx_precision, or_fp32)
    if target is None:
        return here

    def remote() -> PreciseBackend:
        from app.inference.remote.backend import RemoteBackend

        return RemoteBackend.open(artefact, target)  # which it checks by itself, again and again

    return {NAME: remote, **here}


def _here(artefact: Artefact, plan: Path, onnx_precision: str, or_fp32: bool) -> dict[str, OpenBackend]:
    """Return those of this machine."""
    if artefact.manifest.architecture == FOREIGN:
        return _foreign(artefact)

    def tensorrt() -> PreciseBackend:
        from app.inference.tensorrt.backend import TensorRtBackend

        return checked(TensorRtBackend.open(artefact, plan=plan), artefact)

    def onnxruntime() -> PreciseBackend:
        from app.inference.covariance.shared_stem import STEM, StemBackend
        from app.inference.onnx.backend import OnnxBackend

        if STEM in artefact.manifest.files and onnx_precision == "fp32":
            return checked(StemBackend.open(artefact), artefact)
        backend = OnnxBackend.open(artefact, precision=onnx_precision)
        try:
            return checked(backend, artefact)
        except BackendUnavailableError as error:
            if not or_fp32 or onnx_precision == "fp32":
                raise
            log.warning("the %s graph is not used, and fp32 takes its place: %s", onnx_precision, error)
        return checked(OnnxBackend.open(artefact), artefact)

    def pytorch() -> PreciseBackend:
        from app.inference.pytorch.backend import TorchBackend

        return checked(TorchBackend.open(artefact), artefact)

    return {"tensorrt": tensorrt, "onnxruntime": onnxruntime, "pytorch": pytorch}


def _foreign(artefact: Artefact) -> dict[str, OpenBackend]:
    """Return the same for somebody's own graph, which only ONNX Runtime runs."""

    def onnxruntime() -> PreciseBackend:
        from app.inference.onnx.backend import OnnxBackend

        return checked(OnnxBackend.open(artefact), artefact)

    def refuse(name: str, reason: str) -> OpenBackend:
        def refused() -> PreciseBackend:
            raise BackendUnavailableError(name, reason, "Choose onnxruntime in EMG_BACKENDS")

        return refused

    from app.inference.tensorrt.plan import NO_PLANS

    what = f"{artefact.manifest.name} is somebody's own ONNX graph"
    return {
        "tensorrt": refuse("tensorrt", f"{what}; {NO_PLANS}"),
        "onnxruntime": onnxruntime,
        "pytorch": refuse("pytorch", f"{what}, and no network that this server builds"),
    }
