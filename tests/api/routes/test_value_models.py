"""Models of values and of classes on one server: named, and changed under a running stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference import artefact
from app.serving.engine.opening import make_engine
from app.serving.runtime import Runtime
from tests.api.routes.test_source_models import WINDOW, declare, events_of, push
from tests.inference.artefacts import make_artefact
from tests.inference.value_models import VALUES, regression

NAMES = [one["name"] for one in VALUES]
BACKENDS = ("onnxruntime", "pytorch")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    models = tmp_path_factory.mktemp("instance") / "models"
    make_artefact(models / "a", name="a", classes=("rest", "a1", "a2"))
    regression(models)
    for left in models.glob("mine.*"):
        left.unlink()
    own = artefact.find("a", models)
    settings = Settings(
        emg_mode=EmgMode.PUSH, backends=BACKENDS, mains_hz=None, instance=models.parent, model="a"
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


def test_a_request_names_a_model_of_values(client: FlaskClient) -> None:
    named = client.post("/infer", json={"emg": WINDOW, "model": "mine"}).get_json()
    own = client.post("/infer", json={"emg": WINDOW}).get_json()

    assert list(named["values"]) == NAMES
    assert (own["shape"], "values" in own) == ("[1, 3]", False)


def test_it_is_listed_with_what_reads_it(client: FlaskClient) -> None:
    declare(client)
    told = {one["name"]: one for one in client.get("/models").get_json()["models"]}

    assert (told["mine"]["classes"], told["mine"]["rest_class"]) == ([], None)
    assert [one["name"] for one in told["mine"]["outputs"]["values"]] == NAMES
    assert told["a"]["outputs"] == {"kind": "logits", "values": []}


def test_a_stream_that_names_it_takes_no_votes(client: FlaskClient) -> None:
    declare(client)
    push(client)
    refused = client.get("/infer/stream?source=anna&model=mine&votes=3")
    assert (refused.status_code, list(refused.get_json()["errors"])) == (422, ["votes"])


def test_a_stream_goes_on_from_gestures_to_values_and_is_told_the_ranges(
    client: FlaskClient, app: Flask
) -> None:
    declare(client)
    push(client)
    other = app.test_client()
    put = iter([lambda: other.put("/emg/sources/anna/model", json={"model": "mine"})])

    def meanwhile() -> None:
        push(other, chunks=1)
        next(put, lambda: None)()

    events: list[dict[str, Any]] = events_of(client, "source=anna&votes=3", meanwhile)
    (change,) = [event for event in events if event.get("status") == "model"]
    at = events.index(change)
    frames = [event for event in events if "sample_index" in event]

    assert (change["model"], change["classes"], change["rest_class"]) == ("mine", [], None)
    assert [one["name"] for one in change["outputs"]["values"]] == NAMES
    assert any("prediction" in event for event in events[:at])
    assert all(("values" in one) == (one["sample_index"] >= change["from_sample"]) for one in frames)
    assert any("values" in event for event in events[at:])
