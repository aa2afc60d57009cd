"""PyTorch on a real GPU: the answers of the reference, from replayed graphs, for as long as you like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.inference.artefact import Artefact
from app.inference.parity import checked, fixed_windows
from app.inference.pytorch.backend import TorchBackend
from app.inference.pytorch.graphs import SIZES
from app.inference.reference import reference_logits
from tests.gpu.conftest import OnThread

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="this torch sees no GPU: it is a build for the CPU"
    ),
]


def test_it_answers_as_the_reference(artefact: Artefact, on_thread: OnThread) -> None:
    backend = on_thread(lambda: TorchBackend.open(artefact, device="cuda"))

    assert on_thread(checked, backend, artefact) is backend
    on_thread(backend.close)


@pytest.mark.parametrize("batch", sorted({*SIZES, 3, 33, 65, 256}))
def test_every_batch_answers_as_the_reference(artefact: Artefact, on_thread: OnThread, batch: int) -> None:
    backend = on_thread(lambda: TorchBackend.open(artefact, device="cuda"))
    emg = np.resize(
        fixed_windows(artefact.manifest), (batch, artefact.manifest.length, artefact.manifest.channels)
    )

    logits = on_thread(backend.infer, emg).logits

    expected = reference_logits(artefact, emg)
    assert np.abs(logits - expected).max() <= 2e-4 * np.abs(expected).max()
    on_thread(backend.close)


def test_ten_thousand_inferences_do_not_grow_the_memory(artefact: Artefact, on_thread: OnThread) -> None:
    backend = on_thread(lambda: TorchBackend.open(artefact, device="cuda"))
    windows = fixed_windows(artefact.manifest)

    def run(calls: int) -> int:
        for k in range(calls):
            backend.infer(windows[: 1 + k % 16])
        return torch.cuda.memory_allocated()

    before = on_thread(run, 100)

    assert on_thread(run, 10_000) == before
    on_thread(backend.close)
