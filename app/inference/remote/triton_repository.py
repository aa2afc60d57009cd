"""A model in the layout of Triton's model repository: NAME/1/model.onnx, NAME/config.pbtxt and NAME/labels.txt.

The layout: https://github.com/triton-inference-server/server (docs/user_guide/model_repository.md and
model_configuration.md). KServe reads it too, with its Triton runtime.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from app.errors import ArtefactError, DataError
from app.inference.artefact import Artefact
from app.inference.foreign.border import window_shape
from app.inference.manifest import Manifest
from app.inference.onnx.backend import GRAPHS, OnnxBackend

CONFIG, LABELS, GRAPH = "config.pbtxt", "labels.txt", "model.onnx"
VERSION = 1
MAX_BATCH = 64  # windows; as many as a server of ours sends together


def write_repository(
    artefact: Artefact, repository: Path, *, precision: str = "fp32", force: bool = False
) -> Path:
    """Write a model's folder into a repository, and return it. The graph is opened here first.

    Raises:
        BackendUnavailableError: onnxruntime is missing, or the model has no graph of that precision.
        ArtefactError: the graph is damaged, or takes no batches.
        DataError: the folder is there, and nobody said that it may be replaced; or it cannot be written.
    """
    backend = OnnxBackend.open(artefact, precision=precision)
    try:
        config = _config(artefact.path.name, artefact.manifest, backend)
    finally:
        backend.close()
    folder = repository / artefact.path.name
    if folder.exists() and not force:
        raise DataError(f"{folder} exists; choose another folder with --out, or replace it with --force")
    try:
        _replaced(folder, artefact.file(GRAPHS[precision]), config, artefact.manifest)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}") from None
    return folder


def _replaced(folder: Path, graph: Path, config: str, manifest: Manifest) -> None:
    """Write it beside its place and then move it there: a server that looks meanwhile finds no half of it."""
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    (new / str(VERSION)).mkdir(parents=True)
    shutil.copyfile(graph, new / str(VERSION) / GRAPH)
    (new / CONFIG).write_text(config, encoding="utf-8")
    (new / LABELS).write_text("".join(f"{label}\n" for label in manifest.columns), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _config(name: str, manifest: Manifest, backend: OnnxBackend) -> str:
    """Return config.pbtxt, in protobuf's text format (a text there is escaped as in JSON, for ASCII)."""
    border, window = backend.border, window_shape(manifest)
    outputs = [_tensor(border.output, f"[ {len(manifest.columns)} ]", f'label_filename: "{LABELS}"')]
    if backend.gives_spikes:
        outputs.append(_tensor("spikes", "[ 1 ]", "reshape { shape: [ ] }"))
    if not name.isascii():
        raise ArtefactError(f"{name} must be plain ASCII to be the name of a model of Triton")
    return "\n".join(
        [
            f"name: {json.dumps(name)}",
            'backend: "onnxruntime"',
            f"max_batch_size: {MAX_BATCH}",
            f"input [ {_tensor(border.input, f'[ {window[0]}, {window[1]} ]')} ]",
            f"output [ {', '.join(outputs)} ]",
            "dynamic_batching { }",
            f'parameters {{ key: "version" value {{ string_value: {json.dumps(manifest.version)} }} }}',
            "",
        ]
    )


def _tensor(name: str, dims: str, more: str = "") -> str:
    return " ".join(
        [
            "{",
            f"name: {json.dumps(name)}",
            "data_type: TYPE_FP32",
            f"dims: {dims}",
            *([more] if more else []),
            "}",
        ]
    )
