"""The ONNX graph and the PyTorch network of a covariance model, against the numpy reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import ALLOWED, checked, compare, fixed_windows
from app.inference.prediction import softmax
from app.inference.pytorch.backend import TorchBackend
from app.inference.reference import reference_logits
from app.learning.covariance.graph import covariance_graph, stem_graph
from tests.inference.artefacts import make_artefact, make_manifest
from tests.inference.covariance.models import values_model
from tests.inference.covariance.signals import ILL, ill_conditioned

BANDS = [[15, 35], [35, 60], [60, 95]]
CLASSES = ("rest", *(f"g{k}" for k in range(7)))


def model(folder: Path, channels: int = 8, length: int = 40, context: int = 160, **changes: Any) -> Artefact:
    """A covariance model with its graph; `changes` are hyper-parameters, `rate` apart."""
    described: dict[str, Any] = {
        "channels": channels,
        "length": length,
        "context": context,
        "rate": changes.pop("rate", 200),
        "classes": CLASSES,
        "architecture": "covariance",
        "hyper_parameters": {"floor": 0.0044, "bands_hz": BANDS, "typical": 5, **changes},
    }
    bare = make_artefact(folder / "model", **described)
    graph = covariance_graph(bare.manifest, bare.weights())
    return make_artefact(folder / "model", files={"model.onnx": graph}, **described)


SHAPES = pytest.mark.parametrize(
    "shape",
    [
        {},
        {"typical": 0},
        {"placements": 16},
        {"placements": 3, "typical": 0},
        {"curved": 6},
        {"curved": 6, "typical": 0, "placements": 3},
        {"bands_hz": []},
        {"bands_hz": [], "degree": 24},
        {"degree": 4},
        {"degree": 48},
        {"degree": 95},
        {"context": 0},
        {"context": 161},
        {"context": 1, "frame_ms": 1000.0},
        {"channels": 1},
        {"channels": 2},
        {"channels": 16, "rate": 2000, "length": 400, "context": 1100, "frame_ms": 50.0},
        {"channels": 12, "rate": 1024, "length": 154, "context": 700},
        {"channels": 64, "projected": 16},
        {"channels": 64},
        {"channels": 32, "projected": 8, "bands_hz": []},
    ],
    ids=str,
)


@SHAPES
def test_both_give_what_the_reference_gives(tmp_path: Path, shape: dict[str, Any]) -> None:
    artefact = model(tmp_path, **shape)

    for backend in (OnnxBackend.open(artefact), TorchBackend.open(artefact, device="cpu")):
        found = compare(backend, artefact)
        assert found.holds
        assert found.difference < 2e-5


@pytest.mark.parametrize("channels", [1, 8, 16])
def test_values_by_nearness_are_those_of_the_reference(tmp_path: Path, channels: int) -> None:
    artefact = values_model(tmp_path, channels)

    expected = reference_logits(artefact, fixed_windows(artefact.manifest))
    assert np.ptp(expected, axis=0).min() > 0.1
    for backend in (OnnxBackend.open(artefact), TorchBackend.open(artefact, device="cpu")):
        found = compare(backend, artefact)
        assert found.holds
        assert found.difference < 2e-5


def test_centres_are_for_values_and_go_with_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="centres is for models whose outputs"):
        model(tmp_path, centres=4, typical=0)
    with pytest.raises(ArtefactError, match="centres must be 0 with typical, curved or placements"):
        CovarianceParameters(centres=4, typical=1)


def test_a_graph_whose_values_differ_is_told_from_the_reference(tmp_path: Path) -> None:
    artefact, other = values_model(tmp_path / "a"), values_model(tmp_path / "b", seed=4)
    backend = OnnxBackend.open(other)
    assert not compare(backend, artefact).holds
    with pytest.raises(BackendUnavailableError, match="its answers differ from the reference"):
        checked(backend, artefact)


@pytest.mark.parametrize("kind", ILL)
def test_values_of_ill_conditioned_windows_are_told_alike(tmp_path: Path, kind: str) -> None:
    artefact = values_model(tmp_path)
    windows = ill_conditioned(kind, artefact.manifest.reads, artefact.manifest.channels)
    expected = reference_logits(artefact, windows)

    assert np.isfinite(expected).all()
    for backend in (OnnxBackend.open(artefact), TorchBackend.open(artefact, device="cpu")):
        assert np.abs(backend.infer(windows).logits - expected).max() <= 2 * ALLOWED["fp32"]


@pytest.mark.parametrize("kind", ILL)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"curved": 6},
        {"typical": 0, "degree": 64},
        {"channels": 16, "context": 360},
        {"channels": 64, "projected": 16},
    ],
    ids=str,
)
def test_ill_conditioned_windows_are_answered_alike(tmp_path: Path, kind: str, shape: dict[str, Any]) -> None:
    artefact = model(tmp_path, **shape)
    windows = ill_conditioned(kind, artefact.manifest.reads, artefact.manifest.channels)
    expected = reference_logits(artefact, windows)

    assert np.isfinite(expected).all()
    for backend in (OnnxBackend.open(artefact), TorchBackend.open(artefact, device="cpu")):
        logits = backend.infer(windows).logits
        assert np.abs(logits - expected).max() <= ALLOWED["fp32"] * np.abs(expected).max()
        assert np.abs(softmax(logits) - softmax(expected.astype(np.float32))).max() <= 2e-3


@pytest.mark.parametrize("batch", [1, 2, 33])
def test_any_batch_gives_each_window_its_own_answer(tmp_path: Path, batch: int) -> None:
    artefact = model(tmp_path)
    windows = np.resize(fixed_windows(artefact.manifest), (batch, 200, 8))
    backend = OnnxBackend.open(artefact)

    together = backend.infer(windows).logits
    alone = np.concatenate([backend.infer(window[np.newaxis]).logits for window in windows])

    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_the_graph_is_standard_onnx_with_a_dynamic_batch_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    artefact = model(tmp_path)
    content = covariance_graph(artefact.manifest, artefact.weights())

    graph = onnx.load_from_string(content)

    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}
    shape = graph.graph.input[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value, shape[2].dim_value) == ("batch", 200, 8)
    assert content == covariance_graph(artefact.manifest, artefact.weights())
    assert not {"If", "Loop", "Scan"} & {node.op_type for node in graph.graph.node}


def test_the_stem_is_standard_onnx_of_the_same_bytes_whatever_the_head(tmp_path: Path) -> None:
    artefact = model(tmp_path)
    arrays = artefact.weights()
    other = {name: 2 * values for name, values in arrays.items()}
    content = stem_graph(artefact.manifest, arrays)

    graph = onnx.load_from_string(content)

    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}
    assert content == stem_graph(replace(artefact.manifest, name="other", classes=("a", "rest")), other)
    assert len(content) < 20_000  # no head inside


def test_the_stem_holds_the_projection(tmp_path: Path) -> None:
    artefact = model(tmp_path, channels=20, projected=4)
    arrays = artefact.weights()
    other = {**arrays, "project.weight": 2 * arrays["project.weight"]}

    assert stem_graph(artefact.manifest, arrays) != stem_graph(artefact.manifest, other)


def test_the_second_term_moves_the_largest_logit_and_no_probability(tmp_path: Path) -> None:
    artefact = model(tmp_path)
    arrays = artefact.weights()
    plain = {name: values * (0 if name.startswith("typical") else 1) for name, values in arrays.items()}
    windows = fixed_windows(artefact.manifest)

    def logits(weights: dict[str, Any]) -> Any:
        session = onnxruntime.InferenceSession(covariance_graph(artefact.manifest, weights))
        return session.run(["logits"], {"emg": windows})[0]

    far, near = logits(arrays), logits(plain)

    np.testing.assert_allclose(softmax(far), softmax(near), atol=1e-4)
    assert (far.max(1) < near.max(1)).all()


def test_the_window_is_the_end_of_what_is_read(tmp_path: Path) -> None:
    """With the window's own weights alone, what came before changes nothing."""
    artefact = model(tmp_path, bands_hz=[], typical=0)
    arrays = artefact.weights()
    arrays["head.weight"][:, 36:] = 0  # the context's half-vector
    windows = fixed_windows(artefact.manifest)
    other = windows.copy()
    other[:, :160] = 9.0
    session = onnxruntime.InferenceSession(covariance_graph(artefact.manifest, arrays))

    found = [session.run(["logits"], {"emg": emg})[0] for emg in (windows, other)]

    np.testing.assert_allclose(*found, atol=1e-5)


def test_figures_for_the_card_count_every_product() -> None:
    from app.inference.networks import build_for

    manifest = make_manifest(
        channels=8, length=40, context=160, architecture="covariance", hyper_parameters={}
    )
    network = build_for(manifest)

    covariances = (40 + 200) * 64 + 200 * 8
    products = 2 * (network.blocks.shape[1] + network.blocks.shape[0] - 2) * 512
    mixture = 2 * network.blocks.numel() * 64
    spread, head = 72 * 130, 3 * 72
    curved = build_for(replace(manifest, hyper_parameters={"curved": 4}))
    assert curved.operations(40) - network.operations(40) == 2 * (4 * 72 + 3 * 4)
    assert network.parameter_count() == 3 * 72 + 3
    assert network.operations(40) == 2 * (covariances + products + mixture + spread + head)
    assert network.receptive_field() == 200
