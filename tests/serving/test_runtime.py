from __future__ import annotations

import threading

import pytest

from app.errors import BackendUnavailableError, NotReadyError, OverloadedError
from app.inference.artefact import Artefact
from app.serving.engine.backends import BackendOpener
from app.serving.streams.events import StreamOptions
from tests.fakes import FakeBackend
from tests.serving.stage import CHANNELS, LENGTH, Stage

OPTIONS = StreamOptions(fps=10, backend="pytorch")


def broken() -> FakeBackend:
    raise BackendUnavailableError("onnxruntime", "it is not installed", "Install it")


def test_a_snapshot_is_the_newest_windows_a_thirtieth_of_a_second_apart(stage: Stage) -> None:
    stage.feed(400)
    found = stage.runtime.pipelines.named().snapshot(3)
    assert found.shape == (3, LENGTH, CHANNELS)
    assert found[:, -1, 0].tolist() == [385.0, 392.0, 399.0]  # 200 Hz / 30 is 7 samples


def test_the_windows_lie_closer_where_the_signal_is_short(stage: Stage) -> None:
    stage.feed(LENGTH + 4)
    assert stage.runtime.pipelines.named().snapshot(5)[:, -1, 0].tolist() == [19.0, 20.0, 21.0, 22.0, 23.0]


def test_too_few_samples_say_how_many_are_needed(stage: Stage) -> None:
    stage.feed(LENGTH)
    assert len(stage.runtime.pipelines.named().snapshot(1)) == 1
    with pytest.raises(NotReadyError, match="2 windows of 20 need 21"):
        stage.runtime.pipelines.named().snapshot(2)


def test_no_window_of_a_snapshot_spans_a_break(stage: Stage) -> None:
    stage.feed(400)
    stage.feed(10, restart=True)
    with pytest.raises(NotReadyError, match="has 10 samples"):
        stage.runtime.pipelines.named().snapshot(1)


def test_streams_are_limited_and_a_closed_one_frees_its_place(stage: Stage) -> None:
    _, close_first = stage.runtime.streams.open(stage.runtime.pipelines.named(), OPTIONS, None)
    _, close_second = stage.runtime.streams.open(stage.runtime.pipelines.named(), OPTIONS, None)
    with pytest.raises(OverloadedError, match="EMG_MAX_STREAMS"):
        stage.runtime.streams.open(stage.runtime.pipelines.named(), OPTIONS, None)
    close_first()
    _, close_third = stage.runtime.streams.open(stage.runtime.pipelines.named(), OPTIONS, None)
    close_second()
    close_third()
    assert stage.runtime.stats.active_streams == 0


def test_a_server_that_stops_opens_no_stream(stage: Stage) -> None:
    stage.stopping = True
    with pytest.raises(NotReadyError, match="shutting down"):
        stage.runtime.streams.open(stage.runtime.pipelines.named(), OPTIONS, None)


def test_tensorrt_is_taken_where_it_is_and_left_where_it_is_not_wanted(artefact: Artefact) -> None:
    three = {name: BackendOpener(FakeBackend) for name in ("tensorrt", "onnxruntime", "pytorch")}
    stage = Stage(artefact, **three)
    assert stage.runtime.engine.backends.for_stream(None, use_tensorrt=True) == "tensorrt"
    assert stage.runtime.engine.backends.for_stream(None, use_tensorrt=False) == "onnxruntime"
    assert stage.runtime.engine.backends.for_stream("pytorch", use_tensorrt=True) == "pytorch"
    stage.runtime.close()


def test_without_tensorrt_the_next_that_works_is_taken(artefact: Artefact) -> None:
    """It was the next in the list, also when that had not opened: 503, though PyTorch would have served."""
    stage = Stage(
        artefact,
        tensorrt=BackendOpener(FakeBackend),
        onnxruntime=BackendOpener(broken),
        pytorch=BackendOpener(FakeBackend, lazy=True),
    )
    assert stage.runtime.engine.backends.for_stream(None, use_tensorrt=False) == "pytorch"
    with pytest.raises(BackendUnavailableError, match="not installed"):
        stage.runtime.engine.backends.for_stream("onnxruntime", use_tensorrt=True)
    stage.runtime.close()


def test_a_lazy_backend_that_failed_is_not_tried_at_every_request(artefact: Artefact) -> None:
    tries: list[int] = []

    def failing() -> FakeBackend:
        tries.append(1)
        return broken()

    stage = Stage(artefact, pytorch=BackendOpener(FakeBackend), onnxruntime=BackendOpener(failing, lazy=True))
    for _ in range(3):
        with pytest.raises(BackendUnavailableError, match="not installed"):
            stage.runtime.engine.backends.named("onnxruntime")
    assert len(tries) == 1
    stage.runtime.close()


def test_a_part_that_raises_at_the_close_keeps_no_other_open(artefact: Artefact) -> None:
    """The engine is closed last: what was left open was CUDA's context, on its thread."""
    backend = FakeBackend()
    stage = Stage(artefact, pytorch=BackendOpener(lambda: backend))

    def fails() -> None:
        raise OSError("the disk is gone")

    stage.runtime.recorder.close = fails  # type: ignore[method-assign]  # as a full disk would
    with pytest.raises(OSError, match="the disk is gone"):
        stage.runtime.close()
    assert len(backend.closed_on) == 1


def test_a_snapshot_waits_for_the_first_whole_window(stage: Stage) -> None:
    stage.feed(LENGTH - 1)
    later = threading.Timer(0.05, stage.feed, (1,))
    later.start()
    assert stage.runtime.pipelines.named().snapshot(1).shape == (1, LENGTH, CHANNELS)
    later.join()
