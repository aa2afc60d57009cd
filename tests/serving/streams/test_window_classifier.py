from __future__ import annotations

import numpy as np

from app.emg.signal.ring import Ring
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.streams.window_classifier import HISTORY, WindowClassifier
from tests.fakes import FakeBackend
from tests.inference.artefacts import make_manifest


def make_judge(backend: FakeBackend, seconds: float = 5.0) -> tuple[WindowClassifier, Engine]:
    manifest = make_manifest()
    shape = ModelInput(
        length=manifest.length, channels=manifest.channels, mean=manifest.mean, std=manifest.std
    )
    engine = Engine(shape, {"fake": BackendOpener(lambda: backend)})
    engine.open()
    ring = Ring(2000, manifest.channels)
    noise = np.random.default_rng(0).normal(0, 2, (round(seconds * 200), manifest.channels))
    ring.write(0, noise.astype(np.float32), np.ones(len(noise), np.int16), False, 7.0)
    return WindowClassifier(engine, manifest, ring, ("rest", "fist")), engine


def test_groups_that_look_at_the_same_window_share_one_inference() -> None:
    backend = FakeBackend()
    judge, engine = make_judge(backend)
    before = len(backend.batches)
    seen = [judge.classify(100, "fake", True) for _ in range(30)]
    assert all(one is seen[0] for one in seen)
    assert len(backend.batches) - before == 1
    assert seen[0] is not None
    assert (seen[0].truth, seen[0].acquired_at) == ("fist", 7.0)
    engine.close()


def test_another_window_backend_or_preprocessing_is_judged_for_itself() -> None:
    backend = FakeBackend()
    judge, engine = make_judge(backend)
    before = len(backend.batches)
    for end, preprocess in ((100, True), (100, False), (120, True)):
        judge.classify(end, "fake", preprocess)
    assert len(backend.batches) - before == 3
    engine.close()


def test_a_window_that_is_not_there_is_none_and_not_remembered() -> None:
    judge, engine = make_judge(FakeBackend())
    assert judge.classify(5, "fake", True) is None
    assert judge._history == {}
    engine.close()


def test_old_windows_are_forgotten() -> None:
    judge, engine = make_judge(FakeBackend())
    for end in range(100, 100 + 2 * HISTORY):
        judge.classify(end, "fake", True)
    assert len(judge._history) == HISTORY
    engine.close()
