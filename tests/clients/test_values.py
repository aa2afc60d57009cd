"""The Python client and the examples with a model that gives values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from examples import robot_loop, six_examples
from myostream_client import (
    ClientError,
    Completed,
    SourceChange,
    StreamingInferenceClient,
    ValueFrame,
    event_of,
    line_of,
)
from myostream_client.predictions import values_of
from tests.inference import foreign_models as classes
from tests.inference import value_models as made
from tests.inference.value_models import regression
from tests.server.live import Live
from tests.server.own_project import project, serving
from tests.server.test_own_graph import in_place

FRAME: dict[str, Any] = {
    "timestamp": 1.0,
    "truth": None,
    "sample_index": 40,
    "age_ms": 2.0,
    "cpu_percent": 3.0,
    "latency_ms": 0.1,
    "values": {"wrist": 12.5, "grip": 0.25},
    "output": {"wrist": 12.5, "grip": 0.25},
    "intensity": 0.5,
    "shape": [1, 2],
    "backend": "onnxruntime",
    "frame": 7,
    "dropped": 0,
}


def test_a_frame_of_values_has_a_type_of_its_own() -> None:
    event = event_of(FRAME)

    assert isinstance(event, ValueFrame)
    assert (event.values, event.shape, event.clipped) == ({"wrist": 12.5, "grip": 0.25}, (1, 2), False)
    assert "wrist 12.5, grip 0.25  intensity 0.50" in line_of(event)


def test_what_is_held_is_told_beside_what_the_model_says() -> None:
    event = event_of({**FRAME, "output": {"wrist": 0.0, "grip": 0.0}, "clipped": True})

    assert isinstance(event, ValueFrame)
    assert event.clipped
    assert "wrist 12.5, grip 0.25  held at wrist 0, grip 0" in line_of(event)


def test_a_source_that_stalls_tells_what_to_act_upon() -> None:
    said = {"status": "stalled", "timestamp": 1.0, "source_state": "stalled", "output": {"wrist": 0.0}}
    event = event_of(said)

    assert isinstance(event, SourceChange)
    assert (event.decision_label, event.output) == (None, {"wrist": 0.0})
    assert line_of(event) == "the source has stalled; output: wrist 0"


def test_a_robot_that_follows_gestures_stops() -> None:
    event = event_of(FRAME)
    assert event is not None
    pilot = robot_loop.Pilot([event])
    pilot.read()
    assert pilot.command().reason.startswith("the model gives values and no gestures")


def test_the_panel_of_a_terminal_shows_a_line() -> None:
    panel = pytest.importorskip("myostream_client.terminal_panel")
    view = panel.PanelView(lambda: [])
    view.show(event_of(FRAME))
    assert "wrist 12.5" in view._state


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The simulator, read by a regression."""
    folder = tmp_path_factory.mktemp("values")
    root = project(folder)
    in_place(root, regression(folder / "made"))
    with serving(root, EMG_MODEL="mine", EMG_MAINS="off") as live:
        yield live


@pytest.fixture
def client(live: Live) -> Iterator[StreamingInferenceClient]:
    with StreamingInferenceClient(live.url) as client:
        yield client


@pytest.mark.server
@pytest.mark.parametrize("form", ["array", "lists"])
def test_windows_of_ones_own_are_answered_with_values(client: StreamingInferenceClient, form: str) -> None:
    windows = classes.emg() * 3
    right = made.answers(windows)
    given = windows if form == "array" else windows.tolist()
    found = client.infer_values(given)

    values = np.array([list(one.values.values()) for one in found])
    np.testing.assert_allclose(values, made.within(right), rtol=1e-4)
    assert [one.clipped for one in found] == (made.within(right) != right).any(axis=1).tolist()
    (alone,) = client.infer_values(given[:1])
    assert alone.values == pytest.approx(found[0].values, rel=1e-5)
    with pytest.raises(ClientError, match=r"the model gives values.*call infer_values"):
        client.infer(given[0])


@pytest.mark.server
def test_a_stream_adds_up(client: StreamingInferenceClient, capsys: pytest.CaptureFixture[str]) -> None:
    events = list(client.stream(duration_seconds=1))
    assert all(isinstance(event, (ValueFrame, Completed)) for event in events)
    done = client.stream_inference(1.0)
    assert done.frames > 10
    assert done.latency_ms is not None
    assert done.gestures == {}
    for number in (1, 2, 4, 6):
        six_examples.run_example(number, client, False)
    said = capsys.readouterr().out
    assert "the source: wrist_flexion" in said
    assert "-> wrist_flexion" in said


def test_a_model_of_classes_gives_no_values() -> None:
    with pytest.raises(ClientError, match="gives no values: call infer"):
        values_of({"prediction": 1, "label": "a"})
