"""Many sources on one thread, on gevent and on plain threads: everyone's frames are those of their own signal."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from app.config import ROOT
from app.emg.signal.filters import design, filter_all
from app.emg.signal.windows import Grid
from app.inference.artefact import Artefact
from app.inference.onnx.backend import OnnxBackend
from app.inference.prediction import normalise, predict
from tests.inference.onnx.test_backend import with_graphs
from tests.serving.streams.many_pushed import QUICK, SECONDS, SLOW, SOURCES, signal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["gevent", "plain"])
def got(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = str(tmp_path_factory.mktemp("many"))
    command = [sys.executable, "-m", "tests.serving.streams.many_pushed", request.param, folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("model"), "tcn")


def probabilities(model: Artefact, number: int, ends: list[int]) -> np.ndarray:
    """What the model says of that person's windows, each asked about by itself."""
    manifest = model.manifest
    filtered = filter_all(design(manifest.filters, manifest.sampling_rate, None), signal(number, manifest))
    backend = OnnxBackend.open(model)
    found = []
    for end in ends:
        window = normalise(filtered[end - manifest.length : end], manifest.mean, manifest.std)
        found.append(predict(backend.infer(window[np.newaxis]).logits).probabilities[0])
    backend.close()
    return np.array(found)


def test_nothing_that_was_pushed_is_lost(got: Any, model: Artefact) -> None:
    assert got["lost"] == [0] * SOURCES
    assert got["samples"] == [round(SECONDS * model.manifest.sampling_rate)] * SOURCES


def test_one_model_is_asked_in_place_and_one_is_waited_for(got: Any) -> None:
    """Else this file would show less than it says."""
    assert got["inline"] == [True, False]


@pytest.mark.parametrize("options", [QUICK, SLOW], ids=["in place", "waited for"])
def test_everyone_gets_the_frames_of_their_own_signal_in_order(
    got: Any, model: Artefact, options: Any
) -> None:
    grid = Grid(model.manifest.sampling_rate, options.fps)
    readers = [
        (number, frames[options.backend])
        for number, frames in enumerate(got["people"])
        if options.backend in frames
    ]
    assert len(readers) == (SOURCES if options is QUICK else 3)
    for number, frames in readers:
        ends = [frame["sample_index"] for frame in frames]
        windows = [grid.first_at_or_after(end) for end in ends]
        assert [grid.end_of(k) for k in windows] == ends
        # those that a busy machine has no time for are counted
        assert [after - before - 1 for before, after in pairwise(windows)] == [
            frame["missed"] for frame in frames[1:]
        ]
        expected = probabilities(model, number, ends)
        np.testing.assert_allclose([frame["probabilities"] for frame in frames], expected, atol=1e-3)
        assert {frame["missing"] for frame in frames} == {0}


def test_readers_are_told_of_nothing_but_frames_and_the_silence_at_the_end(got: Any) -> None:
    for kinds in got["kinds"]:
        assert set(kinds) <= {"Frame", "SourceChange"}
        assert "Frame" in kinds
