"""Replaying recorded runs: padding and choice of size, with a recorder that needs no GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app.errors import BackendUnavailableError, NotReadyError
from app.inference.artefact import Artefact
from app.inference.networks import build_for, load_arrays
from app.inference.pytorch import graphs as torch_graphs
from app.inference.pytorch.backend import TorchBackend
from app.inference.pytorch.graphs import Answer, FixedSizes, Replay, Run
from tests.inference.artefacts import make_artefact


class RecordingService:
    """Records as a CUDA graph does: it keeps the memory, and runs again on what lies in it."""

    def __init__(self) -> None:
        self.replayed: list[int] = []  # sizes

    def __call__(self, run: Run, emg: Tensor) -> Replay:
        def replay() -> Answer:
            self.replayed.append(len(emg))
            return run(emg)

        return replay


def windows(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, 20, 4)).astype(np.float32)


def recorded(
    artefact: Artefact, recorder: RecordingService, sizes: tuple[int, ...] = (1, 2, 4)
) -> TorchBackend:
    network = build_for(artefact.manifest).eval()
    load_arrays(network, artefact.weights())
    graphs = FixedSizes(network, (20, 4), "cpu", recorder, sizes)
    return TorchBackend(network, artefact.manifest, "cpu", graphs)


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn"])
@pytest.mark.parametrize(("batch", "size"), [(1, 1), (2, 2), (3, 4), (4, 4)])
def test_a_batch_is_padded_to_the_next_recorded_size(
    tmp_path: Path, architecture: str, batch: int, size: int
) -> None:
    artefact = make_artefact(tmp_path / "tiny", architecture=architecture)
    recorder = RecordingService()
    backend = recorded(artefact, recorder)
    backend.infer(windows(4))  # leaves other windows in the rows beyond

    answer = backend.infer(windows(batch))

    expected = TorchBackend.open(artefact, device="cpu").infer(windows(batch))
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)
    np.testing.assert_array_equal(answer.spikes, expected.spikes)
    assert recorder.replayed == [4, size]


def test_a_batch_above_every_size_is_launched_kernel_by_kernel(tmp_path: Path) -> None:
    artefact = make_artefact(tmp_path / "tiny")
    recorder = RecordingService()

    answer = recorded(artefact, recorder).infer(windows(5))

    expected = TorchBackend.open(artefact, device="cpu").infer(windows(5))
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)
    assert recorder.replayed == []


@pytest.mark.parametrize(("architecture", "replays"), [("tcn", 1), ("spiking_tcn", 0)])
def test_only_a_spiking_network_cannot_replay_other_steps(
    tmp_path: Path, architecture: str, replays: int
) -> None:
    artefact = make_artefact(tmp_path / "tiny", architecture=architecture)
    recorder = RecordingService()

    answer = recorded(artefact, recorder).infer(windows(1), 9)

    expected = TorchBackend.open(artefact, device="cpu").infer(windows(1), 9)
    np.testing.assert_array_equal(answer.spikes, expected.spikes)
    assert len(recorder.replayed) == replays


def test_a_closed_backend_replays_no_more(tmp_path: Path) -> None:
    recorder = RecordingService()
    backend = recorded(make_artefact(tmp_path / "tiny"), recorder)
    backend.close()

    with pytest.raises(NotReadyError, match="closed"):
        backend.infer(windows(1))

    assert recorder.replayed == []


def test_a_gpu_that_fails_is_said_once_and_the_cpu_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_kernel(*_: object) -> FixedSizes:
        raise RuntimeError("CUDA error: no kernel image is available\nmore lines of advice")

    artefact = make_artefact(tmp_path / "tiny")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("app.inference.pytorch.backend._network", no_kernel)
    with pytest.raises(BackendUnavailableError) as refusal:
        TorchBackend.open(artefact, device="cuda")
    assert refusal.value.reason.endswith("cannot use cuda: CUDA error: no kernel image is available")
    monkeypatch.undo()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch_graphs, "FixedSizes", no_kernel)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, **_: self)
    backend = TorchBackend.open(artefact)

    assert backend.device == "cpu"
    assert [record.getMessage().count("no kernel image") for record in caplog.records] == [1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_asking_for_a_gpu_where_there_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"cannot use cuda: .*pytorch\.org") as refusal:
        TorchBackend.open(make_artefact(tmp_path / "tiny"), device="cuda")

    assert "\n" not in str(refusal.value)
