"""Windows that are complete at the same time are predicted by whoever comes first; the others find them known."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.config import Settings
from app.emg.signal.ring import Ring
from app.serving.engine.engine import Engine
from app.serving.engine.opening import make_engine
from app.serving.streams.due_windows import Due, DueWindows
from app.serving.streams.window_classifier import WindowClassifier
from tests.inference.covariance.models import CHANNELS, child

SETTINGS = Settings(backends=("onnxruntime",), mains_hz=None)
END = 300


class Group(SimpleNamespace):
    """Stands where one does that has readers."""

    __hash__ = object.__hash__


class Source:
    """A person's signal, their model, and a group of readers whose window is complete."""

    def __init__(self, engine: Engine, manifest: Any, seed: int) -> None:
        ring = Ring(1000, CHANNELS)
        ring.write(0, np.random.default_rng(seed).normal(size=(END, CHANNELS)).astype(np.float32))
        self.classifier, self.calls = WindowClassifier(engine, manifest, ring, ()), 0
        self.alone = WindowClassifier(engine, manifest, ring, ())
        self.group: Any = Group(complete=True, due=self.due)

    def due(self) -> Due | None:
        window = self.classifier.ask(END, "onnxruntime", True)
        return None if window is None else Due(self.classifier, window)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Engine, Any]]]:
    folder = tmp_path_factory.mktemp("children")
    models = [child(folder, seed) for seed in range(3)]
    first = make_engine(SETTINGS, models[0])
    found = [first, *(make_engine(SETTINGS, model, first) for model in models[1:])]
    for engine in found:
        engine.open()
        engine._inline_s["onnxruntime"] = 0.0001  # whatever else this machine does
    yield [(engine, model.manifest) for engine, model in zip(found, models, strict=True)]
    for engine in reversed(found):
        engine.close()


@pytest.fixture
def sources(engines: list[tuple[Engine, Any]]) -> list[Source]:
    return [Source(engine, manifest, seed) for seed, (engine, manifest) in enumerate(engines)]


def calls_of(source: Source, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what the source's engine is asked by itself."""
    calls: list[int] = []
    infer = source.classifier._engine.infer

    def counted(*args: Any, **more: Any) -> Any:
        calls.append(1)
        return infer(*args, **more)

    monkeypatch.setattr(
        source.classifier,
        "_engine",
        SimpleNamespace(infer=counted, in_place=source.classifier._engine.in_place),
    )
    return calls


def test_who_comes_first_has_all_predicted(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    due = DueWindows(lambda: True)
    due.look(source.group for source in sources)
    due.predict(sources[1].group)
    for source in sources:
        expected = source.alone.classify(END, "onnxruntime", True)
        calls = calls_of(source, monkeypatch)
        found = source.classifier.classify(END, "onnxruntime", True)
        assert calls == []
        assert found is not None
        assert expected is not None
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert (found.prediction, found.segment, found.missing) == (expected.prediction, 0, 0)
        assert source.due() is None  # it is known


def test_one_that_is_alone_asks_for_itself(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    due = DueWindows(lambda: True)
    due.look([sources[0].group])
    due.predict(sources[0].group)
    calls = calls_of(sources[0], monkeypatch)
    assert sources[0].classifier.classify(END, "onnxruntime", True) is not None
    assert calls == [1]


def test_of_one_source_nothing_is_noted(sources: list[Source]) -> None:
    due = DueWindows(lambda: False)
    due.look(source.group for source in sources)
    due.predict(sources[0].group)
    assert sources[1].due() is not None


def test_what_cannot_be_predicted_together_is_left_to_each(sources: list[Source]) -> None:
    sources[2].classifier._engine.backends._closed = True
    try:
        due = DueWindows(lambda: True)
        due.look(source.group for source in sources)
        sources[1].group.complete = False
        due.predict(sources[0].group)
    finally:
        sources[2].classifier._engine.backends._closed = False
    assert sources[0].classifier.classify(END, "onnxruntime", True) is not None
