"""Networks as ONNX: the same answers, the form that the runtimes want, nothing of this machine inside."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from app.errors import MyostreamError
from app.inference.manifest import Parent
from app.inference.networks import build_for, folded, state_arrays
from app.learning.export import Agreement, agreement, export, onnx_fp16, onnx_fp32, onnx_int8
from tests.inference.artefacts import make_manifest

NAMES = ("model.onnx", "model.fp16.onnx", "model.int8.onnx")
Graphs = dict[str, dict[str, bytes]]


def network_of(architecture: str) -> Any:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(11)
        return build_for(make_manifest(architecture=architecture))


def windows(batch: int = 64) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(batch, 20, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    """Every graph of both networks; exporting takes a second each."""
    return {
        architecture: export(network_of(architecture), make_manifest(architecture=architecture), windows())
        for architecture in ("tcn", "spiking_tcn")
    }


EACH = pytest.mark.parametrize(
    ("architecture", "name"),
    [(architecture, name) for architecture in ("tcn", "spiking_tcn") for name in NAMES],
)


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn"])
def test_the_fp32_graph_answers_as_the_network_on_windows_it_has_not_seen(
    graphs: Graphs, architecture: str
) -> None:
    unseen = np.random.default_rng(9).normal(scale=3, size=(40, 20, 4)).astype(np.float32)

    found = agreement(graphs[architecture]["model.onnx"], network_of(architecture), unseen)

    assert found.difference <= 1e-4
    assert found.same_prediction == 1
    assert found.same_spikes >= 0.99


@pytest.mark.parametrize(
    ("name", "largest"), [("model.fp16.onnx", 0.005), ("model.int8.onnx", 0.1)], ids=["fp16", "int8"]
)
def test_a_smaller_graph_stays_near_the_network_but_is_not_the_fp32_one(
    graphs: Graphs, name: str, largest: float
) -> None:
    found = agreement(graphs["tcn"][name], network_of("tcn"), windows())

    assert 1e-6 < found.difference < largest
    assert found.same_prediction > 0.9


@EACH
def test_the_border_is_float32_with_a_dynamic_batch(graphs: Graphs, architecture: str, name: str) -> None:
    graph = onnx.load_from_string(graphs[architecture][name]).graph

    described = {
        entry.name: (
            entry.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim],
        )
        for entry in (*graph.input, *graph.output)
    }

    expected = {"emg": (1, ["batch", 20, 4]), "logits": (1, ["batch", 3])}
    assert described == expected | ({"spikes": (1, ["batch"])} if architecture == "spiking_tcn" else {})


@EACH
def test_it_is_one_valid_file_of_a_form_that_tensorrt_parses(
    graphs: Graphs, architecture: str, name: str
) -> None:
    model = onnx.load_from_string(graphs[architecture][name])

    onnx.checker.check_model(model, full_check=True)
    assert {(opset.domain, opset.version) for opset in model.opset_import if opset.domain == ""} == {("", 18)}
    assert not [entry.name for entry in model.graph.initializer if entry.external_data]
    assert {node.domain for node in model.graph.node} == {""}


@EACH
def test_nothing_of_this_machine_is_inside(graphs: Graphs, architecture: str, name: str) -> None:
    content = graphs[architecture][name]

    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"stack_trace" not in content


@EACH
@pytest.mark.parametrize("batch", [1, 2, 33])
def test_any_batch_gives_each_window_its_own_answer(
    graphs: Graphs, architecture: str, name: str, batch: int
) -> None:
    session = onnxruntime.InferenceSession(graphs[architecture][name], providers=["CPUExecutionProvider"])

    together = session.run(["logits"], {"emg": windows(batch)})[0]
    alone = session.run(["logits"], {"emg": windows(batch)[-1:]})[0]

    np.testing.assert_allclose(together[-1:], alone, atol=2e-3)


def test_the_fp16_graph_computes_in_fp16(graphs: Graphs) -> None:
    graph = onnx.load_from_string(graphs["tcn"]["model.fp16.onnx"]).graph

    weights = [entry for entry in graph.initializer if len(entry.dims) > 1]

    assert {entry.data_type for entry in weights} == {onnx.TensorProto.FLOAT16}


def test_the_int8_graph_is_symmetric_with_int8_weights_per_output_channel(graphs: Graphs) -> None:
    graph = onnx.load_from_string(graphs["tcn"]["model.int8.onnx"]).graph
    arrays = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}

    zero_points = [arrays[node.input[2]] for node in graph.node if node.op_type == "DequantizeLinear"]
    stem = next(array for array in arrays.values() if array.shape == (8, 4, 1, 4))

    assert zero_points
    assert all(not points.any() for points in zero_points)
    assert stem.dtype == np.int8
    assert (np.abs(stem.astype(int)).max(axis=(1, 2, 3)) == 127).all()


def test_exporting_leaves_the_network_as_it_was() -> None:
    network = network_of("tcn").train()
    before = state_arrays(network)

    onnx_fp16(network, make_manifest())

    assert network.training
    for name, array in state_arrays(network).items():
        np.testing.assert_array_equal(array, before[name])
        assert array.dtype == np.float32


def test_exporting_the_same_network_twice_gives_the_same_bytes() -> None:
    assert onnx_fp32(network_of("tcn"), make_manifest()) == onnx_fp32(network_of("tcn"), make_manifest())


def test_of_a_covariance_model_a_child_has_a_stem_and_no_other() -> None:
    lone = make_manifest(architecture="covariance")
    child = replace(lone, parent=Parent("ring", 64 * "a"))
    network, emg = network_of("covariance"), np.zeros((4, lone.reads, lone.channels), np.float32)

    assert export(network, lone, emg).keys() == {"model.onnx"}
    assert export(network, child, emg).keys() == {"model.onnx", "stem.onnx"}


def test_exporting_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    onnx_int8(onnx_fp32(network_of("tcn"), make_manifest()), windows(8))

    assert capfd.readouterr() == ("", "")


def test_a_graph_that_differs_from_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = onnx_fp32(build_for(make_manifest()), make_manifest())
    monkeypatch.setattr("app.learning.export.onnx_fp32", lambda network, manifest: other)

    with pytest.raises(MyostreamError, match="the ONNX graph of tiny differs from the network"):
        export(network_of("tcn"), make_manifest(), windows())


def logits_of(network: Any) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return np.asarray(folded(network)(torch.from_numpy(windows())))


def test_a_network_that_is_surer_is_exported_as_well() -> None:
    """Calibration makes logits large, and rounding with them; a bound on their difference refused every model."""
    import torch

    network = network_of("tcn")
    with torch.no_grad():
        network.head.weight *= 10_000
        network.head.bias *= 10_000

    assert export(network, make_manifest(), windows()).keys() == set(NAMES)


def test_agreement_sees_a_difference_of_one_logit() -> None:
    import torch

    network = network_of("tcn")
    graph = onnx_fp32(network, make_manifest())
    with torch.no_grad():
        network.head.bias[0] += 100

    found = agreement(graph, network, windows())

    largest = np.abs(logits_of(network)).max()
    assert found.difference == pytest.approx(100 / largest, rel=1e-4)
    assert found == Agreement(found.difference, found.same_prediction, 1.0)
    assert found.same_prediction < 1


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_the_tools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MyostreamError, match=f"needs {missing}; install .* requirements.txt`"):
        onnx_fp32(network_of("tcn"), make_manifest())
