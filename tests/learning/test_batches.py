"""Windows of a dataset for a model that reads context."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from app.emg.files.recordings import load
from app.inference.history import with_history
from app.learning.batches import Windows
from app.learning.datasets import read
from app.learning.evaluation import evaluate
from app.learning.progress import silently
from tests.inference.artefacts import make_artefact, make_manifest
from tests.learning.makers import CHANNELS, CLASSES, LENGTH, person


def test_context_goes_back_to_where_the_unbroken_signal_began_and_is_mirrored_before(tmp_path: Path) -> None:
    recording = load(person(tmp_path / "p.npz"))
    manifest = make_manifest(
        channels=CHANNELS, length=LENGTH, context=130, classes=CLASSES, architecture="covariance", units="uV"
    )
    data = read([recording], manifest, None)
    windows = Windows(data, np.zeros(CHANNELS, np.float32), np.ones(CHANNELS, np.float32))
    rows = np.arange(len(data.label))

    found = windows.take(torch.from_numpy(rows)).numpy()

    assert found.shape == (len(rows), 150, CHANNELS)
    for row in rows:
        piece = next(one for one in recording.pieces if one.start <= data.start[row] < one.stop)
        there = data.signal[piece.start : data.start[row] + LENGTH]
        np.testing.assert_array_equal(found[row], with_history(there, 150))
    np.testing.assert_array_equal(found[:, -LENGTH:], data.windows(rows))


def test_a_window_without_context_is_as_it_was(tmp_path: Path) -> None:
    manifest = make_manifest(channels=CHANNELS, length=LENGTH, classes=CLASSES)
    data = read([load(person(tmp_path / "p.npz"))], manifest, None)
    windows = Windows(data, manifest.mean, manifest.std)
    rows = np.arange(5)

    expected = (data.windows(rows) - manifest.mean) / manifest.std

    np.testing.assert_allclose(windows.take(torch.from_numpy(rows)).numpy(), expected, rtol=1e-6)


def test_a_covariance_model_is_judged_as_it_is(tmp_path: Path) -> None:
    model = make_artefact(
        tmp_path / "tiny", channels=CHANNELS, length=LENGTH, classes=CLASSES, architecture="covariance"
    )
    data = read([load(person(tmp_path / f"p{k}.npz", seed=k)) for k in range(2)], model.manifest, None)

    report = evaluate(model, data, "person", None, silently)

    assert report["windows"] == len(data.label)
    assert report["aligned"] is None  # there is no filter to turn
    assert 0 <= report["balanced_accuracy"] <= 1
