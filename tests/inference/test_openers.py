"""Opening each backend for a model: best first, none unchecked."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import BackendUnavailableError
from app.inference.artefact import WEIGHTS, save, weights_bytes
from app.inference.openers import openers
from app.inference.parity import fixed_windows
from app.learning.export import export
from app.learning.shipping import network_of
from tests.inference.artefacts import TINY, make_artefact
from tests.inference.onnx.test_backend import with_graphs


def test_they_come_best_first_and_open_what_is_there(tmp_path: Path) -> None:
    found = openers(with_graphs(tmp_path, "tcn"), tmp_path, onnx_precision="int8")

    assert list(found) == ["tensorrt", "onnxruntime", "pytorch"]
    assert [(found[name]().name, found[name]().precision) for name in ("onnxruntime", "pytorch")] == [
        ("onnxruntime", "int8"),
        ("pytorch", "fp32"),
    ]


def test_a_graph_of_older_weights_is_not_opened(tmp_path: Path) -> None:
    """A model was trained anew and its graph was left as it was: valid in every part, and wrong."""
    made = with_graphs(tmp_path, "tcn")
    newer = {name: array * 1.5 for name, array in made.weights().items()}
    files = {**{name: made.file(name) for name in made.manifest.files}, WEIGHTS: weights_bytes(newer)}
    stale = save(made.path, made.manifest, files, replacing=True)

    with pytest.raises(BackendUnavailableError, match="onnxruntime is not available: its answers differ"):
        openers(stale, tmp_path)["onnxruntime"]()


def test_fp32_takes_the_place_of_an_int8_graph_that_answers_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The int8 graph is that of other weights; the operator did not ask for it."""
    made = with_graphs(tmp_path / "made", "tcn")
    other = make_artefact(tmp_path / "other", hyper_parameters={**TINY, "dilations": [1]})
    graphs = export(network_of(other), other.manifest, fixed_windows(other.manifest))
    files = {name: made.file(name) for name in made.manifest.files} | {
        "model.int8.onnx": graphs["model.int8.onnx"]
    }
    mixed = save(tmp_path / "mixed", made.manifest, files)

    with pytest.raises(BackendUnavailableError, match="its answers differ"):
        openers(mixed, tmp_path, onnx_precision="int8")["onnxruntime"]()
    backend = openers(mixed, tmp_path, onnx_precision="int8", or_fp32=True)["onnxruntime"]()

    assert backend.precision == "fp32"
    assert "the int8 graph is not used, and fp32 takes its place: onnxruntime is not available" in caplog.text
