"""ONNX Runtime: the answers of the reference backend, from a graph."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from app.errors import ArtefactError, BackendUnavailableError, NotReadyError, WindowError
from app.inference.artefact import Artefact, Manifest, save
from app.inference.networks import build_for, load_arrays
from app.inference.onnx import backend as onnx_backend
from app.inference.onnx.backend import OnnxBackend
from app.inference.pytorch.backend import TorchBackend
from app.learning.export import export
from tests.inference.artefacts import make_artefact

GRAPHS: dict[str, dict[str, bytes]] = {}


def windows(batch: int = 2, reads: int = 20) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(batch, reads, 4)).astype(np.float32)


def with_graphs(folder: Path, architecture: str) -> Artefact:
    plain = make_artefact(folder / "tiny", architecture=architecture)
    graphs = graphs_of(architecture, plain.manifest, plain.weights())
    files = {**graphs, "weights.safetensors": plain.file("weights.safetensors")}
    return save(folder / "tiny", plain.manifest, files, replacing=True)


def graphs_of(architecture: str, manifest: Manifest, weights: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Of the model that `make_artefact` makes; exported once a process, since that takes seconds."""
    if architecture not in GRAPHS:
        network = build_for(manifest)
        load_arrays(network, weights)
        GRAPHS[architecture] = export(network, manifest, windows(32, manifest.reads))
    return GRAPHS[architecture]


@pytest.fixture(scope="module")
def tcn(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("tcn"), "tcn")


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("spiking"), "spiking_tcn")


@pytest.mark.parametrize("batch", [1, 7])
def test_it_answers_as_pytorch(tcn: Artefact, batch: int) -> None:
    expected = TorchBackend.open(tcn).infer(windows(batch))

    answer = OnnxBackend.open(tcn).infer(windows(batch))

    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-4)
    np.testing.assert_array_equal(answer.spikes, np.zeros(batch))
    assert answer.logits.dtype == answer.spikes.dtype == np.float32


def test_it_counts_the_spikes_that_pytorch_counts(spiking: Artefact) -> None:
    expected = TorchBackend.open(spiking).infer(windows())

    answer = OnnxBackend.open(spiking).infer(windows(), spiking.manifest.steps)

    np.testing.assert_array_equal(answer.spikes, expected.spikes)
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-4)


@pytest.mark.parametrize(("precision", "atol"), [("fp16", 0.005), ("int8", 0.1)])
def test_the_other_precisions_answer_nearly_alike(tcn: Artefact, precision: str, atol: float) -> None:
    expected = OnnxBackend.open(tcn).infer(windows()).logits

    answer = OnnxBackend.open(tcn, precision=precision).infer(windows()).logits

    np.testing.assert_allclose(answer, expected, atol=atol)
    assert (answer != expected).any()


def test_steps_other_than_the_graph_s_are_refused_with_the_way_out(spiking: Artefact) -> None:
    backend = OnnxBackend.open(spiking)

    with pytest.raises(
        WindowError, match=r"steps must be 4 in onnxruntime.*got 2; the pytorch backend takes any"
    ):
        backend.infer(windows(), 2)


def test_steps_change_nothing_in_a_network_without_spikes(tcn: Artefact) -> None:
    backend = OnnxBackend.open(tcn)

    np.testing.assert_array_equal(backend.infer(windows(), 9).logits, backend.infer(windows()).logits)


@pytest.mark.parametrize("shape", [(20, 4), (0, 20, 4), (1, 21, 4), (1, 20, 5)], ids=str)
def test_windows_of_another_shape_are_refused(tcn: Artefact, shape: tuple[int, ...]) -> None:
    backend = OnnxBackend.open(tcn)

    with pytest.raises(WindowError, match=r"\(1 or more, 20, 4\), got"):
        backend.infer(np.zeros(shape, np.float32))


def test_an_artefact_without_a_graph_says_how_to_make_one(tmp_path: Path) -> None:
    plain = make_artefact(tmp_path / "tiny")

    with pytest.raises(
        BackendUnavailableError, match=r"has no model\.onnx\. Make it with .*model export"
    ) as refusal:
        OnnxBackend.open(plain)

    assert refusal.value.backend == "onnxruntime"


@pytest.mark.parametrize(
    "content", [b"", b"not a graph", b"\x08\x0a" * 50], ids=["empty", "text", "protobuf"]
)
def test_a_damaged_graph_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    damaged = make_artefact(tmp_path / "tiny", files={"model.onnx": content})

    with pytest.raises(ArtefactError, match=r"model\.onnx is no graph that ONNX Runtime loads") as refusal:
        OnnxBackend.open(damaged)

    assert "\n" not in str(refusal.value)


def test_the_graph_of_another_model_is_refused(tmp_path: Path, tcn: Artefact) -> None:
    graph = tcn.file("model.onnx").read_bytes()
    other = make_artefact(tmp_path / "tiny", classes=("rest", "a", "b", "c"), files={"model.onnx": graph})

    with pytest.raises(ArtefactError, match=r"model\.onnx must have .*\[4\].*got"):
        OnnxBackend.open(other)


def test_an_unknown_precision_is_refused(tcn: Artefact) -> None:
    with pytest.raises(ArtefactError, match="one of fp32, fp16, int8, got 'int4'"):
        OnnxBackend.open(tcn, precision="int4")


def test_a_closed_backend_says_so(tcn: Artefact) -> None:
    backend = OnnxBackend.open(tcn)
    backend.close()
    backend.close()

    with pytest.raises(NotReadyError, match="onnxruntime backend is closed"):
        backend.infer(windows())


def test_without_onnxruntime_it_says_how_to_get_it(tcn: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(BackendUnavailableError, match="pip install onnxruntime"):
        OnnxBackend.open(tcn)


def test_the_module_is_imported_without_onnxruntime() -> None:
    code = (
        f"import sys, {onnx_backend.__name__}; sys.exit(bool({{'onnxruntime', 'torch'}} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_another_precision_of_a_covariance_model_is_refused_with_the_one_there_is(tmp_path: Path) -> None:
    covariance = with_graphs(tmp_path, "covariance")

    with pytest.raises(BackendUnavailableError, match="fp32 is the precision of a covariance model"):
        OnnxBackend.open(covariance, precision="int8")
    assert OnnxBackend.open(covariance).precision == "fp32"
