"""Windows of many sources on one worker: those of the first end where a replay's do, those of a crowd apart."""

from __future__ import annotations

import pytest

from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.serving.build import build_runtime
from app.serving.pipelines import pushed_sources
from app.serving.sources.declared import Declared


def test_the_windows_of_a_crowd_end_apart_and_those_of_a_few_where_a_replays_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pushed_sources, "CROWD", 3)
    runtime = build_runtime(Settings(emg_mode=EmgMode.PUSH, backends=("onnxruntime",)), sse.encode)
    try:
        firsts = []
        for number in range(6):
            declared = Declared(name=f"arm{number}", channels=16, sampling_rate=2000.0, units=None)
            pipeline, _ = runtime.source_models.pushed.declare(declared)
            firsts.append(pipeline.acquisition.main.grid(30.0).end_of(0))
    finally:
        runtime.close()
    assert firsts[:3] == [67, 67, 67]
    assert len({*firsts[3:], 67}) == 4
    assert all(67 < end < 67 + 200 for end in firsts[3:])
