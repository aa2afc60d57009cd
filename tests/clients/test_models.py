"""The Python client and the models of sources: the event, the calls, and what follows from them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from examples import robot_loop
from myostream_client import (
    Frame,
    ModelChange,
    RefusedError,
    SignalFrame,
    StreamingInferenceClient,
    event_of,
    line_of,
)
from tests.clients.conftest import ClientOf
from tests.clients.small_server import Answer, Asked, answering, problem
from tests.server.fewer_classes import SHIPPED, fewer
from tests.server.live import ROOT, Live, until
from tests.server.own_project import project, serving

TOLD: dict[str, Any] = {
    "status": "model",
    "timestamp": 1780000000.1,
    "from_sample": 48210,
    "model": "anna",
    "sha256": "5b0c",
    "classes": ["rest", "fist", "point"],
    "rest_class": "rest",
    "outputs": {"kind": "logits", "values": []},
    "frame": 7,
    "dropped": 0,
}
NONE = {**TOLD, "model": None, "sha256": None, "classes": [], "rest_class": None, "outputs": None}
SAID: dict[str, Any] = {
    "timestamp": 1.0,
    "frame": 7,
    "prediction": 1,
    "label": "fist",
    "confidence": 0.8,
    "probabilities": [0.1, 0.8, 0.1],
    "decision": 1,
    "decision_label": "fist",
    "intensity": 0.5,
    "sample_index": 48210,
    "age_ms": 2.0,
    "latency_ms": 0.2,
    "dropped": 0,
    "backend": "onnxruntime",
    "shape": [1, 3],
    "cpu_percent": 3.0,
}
FEW = ("rest", "fist", "open_hand", "flexion")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The simulator, with its own model and one that knows four of its seven gestures."""
    root = project(tmp_path_factory.mktemp("models"))
    fewer(root / "instance" / "models", "few", FEW)
    with serving(root, EMG_MAINS="off") as live:
        yield live


def test_a_change_of_the_model_is_an_event_of_its_own_with_typed_fields() -> None:
    event = event_of(TOLD)
    assert event == ModelChange(
        timestamp=1780000000.1,
        from_sample=48210,
        model="anna",
        sha256="5b0c",
        classes=("rest", "fist", "point"),
        rest_class="rest",
        outputs={"kind": "logits", "values": []},
    )
    assert line_of(event) == "anna reads the source from sample 48210 on: rest, fist, point"
    with pytest.raises(FrozenInstanceError):
        event.model = "bea"  # type: ignore[misc]  # it is frozen


def test_no_model_any_more_and_one_of_values_are_told_too() -> None:
    none = event_of(NONE)
    assert isinstance(none, ModelChange)
    assert (none.model, none.classes) == (None, ())
    assert line_of(none) == "no model reads the source from sample 48210 on"
    outputs = {"kind": "values", "values": [{"name": "grip", "low": 0, "high": 1}]}
    valued = event_of({**TOLD, "classes": [], "rest_class": None, "outputs": outputs})
    assert valued is not None
    assert line_of(valued).endswith("on: grip")


def test_a_robot_follows_the_frames_of_the_next_model_without_a_stop() -> None:
    heard: list[Any] = [event_of(SAID), event_of(TOLD)]
    assert None not in heard
    pilot = robot_loop.Pilot(heard)
    pilot.read()
    pilot.finished.clear()  # the stream goes on
    assert pilot.command() == robot_loop.Command("fist", 0.5)


def test_calls_say_which_source_and_which_model(client_of: ClientOf) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return Answer(200, {"model": "anna", "previous": None, "from_sample": 12})

    with answering(answer) as url:
        client = client_of(url)
        assert client.use_model("left arm", "anna")["from_sample"] == 12
        client.use_model("arm", None)
        client.use_model_before("arm")
        client.use_profile("arm", "bea")
    said = [(one.method, one.path, json.loads(one.body) if one.body else None) for one in asked]
    assert said == [
        ("PUT", "/emg/sources/left%20arm/model", {"model": "anna"}),
        ("PUT", "/emg/sources/arm/model", {"model": None}),
        ("DELETE", "/emg/sources/arm/model", None),
        ("PUT", "/emg/sources/arm/model", {"profile": "bea"}),
    ]


@pytest.mark.parametrize("status", [409, 422, 503])
def test_what_is_refused_has_the_servers_words(client_of: ClientOf, status: int) -> None:
    why = "another change of a model is under way"
    with answering(lambda _: problem(status, "No", why)) as url, pytest.raises(RefusedError) as refused:
        client_of(url).use_model("arm", "anna")
    assert (refused.value.status, refused.value.detail) == (status, why)


