"""What is written for Triton, read by the parser of Triton's own configuration (tritonclient's model_config_pb2)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import SHIPPED_MODELS
from app.errors import BackendUnavailableError, DataError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.remote.triton_repository import write_repository
from tests.inference import foreign_models, value_models
from tests.inference.artefacts import make_artefact
from tests.inference.onnx.test_backend import with_graphs

TYPE_FP32 = 11


def parsed(folder: Path) -> Any:
    tritonclient = pytest.importorskip("tritonclient", reason="pip install 'tritonclient[http]'")
    text_format = pytest.importorskip("google.protobuf.text_format")
    # its package wants grpc, which this one file does not
    file = Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return text_format.Parse((folder / "config.pbtxt").read_text(), module.ModelConfig())


def answers(folder: Path, name: str, emg: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {name: emg})[0]


@pytest.mark.parametrize("name", ["synthetic-16ch-2khz", "myo-8ch-200hz"])
def test_the_shipped_models_are_written_as_triton_reads_them(tmp_path: Path, name: str) -> None:
    model = artefact.load(SHIPPED_MODELS / name)
    manifest = model.manifest
    folder = write_repository(model, tmp_path / "models")
    assert folder == tmp_path / "models" / name
    config = parsed(folder)
    assert (config.name, config.backend, config.max_batch_size) == (name, "onnxruntime", 64)
    (given,), (output,) = config.input, config.output
    assert (given.name, given.data_type, list(given.dims)) == (
        "emg",
        TYPE_FP32,
        [manifest.reads, manifest.channels],
    )
    assert (output.name, output.data_type, list(output.dims)) == (
        "logits",
        TYPE_FP32,
        [len(manifest.classes)],
    )
    labels = (folder / output.label_filename).read_text().splitlines()
    assert tuple(labels) == manifest.classes
    assert config.parameters["version"].string_value == manifest.version
    assert config.HasField("dynamic_batching")
    assert (folder / "1" / "model.onnx").read_bytes() == (model.path / "model.onnx").read_bytes()
    assert sorted(one.name for one in folder.parent.iterdir()) == [name]


def test_a_spiking_network_gives_its_spikes_one_for_each_window(tmp_path: Path) -> None:
    model = with_graphs(tmp_path / "spiking", "spiking_tcn")
    _logits, spikes = parsed(write_repository(model, tmp_path / "models")).output
    assert (spikes.name, list(spikes.dims), list(spikes.reshape.shape)) == ("spikes", [1], [])
    assert spikes.HasField("reshape")


@pytest.mark.parametrize("layout", ["ntc", "nct"])
def test_somebodys_own_graph_keeps_its_names_and_layout(tmp_path: Path, layout: str) -> None:
    model = foreign_models.foreign(
        tmp_path,
        foreign_models.graph(layout=layout, probabilities=True),
        foreign_models.draft(input={"layout": layout}, outputs={"kind": "probabilities"}),
        foreign_models.golden(output=foreign_models.answers(foreign_models.emg(), probabilities=True)),
    )
    folder = write_repository(model, tmp_path / "models")
    config = parsed(folder)
    dims = [4, 20] if layout == "nct" else [20, 4]
    assert (config.input[0].name, list(config.input[0].dims), config.output[0].name) == ("x", dims, "p")
    assert answers(folder, "x", np.zeros((2, *dims), np.float32)).shape == (2, 3)


def test_the_labels_of_values_are_their_names(tmp_path: Path) -> None:
    folder = write_repository(value_models.regression(tmp_path), tmp_path / "models")
    assert parsed(folder).output[0].name == "angles"
    assert (folder / "labels.txt").read_text().splitlines() == [one["name"] for one in value_models.VALUES]


def shipped() -> Artefact:
    return artefact.load(SHIPPED_MODELS / "myo-8ch-200hz")


def test_what_is_there_is_replaced_only_on_request_and_as_a_whole(tmp_path: Path) -> None:
    folder = write_repository(shipped(), tmp_path)
    (folder / "1" / "old").write_text("of before")
    with pytest.raises(
        DataError, match="exists; choose another folder with --out, or replace it with --force"
    ):
        write_repository(shipped(), tmp_path)
    write_repository(shipped(), tmp_path, force=True)
    assert [one.name for one in (folder / "1").iterdir()] == ["model.onnx"]
    assert [one.name for one in tmp_path.iterdir()] == [folder.name]


def test_a_graph_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"has no model\.onnx.*model export"):
        write_repository(make_artefact(tmp_path / "tiny"), tmp_path / "models")
    with pytest.raises(BackendUnavailableError, match=r"has no model\.int8\.onnx"):
        write_repository(shipped(), tmp_path / "models", precision="int8")


def test_a_repository_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        write_repository(shipped(), tmp_path / "models")
