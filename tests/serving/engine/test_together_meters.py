"""What one call for the windows of several models is counted as."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from app.inference.backend import Batch, Inference
from app.serving.engine.together import Asked, infer_together

WINDOW = np.zeros((1, 20, 4), np.float32)


class Meter:
    """Keeps how many windows each call had."""

    def __init__(self) -> None:
        self.windows: list[int] = []

    def served(self, windows: int, _latency_s: float) -> None:
        self.windows.append(windows)


class Backend:
    def infer(self, windows: Batch) -> Inference:
        return Inference(np.zeros((len(windows), 2), np.float32), np.zeros(len(windows), np.float32))


def engine(backend: Backend) -> Any:
    return SimpleNamespace(
        clock=lambda: 0.0,
        ready=lambda windows, _preprocess: windows,
        backends=SimpleNamespace(opened={"onnxruntime": backend}),
        calls={},
        meter=None,
        of_model=Meter(),
        model=SimpleNamespace(told=lambda logits: logits),
    )


def test_each_model_counts_the_call_once_and_its_own_windows() -> None:
    backend = Backend()
    twice, once = engine(backend), engine(backend)
    asked = [Asked(one, WINDOW, True, "onnxruntime") for one in (twice, once, twice)]
    assert len(infer_together(asked)) == 3
    assert (twice.of_model.windows, once.of_model.windows) == ([2], [1])
