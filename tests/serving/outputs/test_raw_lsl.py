from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.emg.source import Chunk, Samples
from app.serving.counters.worker_group import WorkerGroup
from app.serving.outputs.raw_lsl import RawLsl

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until() -> Until:
    def waited(holds: Callable[[], object]) -> None:
        ends = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < ends
            time.sleep(0.005)

    return waited


class Outlet:
    def __init__(self, _source_id: str, description: Any) -> None:
        self.description, self.pushed, self.closed = description, list[Samples](), False

    def push(self, samples: Samples, _measured_at: float) -> None:
        self.pushed.append(samples)

    def close(self) -> None:
        self.closed = True


class Stage:
    """A source that no model reads, and the outlets that are opened for it."""

    def __init__(self, manifest: object | None = None) -> None:
        self.outlets: list[Outlet] = []
        self.acquisition = self.another(4)
        self.pipeline = SimpleNamespace(manifest=manifest, acquisition=self.acquisition)
        pipelines: Any = SimpleNamespace(default=self.pipeline)
        self.raw = RawLsl("me", pipelines, WorkerGroup.alone().try_lock, self._open)  # type: ignore[arg-type]  # a hand-made outlet

    def another(self, channels: int) -> Any:
        source = SimpleNamespace(name="hand", channels=channels, sampling_rate=1259.259, units="V")
        return SimpleNamespace(source=source, taps=[])

    def _open(self, source_id: str, description: Any) -> Outlet:
        self.outlets.append(Outlet(source_id, description))
        return self.outlets[-1]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.raw.start()
    yield stage
    stage.raw.close()


def chunk(channels: int) -> Chunk:
    return Chunk(index=0, samples=np.ones((3, channels), np.float32))


def test_every_sample_of_the_source_is_pushed_at_its_own_rate(stage: Stage, until: Until) -> None:
    until(lambda: stage.acquisition.taps)
    stage.acquisition.taps[0](chunk(4), 0.0)
    until(lambda: stage.outlets[0].pushed)
    assert stage.outlets[0].pushed[0].shape == (3, 4)
    assert stage.outlets[0].description.sampling_rate == 1259.259


def test_another_source_gets_another_stream(stage: Stage, until: Until) -> None:
    until(lambda: stage.acquisition.taps)
    stage.pipeline.acquisition = after = stage.another(8)
    until(lambda: after.taps)
    assert stage.outlets[0].closed
    assert stage.acquisition.taps == []
    assert stage.outlets[1].description.channels == 8


def test_what_fails_is_tried_again(stage: Stage, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.outputs.raw_lsl.RETRY_S", 0.01)
    until(lambda: stage.acquisition.taps)
    stage.raw._waiting.append(None)  # type: ignore[arg-type]  # cannot be pushed
    until(lambda: len(stage.outlets) == 2)
    assert stage.outlets[0].closed


def test_it_ends_when_a_model_reads_the_source_and_comes_back_when_none_does(
    stage: Stage, until: Until
) -> None:
    until(lambda: stage.acquisition.taps)
    stage.pipeline.manifest = object()
    until(lambda: stage.outlets[0].closed)
    assert stage.acquisition.taps == []
    stage.pipeline.manifest = None
    until(lambda: len(stage.outlets) == 2 and stage.acquisition.taps)


def test_with_a_model_there_are_predictions_to_send_and_no_signal(until: Until) -> None:
    stage = Stage(manifest=object())
    stage.raw._follow()
    assert stage.outlets == []
    assert stage.acquisition.taps == []
