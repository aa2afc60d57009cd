"""A pooled model made one person's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.inference.networks import build_for, state_arrays
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import read
from app.learning.metrics import Scores, confusion
from tests.learning import makers


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    described = makers.manifest()
    data = read(makers.recordings(tmp_path_factory.mktemp("person"), 1, sessions=1), described)
    return Windows(data, described.mean, described.std)


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn", "power"])
def test_one_repetition_teaches_a_person(windows: Windows, architecture: str) -> None:
    data = windows.data
    torch.manual_seed(0)
    pooled = build_for(makers.manifest(architecture=architecture)).eval()
    first, later = np.flatnonzero(data.repetition == 1), np.flatnonzero(data.repetition > 3)

    adapted = calibrate(pooled, windows, first)

    table = confusion(data.label[later], windows.predict(adapted, later), 3)
    assert Scores(table, 0).balanced_accuracy > 0.9
    assert state_arrays(adapted).keys() == state_arrays(pooled).keys()


def test_the_pooled_network_and_the_global_generator_stay_as_they_are(windows: Windows) -> None:
    pooled = build_for(makers.manifest()).eval()
    before, state = state_arrays(pooled), torch.get_rng_state()

    calibrate(pooled, windows, np.flatnonzero(windows.data.repetition == 1))

    assert torch.equal(torch.get_rng_state(), state)
    for name, array in state_arrays(pooled).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_same_windows_give_the_same_network(windows: Windows) -> None:
    torch.manual_seed(0)
    pooled = build_for(makers.manifest()).eval()
    rows = np.flatnonzero(windows.data.repetition == 1)

    one, other = (calibrate(pooled, windows, rows) for _ in range(2))

    for name, array in state_arrays(one).items():
        np.testing.assert_array_equal(array, state_arrays(other)[name])


def test_a_dead_electrode_does_no_harm(tmp_path: Path) -> None:
    described = makers.manifest()
    path = makers.person(tmp_path / "S01.npz")
    arrays = dict(np.load(path))
    arrays["emg"][:, 1] = 0
    np.savez(path, **arrays)
    data = read([makers.load(path)], described)
    torch.manual_seed(0)

    adapted = calibrate(
        build_for(described).eval(), Windows(data, described.mean, described.std), np.arange(len(data.label))
    )

    assert all(np.isfinite(array).all() for array in state_arrays(adapted).values())
