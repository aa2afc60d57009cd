"""Why a worker should get no traffic, and what it says of its backends."""

from __future__ import annotations

from app.inference.artefact import Artefact
from app.serving.engine.backends import BackendOpener
from tests.fakes import FakeBackend
from tests.serving.stage import LENGTH, Stage


def test_a_running_worker_is_ready_and_one_that_stops_says_why_not(stage: Stage) -> None:
    assert stage.runtime.health.not_ready() == ["the source scripted is starting"]
    stage.feed(LENGTH)
    assert stage.runtime.health.not_ready() == []
    stage.stopping = True
    stage.runtime.engine.close()
    assert stage.runtime.health.not_ready() == ["the server is shutting down", "the engine is not open"]


def test_a_source_without_a_whole_window_is_not_ready(stage: Stage) -> None:
    """Ready was said at the first sample, and the first request was refused."""
    stage.feed(LENGTH - 1)
    assert stage.runtime.health.not_ready() == [
        f"the source scripted has {LENGTH - 1} of the {LENGTH} samples of a window"
    ]
    stage.feed(1)
    assert stage.runtime.health.not_ready() == []
    stage.feed(3, restart=True)
    assert len(stage.runtime.health.not_ready()) == 1


def test_a_backend_that_was_not_asked_for_says_how_to_ask(artefact: Artefact) -> None:
    stage = Stage(artefact, pytorch=BackendOpener(FakeBackend))
    states = stage.runtime.health.backends()
    assert list(states) == ["tensorrt", "onnxruntime", "pytorch"]  # no fleet was named
    assert states["pytorch"].available
    assert states["onnxruntime"].cure == "Name it in EMG_BACKENDS"
    stage.runtime.close()
