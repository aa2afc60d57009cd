"""Models that know some of a shipped one's classes: what they say of a signal is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import load_file

from app.inference.artefact import Artefact, load, save, weights_bytes
from app.learning.covariance.graph import covariance_graph

SHIPPED = "synthetic-16ch-2khz"


def fewer(models: Path, name: str, classes: Sequence[str], *, called: Sequence[str] = ()) -> Artefact:
    """Write a model that knows only these classes of the shipped one, to `models`/`name`; `called` names them anew."""
    parent = load(models / SHIPPED)
    rows = [parent.manifest.classes.index(one) for one in classes]
    weights = dict(load_file(parent.path / "weights.safetensors"))
    for key in ("head.weight", "head.bias"):
        weights[key] = weights[key][rows].copy()
    named = tuple(called or classes)
    manifest = replace(
        parent.manifest,
        name=name,
        version="1.2.0",
        classes=named,
        rest_class=named[0],
        metrics={},
        reject_below=None,
    )
    files: dict[str, bytes | Path] = {
        "model.onnx": covariance_graph(manifest, weights),
        "weights.safetensors": weights_bytes(weights),
    }
    return save(models / name, manifest, files)