def test_a_request_names_its_model_in_the_query_of_bytes_and_in_the_body_of_json(client_of: ClientOf) -> None:
    asked: list[Asked] = []
    predicted = {key: SAID[key] for key in ("prediction", "label", "confidence", "probabilities", "backend")}

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return Answer(200, {**predicted, "latency_ms": 0.2})

    with answering(answer) as url:
        client = client_of(url)
        client.infer(np.zeros((20, 4)), model="anna")
        client.infer([[0.0] * 4] * 20, model="anna")
        client.infer([[0.0] * 4] * 20)
        client.single_inference(model="anna")
    assert parse_qs(urlsplit(asked[0].path).query)["model"] == ["anna"]
    assert [json.loads(one.body).get("model") for one in asked[1:]] == ["anna", None, "anna"]
    assert "model" not in json.loads(asked[2].body)


def test_a_source_is_declared_with_its_model_and_without_one_nothing_is_said(client_of: ClientOf) -> None:
    declared: list[dict[str, Any]] = []

    def answer(request: Asked) -> Answer:
        if request.method == "POST":
            declared.append(json.loads(request.body))
        return Answer(200, {"next_sample": None})

    with answering(answer) as url:
        client = client_of(url)
        for more in ({"model": "anna"}, {}, {"profile": "bea"}):
            client.push("arm", channels=4, sampling_rate_hz=200, **more).close()
    assert [one.get("model", "nothing") for one in declared] == ["anna", "nothing", "nothing"]
    assert [one.get("profile", "nothing") for one in declared] == ["nothing", "nothing", "bea"]


def test_the_panel_has_the_names_of_the_model_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many classes under other names: only the event tells."""
    pytest.importorskip("rich")
    from rich.console import Console

    from myostream_client.terminal_panel import PanelView

    view = PanelView(lambda: ["relax", "grasp", "pinch"])
    monkeypatch.setattr(view, "_live", _Silent())

    def shown() -> str:
        console = Console(width=80, record=True, file=StringIO())
        console.print(view.panel())
        return console.export_text()

    view.show(event_of({**SAID, "label": "grasp", "decision_label": "grasp"}))
    assert "pinch" in shown()
    view.show(event_of(TOLD))
    assert "anna reads the source" in shown()
    assert "grasp" not in shown()  # what the model before said is past
    view.show(event_of(SAID))
    assert "point" in shown()
    assert "pinch" not in shown()


class _Silent:
    def update(self, *_: Any, **__: Any) -> None: ...


@pytest.mark.server
def test_a_stream_gets_another_model_and_goes_back(live: Live, client_of: ClientOf) -> None:
    live.at_rest()
    client, other = client_of(live.url), client_of(live.url)
    assert len(client.classes()) == 7
    wanted: list[str | None] = ["few", None]
    seen: list[Any] = []
    with client.stream(fps=20) as stream:
        for event in stream:
            seen.append(event)
            changes = [one for one in seen if isinstance(one, ModelChange)]
            asked = 2 - len(wanted)
            if asked > len(changes) or len(seen) < 6 * (asked + 1):
                continue  # it is on its way, or there are too few frames yet
            if not wanted:
                break
            threading.Thread(target=other.use_model, args=("simulator", wanted.pop(0))).start()
    assert [one.model for one in changes] == ["few", None]
    assert (changes[0].classes, changes[0].rest_class, changes[1].classes) == (FEW, "rest", ())
    _each_frame_is_of_the_model_that_was_told(seen)
    until(lambda: client.classes() == [])  # the answer comes a little before the first sample
    back = client.use_model_before("simulator")
    assert (back["model"], back["previous"]) == ("few", None)
    until(lambda: client.classes() == list(FEW))
    assert client.use_model_before("simulator")["model"] == SHIPPED
    with pytest.raises(RefusedError) as refused:
        client.use_model_before("simulator")
    assert refused.value.status == 409


def _each_frame_is_of_the_model_that_was_told(seen: list[Any]) -> None:
    classes = 7
    for event in seen:
        if isinstance(event, ModelChange):
            classes = len(event.classes)
        elif isinstance(event, Frame):
            assert len(event.probabilities) == classes
        else:
            assert isinstance(event, SignalFrame)
            assert classes == 0


@pytest.mark.server
def test_a_stream_that_names_its_model_keeps_it(live: Live, client_of: ClientOf) -> None:
    live.at_rest()
    with client_of(live.url).stream(duration_seconds=0.5, fps=20, model="few") as stream:
        frames = [event for event in stream if isinstance(event, Frame)]
    assert {len(one.probabilities) for one in frames} == {4}
    assert client_of(live.url).classes(model="few") == list(FEW)
    with pytest.raises(RefusedError) as refused:
        list(client_of(live.url).stream(model="nobody"))
    assert refused.value.status == 422


@pytest.mark.server
def test_the_command_line_names_a_model(live: Live) -> None:
    command = [sys.executable, "examples/streaming_client.py", "--json", "--url", live.url, "--model", "few"]
    done = subprocess.run(
        [*command, "--duration", "0.5", "--fps", "10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert {len(one["probabilities"]) for one in frames if "probabilities" in one} == {4}


def test_the_client_is_what_the_examples_name() -> None:
    import examples.streaming_client as example

    assert example.ModelChange is ModelChange
    assert example.StreamingInferenceClient is StreamingInferenceClient
