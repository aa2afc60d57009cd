"""Windows of several sources in one call: the answers are those of a call each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.errors import WindowError
from app.serving.engine.engine import TOGETHER, Engine
from app.serving.engine.opening import make_engine
from app.serving.engine.together import Asked, infer_together
from tests.inference.covariance.models import CHANNELS, LENGTH, child, covariance_model

SETTINGS = Settings(backends=("onnxruntime",), mains_hz=None)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    """Three children of one model; the last one knows fewer gestures."""
    folder = tmp_path_factory.mktemp("children")
    models = [child(folder, 0), child(folder, 1), child(folder, 2, classes=("rest", "fist"))]
    first = make_engine(SETTINGS, models[0])
    found = [first, *(make_engine(SETTINGS, model, first) for model in models[1:])]
    for engine in found:
        engine.open()
    yield found
    for engine in reversed(found):
        engine.close()


def window(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, LENGTH, CHANNELS)).astype(np.float32)


def expect_own(engines: list[Engine], windows: list[np.ndarray]) -> None:
    together = infer_together(
        [Asked(engine, one, True, "onnxruntime") for engine, one in zip(engines, windows, strict=True)]
    )
    for engine, one, found in zip(engines, windows, together, strict=True):
        alone = engine.infer(one, backend="onnxruntime")
        assert found.logits == pytest.approx(alone.logits, rel=1e-4, abs=1e-4)
        assert found.prediction.probabilities == pytest.approx(alone.prediction.probabilities, abs=1e-5)
        assert found.backend == alone.backend
        assert found.latency_ms > 0


def test_children_of_one_model_answer_together_as_alone(engines: list[Engine]) -> None:
    assert len({Asked(engine, window(0), True, "onnxruntime").kind for engine in engines}) == 1
    expect_own(engines, [window(seed) for seed in range(3)])


def test_windows_of_one_model_do_too(engines: list[Engine]) -> None:
    expect_own([engines[1]] * 3, [window(seed) for seed in range(3)])


def test_another_model_is_of_another_kind(engines: list[Engine], tmp_path: Path) -> None:
    other = make_engine(SETTINGS, covariance_model(tmp_path / "other"), engines[0])
    other.open()
    kinds = {Asked(engine, window(0), True, "onnxruntime").kind for engine in (other, engines[0])}
    assert len(kinds) == 2
    other.close()


def test_what_takes_its_time_is_left_to_the_engines_thread(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines[0]._inline_s, "onnxruntime", 0.1)
    assert Asked(engines[0], window(0), True, "onnxruntime").kind is None
    assert Asked(engines[0], window(0), True, "pytorch").kind is None  # it is not open


def test_a_call_holds_nobody_up_for_long(engines: list[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engines[0]._together_s, "onnxruntime", 0.0001)  # of each
    assert Asked(engines[0], window(0), True, "onnxruntime").most == 5
    monkeypatch.setitem(engines[0]._together_s, "onnxruntime", 0.000001)
    assert Asked(engines[0], window(0), True, "onnxruntime").most == TOGETHER
    monkeypatch.setitem(engines[0]._together_s, "onnxruntime", 0.1)
    assert Asked(engines[0], window(0), True, "onnxruntime").most == 1


def test_what_each_of_many_takes_is_measured_where_they_are_run_in_place(engines: list[Engine]) -> None:
    engine = engines[0]
    alone, each = engine._inline_s["onnxruntime"], engine._together_s["onnxruntime"]
    assert 0 < each < alone


@pytest.mark.parametrize("of_one", [True, False], ids=["of one model", "of two"])
def test_windows_that_bring_more_or_less_context_go_together(engines: list[Engine], of_one: bool) -> None:
    asked = [engines[0], engines[0 if of_one else 1]]
    longest = engines[0].model.reads
    windows = [window(0), np.random.default_rng(1).normal(size=(1, longest, CHANNELS)).astype(np.float32)]
    assert longest > LENGTH
    expect_own(asked, windows)


def test_one_that_is_wrong_is_said(engines: list[Engine]) -> None:
    asked = [Asked(engines[0], one, True, "onnxruntime") for one in (window(0), window(1)[:, 1:])]
    with pytest.raises(WindowError):
        infer_together(asked)
    assert engines[0].calls == {}


class Meter:
    """Keeps how many windows each call had."""

    def __init__(self) -> None:
        self.windows: list[int] = []

    def served(self, windows: int, _latency_s: float) -> None:
        self.windows.append(windows)

    def failed(self) -> None:
        raise AssertionError


def test_each_model_counts_the_call_once_with_its_own_windows(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    meters = [Meter(), Meter()]
    for engine, meter in zip(engines[:2], meters, strict=True):
        monkeypatch.setattr(engine, "of_model", meter)
    asked = [Asked(engines[k], window(k), True, "onnxruntime") for k in (0, 1, 0)]
    assert len(infer_together(asked)) == 3
    assert [meter.windows for meter in meters] == [[2], [1]]
