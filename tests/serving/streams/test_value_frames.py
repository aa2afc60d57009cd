"""Frames of a model of values: what its author computes, through gaps and restarts, and rest when in doubt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.errors import NoNumberError
from app.inference.artefact import Artefact
from app.inference.control import Controller, ControlRule
from app.inference.history import with_history
from app.inference.onnx.backend import OnnxBackend
from app.serving.counters.stream_stats import StreamStats
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.streams.events import StreamOptions, ValueFrame
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.value_frames import ValueFrameMaker
from app.serving.streams.value_reader import ValueReader
from tests.inference import value_models as made
from tests.inference.value_models import CHANNELS, LENGTH, regression

SAMPLES, HOP, CHUNK, RATE = 600, 4, 7, 200
PATIENT_S = 20.0
NAMES = [one["name"] for one in made.VALUES]
REST = {"wrist_flexion": 0, "grip": 0, "elbow": 30}

Open = Callable[[Artefact], Engine]


@pytest.fixture
def engine() -> Iterator[Open]:
    opened: list[Engine] = []

    def of(model: Artefact) -> Engine:
        manifest = model.manifest
        shape = ModelInput(
            length=manifest.length,
            context=manifest.context,
            channels=manifest.channels,
            mean=manifest.mean,
            std=manifest.std,
            values=manifest.outputs.values,
        )
        opened.append(Engine(shape, {"onnxruntime": BackendOpener(lambda: OnnxBackend.open(model))}))
        opened[0].open()
        return opened[0]

    yield of
    for one in opened:
        one.close()


def maker_of(
    model: Artefact,
    engine: Engine,
    ring: Ring,
    problems: Mapping[str, Sequence[int]] | None = None,
    **more: Any,
) -> ValueFrameMaker:
    return ValueFrameMaker(
        StreamOptions(**{"fps": 20, "backend": "onnxruntime", **more}),
        FrameContext(
            path=SignalPath(ring, design((), RATE, None)),
            problems=lambda: problems or {},
            stats=StreamStats(),
            cpu_percent=lambda: 0.0,
        ),
        ValueReader(engine, model.manifest, ring, ("rest", "fist")),
        model.manifest,
    )


def signal(seed: int, strongest: float = 4.0) -> made.Array:
    noise = np.random.default_rng(seed).normal(size=(SAMPLES, CHANNELS))
    return (noise * np.geomspace(0.5, strongest, SAMPLES)[:, None]).astype(np.float32)


def filled(emg: made.Array) -> Ring:
    ring = Ring(SAMPLES, CHANNELS, max_fill=4)
    ring.write(0, emg)
    return ring


def got(frame: ValueFrame | None) -> ValueFrame:
    assert frame is not None
    return frame


@pytest.mark.parametrize("context", [0, 10])
@pytest.mark.parametrize("first", [SAMPLES, SAMPLES + 200], ids=["a restart", "a long gap"])
def test_every_window_of_a_live_ring_is_the_one_that_its_author_computes(
    tmp_path: Path, engine: Open, first: int, context: int
) -> None:
    """A writer on a thread of its own; both segments from their first window, whose history is missing."""
    model = regression(tmp_path, context=context)
    ring = Ring(3 * SAMPLES, CHANNELS, max_fill=4)
    segments = {0: signal(1), first: signal(2)}

    def write() -> None:
        for begin, emg in segments.items():
            for at in range(0, SAMPLES, CHUNK):
                ring.write(begin + at, emg[at : at + CHUNK], restart=at == 0)

    writer = threading.Thread(target=write)
    maker = maker_of(model, engine(model), ring)
    writer.start()
    for begin, emg in segments.items():
        ends = np.arange(LENGTH, SAMPLES + 1, HOP)
        found = []
        for end in ends:
            assert ring.wait_beyond(begin + end - 1, PATIENT_S)
            found.append(list(got(maker.frame(begin + end)).output.values()))
        windows = np.stack(
            [with_history(emg[max(end - LENGTH - context, 0) : end], LENGTH + context) for end in ends]
        )
        np.testing.assert_allclose(found, made.within(made.answers(windows)), rtol=1e-4, atol=1e-4)
        assert maker.frame(begin + LENGTH - 1) is None
    writer.join(PATIENT_S)


def test_what_is_said_beyond_a_range_is_clipped_and_told(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path)
    ring = filled(signal(1, strongest=20))
    maker = maker_of(model, engine(model), ring)

    weak, strong = got(maker.frame(100)), got(maker.frame(SAMPLES))
    raw = made.answers(ring.window(SAMPLES, LENGTH)[None])[0]

    assert (weak.window.clipped, strong.window.clipped) == (False, True)
    assert raw[1] > 1.0
    assert strong.values["grip"] == 1.0
    assert strong.output == strong.values


@pytest.mark.parametrize(
    ("problems", "trusted"),
    [({"dead": [2]}, True), ({"flat": [0], "railed": [3]}, False)],
    ids=["a quarter", "half"],
)
def test_a_signal_that_is_too_bad_is_acted_upon_as_rest(
    tmp_path: Path, engine: Open, problems: dict[str, list[int]], trusted: bool
) -> None:
    model = regression(tmp_path)
    frame = got(maker_of(model, engine(model), filled(signal(1)), problems).frame(100))

    assert frame.quality == problems
    assert frame.values != REST, "what the model says is told all the same"
    assert frame.output == (frame.values if trusted else REST)


def test_dead_channels_of_the_window_count_at_once(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path)
    emg = signal(1)
    emg[200:, :2] = 0
    maker = maker_of(model, engine(model), filled(emg))

    assert got(maker.frame(200)).quality is None
    frame = got(maker.frame(260))
    assert (frame.quality, frame.output) == ({"dead": [0, 1]}, REST)


SMOOTH = {"min_cutoff_hz": 1.0, "beta": 2.0, "dead_band": 0.05}


@pytest.mark.parametrize("fps", [20, 50])
def test_smooth_outputs_are_those_of_the_rule_by_the_time_of_the_samples(
    tmp_path: Path, engine: Open, fps: int
) -> None:
    """Not of the clock: a replay at any speed gives the same, and a frame that was skipped is a longer step."""
    model = regression(tmp_path, control=SMOOTH)
    maker = maker_of(model, engine(model), filled(signal(1)), fps=fps)
    alone = Controller(ControlRule(**SMOOTH), model.manifest.outputs.values)

    before = None
    for end in (100, 110, 120, 150, 160, 300):
        frame = got(maker.frame(end))
        step_s = 1 / fps if before is None else (end - before) / RATE
        before = end
        assert list(frame.output.values()) == alone.update(list(frame.values.values()), step_s)
        assert frame.output != frame.values


def test_one_bad_frame_drives_what_is_acted_upon_to_rest_and_it_comes_back_from_there(
    tmp_path: Path, engine: Open
) -> None:
    problems: dict[str, list[int]] = {}
    model = regression(tmp_path, control=SMOOTH)
    maker = maker_of(model, engine(model), filled(signal(1)), problems)
    for end in range(100, 300, 10):
        well = got(maker.frame(end))
    first = got(maker_of(model, engine(model), filled(signal(1))).frame(310))

    problems.update(flat=[0, 1])
    bad = got(maker.frame(300))
    problems.clear()
    after = got(maker.frame(310))

    assert well.output != REST
    assert bad.output == REST
    assert after.output == first.output, "as a stream that begins"


@pytest.mark.parametrize("how", ["stalled", "recovered"])
def test_after_a_stall_it_begins_at_rest(tmp_path: Path, engine: Open, how: str) -> None:
    model = regression(tmp_path, control=SMOOTH)
    maker = maker_of(model, engine(model), filled(signal(1)))
    for end in range(100, 300, 10):
        maker.frame(end)
    first = got(maker_of(model, engine(model), filled(signal(1))).frame(310))

    assert maker.source_change(how, "stalled").output == REST
    assert got(maker.frame(310)).output == first.output


def test_nothing_is_smooth_across_a_gap(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path, control=SMOOTH)
    ring = Ring(3 * SAMPLES, CHANNELS, max_fill=4)
    ring.write(0, signal(1))
    maker = maker_of(model, engine(model), ring)
    for end in range(100, 300, 10):
        maker.frame(end)
    ring.write(2 * SAMPLES, signal(2))
    there = Ring(3 * SAMPLES, CHANNELS, max_fill=4)
    there.write(2 * SAMPLES, signal(2))
    first = got(maker_of(model, engine(model), there).frame(2 * SAMPLES + 200))

    assert got(maker.frame(2 * SAMPLES + 200)).output == first.output


def test_a_stall_is_told_with_rest_and_without_a_decision(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path)
    change = maker_of(model, engine(model), filled(signal(1))).source_change("stalled", "disconnected")

    assert (change.status, change.output, change.decision) == ("stalled", REST, None)


def test_what_is_no_number_is_trouble_and_the_next_window_is_a_value_again(
    tmp_path: Path, engine: Open
) -> None:
    model = regression(tmp_path, inverse=True)
    emg = signal(1)
    emg[100:200, 1] = made.MEAN  # nothing once it is normalised: its inverse is infinite
    maker = maker_of(model, engine(model), filled(emg))

    assert got(maker.frame(100)).values
    with pytest.raises(NoNumberError, match="the model's graph gives NaN or infinity for this window"):
        maker.frame(180)
    assert got(maker.frame(300)).values


def test_one_window_is_asked_for_once_however_many_look(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path)
    reader = ValueReader(engine(model), model.manifest, filled(signal(1)), ())

    assert reader.read(100, "onnxruntime", True) is reader.read(100, "onnxruntime", True)
    assert reader.read(100, "onnxruntime", False) is not reader.read(100, "onnxruntime", True)
    for end in range(LENGTH, 200):
        reader.read(end, "onnxruntime", True)
    assert len(reader._history) == 64


def test_the_signal_and_the_level_come_as_of_other_models(tmp_path: Path, engine: Open) -> None:
    model = regression(tmp_path)
    frame = got(maker_of(model, engine(model), filled(signal(1)), include_signal=True).frame(400))

    assert frame.signal is not None
    assert (len(frame.signal), len(frame.signal[0])) == (CHANNELS, RATE // 20)
    assert 0 < frame.window.facts.intensity < 1
    assert list(frame.values) == NAMES
