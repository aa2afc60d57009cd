"""The reference backend: the artefact's own network, on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import ArtefactError, BackendUnavailableError, NotReadyError, WindowError
from app.inference.artefact import load, save, weights_bytes
from app.inference.networks import build_for, load_arrays
from app.inference.pytorch import backend as torch_backend
from app.inference.pytorch.backend import TorchBackend
from tests.inference.artefacts import make_artefact


def windows(batch: int = 2) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(batch, 20, 4)).astype(np.float32)


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn"])
def test_it_answers_as_the_network_of_the_artefact(tmp_path: Path, architecture: str) -> None:
    artefact = make_artefact(tmp_path / "tiny", architecture=architecture)
    network = build_for(artefact.manifest).eval()
    load_arrays(network, artefact.weights())
    with torch.inference_mode():
        expected = network(torch.from_numpy(windows()))

    answer = TorchBackend.open(artefact, device="cpu").infer(windows())

    logits, spikes = expected if architecture == "spiking_tcn" else (expected, torch.zeros(2))
    np.testing.assert_allclose(answer.logits, logits.numpy(), atol=1e-5)
    np.testing.assert_array_equal(answer.spikes, spikes.numpy())
    assert answer.logits.dtype == answer.spikes.dtype == np.float32


def test_the_steps_of_a_call_change_what_a_spiking_network_does(tmp_path: Path) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny", architecture="spiking_tcn", steps=4))

    assert (backend.infer(windows(), 16).spikes > backend.infer(windows()).spikes).all()
    np.testing.assert_array_equal(backend.infer(windows(), 4).logits, backend.infer(windows()).logits)


def test_steps_change_nothing_in_a_network_without_spikes(tmp_path: Path) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny"))

    np.testing.assert_array_equal(backend.infer(windows(), 9).logits, backend.infer(windows()).logits)
    assert backend.infer(windows(), 9).spikes.tolist() == [0, 0]


@pytest.mark.parametrize("steps", [0, -1, 257])
def test_steps_out_of_range_are_refused(tmp_path: Path, steps: int) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny", architecture="spiking_tcn"))

    with pytest.raises(WindowError, match="steps must be from 1 to 256"):
        backend.infer(windows(), steps)


@pytest.mark.parametrize("shape", [(20, 4), (0, 20, 4), (1, 21, 4), (1, 20, 5)], ids=str)
def test_windows_of_another_shape_are_refused_with_what_the_model_takes(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny"))

    with pytest.raises(WindowError, match=r"\(1 or more, 20, 4\), got"):
        backend.infer(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "batch",
    [
        np.asfortranarray(windows()),
        windows()[::-1],
        windows().astype(np.float64),
        np.broadcast_to(windows(1), (2, 20, 4)),
    ],
    ids=["fortran", "reversed", "double", "read-only"],
)
def test_any_layout_of_the_same_numbers_gives_the_same_answer(tmp_path: Path, batch: np.ndarray) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny"))

    expected = backend.infer(np.array(batch, np.float32, order="C"))

    np.testing.assert_array_equal(backend.infer(batch).logits, expected.logits)


def test_it_answers_on_a_thread_other_than_the_one_that_opened_it(tmp_path: Path) -> None:
    """Inference mode is thread-local: entered at opening, it would not hold on the engine's thread."""
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny"))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(backend.infer(windows())))
    thread.start()
    thread.join()

    np.testing.assert_array_equal(answers[0].logits, backend.infer(windows()).logits)


def test_it_uses_one_cpu_thread_unless_told_otherwise(tmp_path: Path) -> None:
    artefact = make_artefact(tmp_path / "tiny")

    TorchBackend.open(artefact, threads=2)
    assert torch.get_num_threads() == 2
    TorchBackend.open(artefact)
    assert torch.get_num_threads() == 1


def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path) -> None:
    artefact = make_artefact(tmp_path / "tiny")
    other = save(
        tmp_path / "other", artefact.manifest, {"weights.safetensors": weights_bytes({"w": np.ones(2, "f4")})}
    )

    with pytest.raises(
        ArtefactError, match=r"other/weights\.safetensors: the weights .*Restore the folder"
    ) as refusal:
        TorchBackend.open(other)

    assert "\n" not in str(refusal.value)


def test_a_hand_edited_width_is_refused_in_one_line(tmp_path: Path) -> None:
    make_artefact(tmp_path / "tiny")
    path = tmp_path / "tiny" / "manifest.json"
    layout = json.loads(path.read_text())
    layout["hyper_parameters"]["width"] = 9
    path.write_text(json.dumps(layout))

    with pytest.raises(ArtefactError, match="must be float32"):
        TorchBackend.open(load(tmp_path / "tiny"))


def test_a_closed_backend_says_so(tmp_path: Path) -> None:
    backend = TorchBackend.open(make_artefact(tmp_path / "tiny"))
    backend.close()
    backend.close()

    with pytest.raises(NotReadyError, match="pytorch backend is closed"):
        backend.infer(windows())


def test_without_torch_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = make_artefact(tmp_path / "tiny")
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(BackendUnavailableError, match="pip install -r requirements"):
        TorchBackend.open(artefact)


def test_the_module_is_imported_without_torch() -> None:
    code = f"import sys, {torch_backend.__name__}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
