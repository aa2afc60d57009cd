"""A model of values over HTTP: what `/infer` answers, what a stream says and takes, and who tells of it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.emg.recording.folder import read_header
from app.serving.runtime import Runtime
from app.serving.streams.events import StreamOptions
from tests.api.conftest import running
from tests.inference import foreign_models as classes
from tests.inference import value_models as made
from tests.inference.value_models import regression

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
NAMES = [one["name"] for one in made.VALUES]
RULES = {"votes": 5, "min_confidence": 0.5, "enter": 0.8, "leave": 0.2, "change": 0.3}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    runtime = running(regression(tmp_path_factory.mktemp("models")), backends=("tensorrt", "onnxruntime"))
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def app(runtime: Runtime) -> Flask:
    return create_app(runtime)


def asked(
    client: FlaskClient, windows: Any, kind: str, path: str = "/infer", more: str = ""
) -> dict[str, Any]:
    if kind == JSON:
        answer = client.post(f"{path}{more}", json={"emg": windows.tolist()})
    else:
        file = io.BytesIO()
        np.save(file, windows)
        body = file.getvalue() if kind == NPY else windows.astype("<f4").tobytes()
        shape = f"?batch={len(windows)}" if kind == RAW and windows.ndim == 3 else ""
        answer = client.post(f"{path}{shape}{more}", data=body, content_type=kind)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.get_json()
    return found


@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
@pytest.mark.parametrize("kind", [JSON, NPY, RAW], ids=["json", "npy", "raw"])
def test_a_window_is_answered_with_each_value_by_its_name(client: FlaskClient, path: str, kind: str) -> None:
    window = classes.emg()[6]
    told = asked(client, window, kind, path)
    right = made.answers(window[None])[0]

    assert list(told["values"]) == NAMES
    assert list(told["values"].values()) == pytest.approx(list(right), rel=1e-4)
    texts = ("latency_ms", "cpu_percent", "shape") + (("spikes",) if path == "/infer" else ())
    assert set(told) == {*texts, "values", "clipped", "backend"}
    assert all(isinstance(told[name], str) for name in texts)
    assert (told["shape"], told["backend"], told["clipped"]) == ("[1, 3]", "onnxruntime", False)
    assert told.get("spikes", "0") == "0"


@pytest.mark.parametrize("kind", [JSON, NPY, RAW], ids=["json", "npy", "raw"])
def test_a_batch_is_answered_with_arrays(client: FlaskClient, kind: str) -> None:
    windows = classes.emg() * 3
    told = asked(client, windows, kind)
    right = made.answers(windows)

    assert told["shape"] == "[12, 3]"
    np.testing.assert_allclose(
        np.array([told["values"][name] for name in NAMES]).T, made.within(right), rtol=1e-4
    )
    assert told["clipped"] == (made.within(right) != right).any(axis=1).tolist()
    assert set(told["clipped"]) == {True, False}


def test_plain_windows_need_no_flask(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.routes.inference.infer_answer", lambda *_: pytest.fail("through Flask"))
    assert asked(client, classes.emg()[0], JSON)["values"]


def test_windows_of_the_source_are_answered_and_normalised_as_asked(client: FlaskClient) -> None:
    assert list(client.post("/infer", json={}).get_json()["values"]) == NAMES
    window = classes.emg()[3].tolist()
    told = [
        client.post("/infer", json={"emg": window, "preprocess": flag}).get_json()["values"]
        for flag in (True, False)
    ]
    assert told[0] != told[1]


def events(client: FlaskClient, count: int, **options: Any) -> list[dict[str, Any]]:
    answer = client.post("/infer/stream", json={"duration_seconds": 5, **options})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: list[dict[str, Any]] = []
    for part in answer.response:
        text = part.decode() if isinstance(part, bytes) else part
        found += [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        if len(found) >= count:
            break
    answer.close()
    return found[:count]


def test_a_frame_says_values_and_nothing_of_predictions(client: FlaskClient) -> None:
    frame = events(client, 1)[0]

    assert set(frame) - {"clipped", "quality"} == {
        *("timestamp", "frame", "latency_ms", "values", "output", "intensity", "truth", "sample_index"),
        *("age_ms", "shape", "backend", "cpu_percent", "dropped"),
    }
    assert (list(frame["values"]), frame["shape"], frame["backend"]) == (NAMES, [1, 3], "onnxruntime")
    assert frame["truth"] == "a"
    assert frame["output"] == frame["values"]


def test_a_stream_in_doubt_says_what_to_act_upon(runtime: Runtime) -> None:
    pipeline = runtime.pipelines.named()
    maker = pipeline._maker(StreamOptions(fps=20, backend="onnxruntime"), pipeline.use)
    told = json.loads(runtime.encode(maker.source_change("stalled", "disconnected")) + b"}")
    assert told["output"] == {"wrist_flexion": 0.0, "grip": 0.0, "elbow": 30.0}
    assert set(told) == {"status", "timestamp", "output", "source_state"}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_how_gestures_are_decided_is_no_question_to_it(client: FlaskClient, name: str, method: str) -> None:
    if method == "GET":
        answer = client.get(f"/infer/stream?{name}={RULES[name]}")
    else:
        answer = client.post("/infer/stream", json={name: RULES[name]})

    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {name: ["is for gestures, and mine gives values: leave it out"]}


def test_all_that_was_asked_is_named(client: FlaskClient) -> None:
    assert set(client.post("/infer/stream", json=RULES).get_json()["errors"]) == set(RULES)


def test_who_tells_of_the_model_tells_names_and_ranges(client: FlaskClient) -> None:
    health = client.get("/health").get_json()["model"]

    assert health["classes"] == []
    assert [one["name"] for one in health["outputs"]["values"]] == NAMES
    assert health["outputs"]["values"][2] == {
        "name": "elbow",
        "low": 10.0,
        "high": 150.0,
        "units": "deg",
        "rest": 30.0,
    }


def test_it_is_timed_and_counted_as_others_are(client: FlaskClient) -> None:
    events(client, 3)
    timed = client.post("/benchmark", json={"num_iterations": 20}).get_json()
    stats = client.get("/infer/stream/stats").get_json()

    assert timed["onnxruntime"]["mean_latency_ms"] > 0
    assert timed["pytorch"] is None
    assert stats["frames_sent"] >= 2
    assert stats["decision_delay_ms"] > 0
    assert 'backend="onnxruntime"' in client.get("/metrics").get_data(as_text=True)


@pytest.fixture
def doubtful(tmp_path: Path) -> Iterator[FlaskClient]:
    """Of a graph that divides by the RMS of each channel."""
    runtime = running(regression(tmp_path, inverse=True), backends=("onnxruntime",))
    yield create_app(runtime).test_client()
    runtime.close()


@pytest.mark.parametrize("more", [{}, {"source": None}], ids=["fast path", "flask"])
def test_what_is_no_number_is_an_error_and_no_value(doubtful: FlaskClient, more: dict[str, Any]) -> None:
    windows = classes.emg()
    windows[4, :, 2] = made.MEAN
    body = {"emg": windows[4].tolist(), **more}

    for path in ("/infer", "/infer/onnx"):
        answer = doubtful.post(path, json=body)
        assert answer.status_code == 503
        assert "the model's graph gives NaN or infinity" in answer.get_json()["detail"]
    assert doubtful.post("/infer", json={"emg": windows[:4].tolist(), **more}).status_code == 200


def test_a_recording_notes_what_the_values_are_called(
    client: FlaskClient, tmp_path: Path, runtime: Runtime
) -> None:
    runtime.recorder.root = tmp_path
    name = client.post("/emg/recordings", json={"name": "angles"}).get_json()["name"]
    time.sleep(0.3)  # for some samples
    client.post(f"/emg/recordings/{name}/stop")
    header = read_header(tmp_path, name)

    assert client.get(f"/emg/recordings/{name}").get_json()["state"] == "complete"
    assert header.model is not None
    assert (header.model.name, header.model.classes, list(header.model.values)) == ("mine", (), NAMES)
    answer = client.get(f"/emg/recordings/{name}/download")
    content = answer.data
    answer.close()
    with np.load(io.BytesIO(content)) as held:
        assert held["model_values"].tolist() == NAMES
        assert len(held["emg"]) > 0
