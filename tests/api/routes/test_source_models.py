"""A source's model, and models that requests and streams name, over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference import artefact
from app.serving.engine.opening import make_engine
from app.serving.runtime import Runtime
from tests.inference.artefacts import make_artefact
from tests.serving.station import until

CHANNELS, LENGTH, RATE = 4, 20, 200.0
SOURCE = {"channels": CHANNELS, "sampling_rate_hz": RATE, "units": "uV"}
WINDOW = np.random.default_rng(3).normal(size=(LENGTH, CHANNELS)).tolist()
Json = dict[str, Any]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    models = tmp_path_factory.mktemp("instance") / "models"
    for name, classes in (("a", ("rest", "a1", "a2")), ("b", ("rest", "b1"))):
        make_artefact(models / name, name=name, classes=classes)
    make_artefact(models / "wide", name="wide", channels=8)
    band = {"kind": "highpass", "low_hz": 20.5, "order": 2}
    odd = make_artefact(models / "odd", name="odd", filters=(band,)).path / "manifest.json"
    odd.write_text(odd.read_text().replace("20.5", "150.0"))
    own = artefact.find("a", models)
    settings = Settings(
        emg_mode=EmgMode.PUSH, backends=("pytorch",), mains_hz=None, instance=models.parent, model="a"
    )
    runtime = Runtime(settings=settings, artefact=own, engine=make_engine(settings, own), encode=sse.encode)
    runtime.start()
    yield create_app(runtime)
    runtime.close()


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    client = app.test_client()
    yield client
    for one in client.get("/emg/sources").get_json()["sources"]:
        client.delete(f"/emg/sources/{one['name']}")


def push(client: FlaskClient, name: str = "anna", chunks: int = 12) -> None:
    """As many chunks more of ten samples, taken in when it returns: an answer says only that they have come."""
    first = client.get(f"/emg/sources/{name}").get_json()["next_sample"] or 0
    for at in range(first, first + 10 * chunks, 10):
        rows = np.random.default_rng(at).normal(size=(10, CHANNELS)).tolist()
        answer = client.post(f"/emg/sources/{name}/samples", json={"first_sample": at, "samples": rows})
        assert answer.status_code == 200
    acquisition = client.application.extensions["runtime"]().pipelines.named(name).acquisition
    until(lambda: acquisition.samples == first + 10 * chunks)


def declare(client: FlaskClient, name: str = "anna", **more: Any) -> Any:
    return client.post(f"/emg/sources/{name}", json={**SOURCE, **more})


def test_a_source_gets_another_model_and_goes_back(app: Flask, client: FlaskClient) -> None:
    declare(client)
    push(client)
    put = client.put("/emg/sources/anna/model", json={"model": "b"})
    assert put.status_code == 200, put.get_json()
    told = put.get_json()
    assert (told["model"], told["previous"]) == ("b", "a")
    assert told["from_sample"] >= 120
    push(client)
    said = client.get("/emg/sources/anna").get_json()
    assert (said["model"], said["models_before"]) == ("b", [{"model": "a", "profile": None}])
    health = client.get("/health").get_json()
    assert health["model"]["name"] == "a"  # the server's own
    assert health["sources"] == [
        {"name": "anna", "model": {"name": "b", "version": "1.0.0", "sha256": said["model_sha256"]}}
    ]
    assert len(said["model_sha256"]) == 64
    answer = client.post("/infer", json={"source": "anna"}).get_json()
    app.extensions["runtime"]().hub_monitor.tick()
    metrics = client.get("/metrics").get_data(as_text=True)
    sha256 = said["model_sha256"]
    assert f'myostream_source_model_info{{model="b",sha256="{sha256}",source="anna"}} 1.0' in metrics
    assert 'myostream_model_open{model="b"} 1.0' in metrics
    assert "myostream_models_open 2.0" in metrics
    assert 'myostream_model_windows_total{model="b"} 1.0' in metrics
    assert (answer["shape"], answer["label"] in ("rest", "b1")) == ("[1, 2]", True)
    back = client.delete("/emg/sources/anna/model").get_json()
    assert (back["model"], back["previous"]) == ("a", "b")
    assert client.get("/emg/sources/anna").get_json()["models_before"] == []
    again = client.delete("/emg/sources/anna/model")
    assert again.status_code == 409
    assert "before" in again.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "nobody"}, 422, "no model 'nobody'"),
        ({"model": "wide"}, 422, "4 channels and the model wide reads 8"),
        ({"model": "odd"}, 503, "input.filters[0].low_hz must be a number above 0 and below 100 Hz"),
        ({"model": "../a"}, 422, "must be a model's name"),
        ({"model": 7}, 422, "model"),
        ({}, 422, "model"),
    ],
)
def test_what_cannot_be_used_is_said_and_changes_nothing(
    client: FlaskClient, body: Json, status: int, words: str
) -> None:
    declare(client)
    push(client)
    answer = client.put("/emg/sources/anna/model", json=body)
    assert (answer.status_code, words in answer.get_json()["detail"]) == (status, True), answer.get_json()
    assert client.get("/emg/sources/anna").get_json()["model"] == "a"


def test_there_must_be_a_source(client: FlaskClient) -> None:
    assert client.put("/emg/sources/nobody/model", json={"model": "b"}).status_code == 404
    assert client.delete("/emg/sources/nobody/model").status_code == 404


def test_a_source_says_its_model_when_it_is_declared(client: FlaskClient) -> None:
    assert declare(client, "bea", model="b").get_json()["model"] == "b"
    refused = declare(client, "carl", model="wide")
    assert refused.status_code == 422
    assert "the model wide reads 8" in refused.get_json()["detail"]
    assert declare(client, "dora", model="nobody").get_json()["errors"]["model"]


def test_own_windows_are_read_by_the_model_that_is_named(client: FlaskClient) -> None:
    by = {
        model: client.post("/infer", json={"emg": WINDOW, "model": model}).get_json() for model in ("a", "b")
    }
    assert (by["a"]["shape"], by["b"]["shape"]) == ("[1, 3]", "[1, 2]")
    assert by["a"] == {**client.post("/infer", json={"emg": WINDOW}).get_json(), **_times(by["a"])}
    raw = np.asarray(WINDOW, "<f4").tobytes()
    binary = client.post(
        f"/infer?model=b&length={LENGTH}&channels={CHANNELS}",
        data=raw,
        content_type="application/octet-stream",
    )
    assert binary.get_json() == {**by["b"], **_times(binary.get_json())}
    unknown = client.post("/infer", json={"emg": WINDOW, "model": "nobody"})
    assert (unknown.status_code, list(unknown.get_json()["errors"])) == (422, ["model"])


def _times(answer: Json) -> Json:
    return {name: answer[name] for name in ("latency_ms", "cpu_percent")}


def test_windows_of_a_source_are_read_by_the_model_that_is_named(client: FlaskClient) -> None:
    declare(client)
    push(client)
    answer = client.post("/infer", json={"source": "anna", "model": "b"})
    assert answer.get_json()["shape"] == "[1, 2]", answer.get_json()
    assert client.post("/infer", json={"source": "anna", "model": "wide"}).status_code == 422
    assert client.get("/emg/sources/anna").get_json()["model"] == "a"


def events_of(client: FlaskClient, query: str, meanwhile: Any = lambda: None) -> list[Json]:
    found: list[Json] = []

    def read() -> None:
        answer = client.get(f"/infer/stream?{query}&fps=20&duration_seconds=1")
        found.extend(json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: "))

    thread = threading.Thread(target=read)
    thread.start()
    while thread.is_alive():
        meanwhile()
        thread.join(0.05)
    return found


def test_a_stream_names_its_model_and_keeps_it(client: FlaskClient, app: Flask) -> None:
    declare(client)
    push(client)
    other = app.test_client()
    put = iter([lambda: other.put("/emg/sources/anna/model", json={"model": "b"})])

    def meanwhile() -> None:
        push(other, chunks=1)
        next(put, lambda: None)()

    events = events_of(client, "source=anna&model=a", meanwhile)
    frames = [event for event in events if "prediction" in event]
    assert frames
    assert {len(frame["probabilities"]) for frame in frames} == {3}
    groups = other.get("/infer/stream/stats").get_json()["groups"]
    assert groups == []  # it has left
    refused = client.get("/infer/stream?source=anna&model=wide")
    assert refused.status_code == 422


def place() -> str:
    """Where a stream of another server, which began just now, was cut; its time goes on from there."""
    return f"elsewhere.{round(time.time() * 1000)}.3.4.0"


def test_who_comes_back_is_told_that_no_model_reads_it_any_more(client: FlaskClient) -> None:
    """Where none did, there was nothing to tell; after a change to none there is."""
    declare(client)
    push(client)
    client.put("/emg/sources/anna/model", json={"model": None})
    push(client)
    until(
        lambda: client.get("/emg/sources/anna").get_json()["model"] is None
    )  # its first sample has been read
    answer = client.get(
        "/infer/stream?source=anna&fps=20&duration_seconds=2",
        headers={"Last-Event-ID": place()},
    )
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert (told[0]["status"], told[0]["model"], told[0]["classes"]) == ("model", None, [])


def test_who_comes_back_is_told_the_model_again(client: FlaskClient) -> None:
    declare(client)
    push(client)
    client.put("/emg/sources/anna/model", json={"model": "b"})
    push(client)
    until(
        lambda: client.get("/emg/sources/anna").get_json()["model"] == "b"
    )  # its first sample has been read
    first = client.get(
        "/infer/stream?source=anna&fps=20&duration_seconds=2",
        headers={"Last-Event-ID": place()},
    )
    told = [json.loads(line[6:]) for line in first.text.splitlines() if line.startswith("data: ")]
    assert (told[0]["status"], told[0]["model"], told[0]["classes"]) == ("model", "b", ["rest", "b1"])
