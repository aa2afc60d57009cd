"""A stream of a model that reads context says what features and head say offline, from the first window on."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from app.emg.signal.ring import Ring
from app.inference.artefact import Artefact
from app.inference.onnx.backend import OnnxBackend
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.streams.window_classifier import WindowClassifier
from tests.inference.covariance.models import CHANNELS, LENGTH, covariance_model, offline

SAMPLES, HOP, CHUNK = 600, 4, 7
PATIENT_S = 20.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return covariance_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def engine(model: Artefact) -> Engine:
    manifest = model.manifest
    shape = ModelInput(
        length=manifest.length,
        context=manifest.context,
        channels=manifest.channels,
        mean=manifest.mean,
        std=manifest.std,
    )
    engine = Engine(shape, {"onnxruntime": BackendOpener(lambda: OnnxBackend.open(model))})
    engine.open()
    return engine


def signal(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mix = random.standard_normal((CHANNELS, CHANNELS)) * np.geomspace(0.2, 3, CHANNELS)
    return (random.standard_normal((SAMPLES, CHANNELS)) @ mix).astype(np.float32)


@pytest.mark.parametrize(
    "first",
    [SAMPLES, SAMPLES + 200],
    ids=["a restart", "a long gap"],
)
def test_every_window_of_a_live_ring_is_the_one_offline(model: Artefact, engine: Engine, first: int) -> None:
    """A writer on a thread of its own; both segments from their first window, whose history is missing."""
    ring = Ring(3 * SAMPLES, CHANNELS, max_fill=8)
    segments = {0: signal(1), first: signal(2)}

    def write() -> None:
        for begin, emg in segments.items():
            for at in range(0, SAMPLES, CHUNK):
                ring.write(begin + at, emg[at : at + CHUNK], restart=at == 0)

    writer = threading.Thread(target=write)
    classifier = WindowClassifier(engine, model.manifest, ring, ())
    writer.start()
    for begin, emg in segments.items():
        ends = np.arange(LENGTH, SAMPLES + 1, HOP)
        found = []
        for end in ends:
            assert ring.wait_beyond(begin + end - 1, PATIENT_S)
            result = classifier.classify(begin + end, "onnxruntime", True)
            assert result is not None
            found.append(result.probabilities)
        np.testing.assert_allclose(found, offline(model, emg, ends), atol=2e-4)
        assert classifier.classify(begin + LENGTH - 1, "onnxruntime", True) is None
    writer.join(PATIENT_S)
    engine.close()


def test_levels_and_losses_are_those_of_the_window_alone(model: Artefact, engine: Engine) -> None:
    ring = Ring(SAMPLES, CHANNELS, max_fill=8)
    emg = signal()
    emg[:300] *= 50
    ring.write(0, emg[:100])
    ring.write(105, emg[105:])  # 5 samples are filled
    classifier = WindowClassifier(engine, model.manifest, ring, ())

    early, late = (classifier.classify(end, "onnxruntime", True) for end in (110, 350))

    assert early is not None
    assert late is not None
    assert (early.missing, late.missing) == (5, 0)
    assert early.intensity == 1.0 > late.intensity
    engine.close()
