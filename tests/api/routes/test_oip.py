"""`/v2` over HTTP, from the text of the Open Inference Protocol and Triton's extensions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.inference import artefact
from tests.api.conftest import MAX_BODY, pushed_to
from tests.inference.artefacts import make_artefact

LENGTH, CHANNELS = 20, 4
CLASSES = ("rest", "fist", "open_hand")
EMG = np.random.default_rng(5).normal(size=(3, LENGTH, CHANNELS)).astype(np.float32)
HEADER = "Inference-Header-Content-Length"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("instance") / "models"
    for name in ("own", "other"):
        make_artefact(models / name, name=name, classes=CLASSES, channels=CHANNELS)
    make_artefact(models / "spoilt", name="spoilt")
    (models / "spoilt" / "weights.safetensors").write_bytes(b"no weights")
    return models


@pytest.fixture(scope="module")
def app(models: Path) -> Iterator[Flask]:
    runtime = pushed_to(artefact.find("own", models), instance=models.parent, model="own")
    yield create_app(runtime)
    runtime.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def asked(**more: Any) -> Json:
    tensor = {"name": "emg", "datatype": "FP32", "shape": list(EMG.shape), "data": EMG.reshape(-1).tolist()}
    return {"inputs": [{**tensor, **more}]}


def expect_error(answer: Any, status: int, words: str) -> None:
    """As the protocol has it: one text, and exactly this type, or clients do not show it."""
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.data
    said = answer.get_json()
    assert said.keys() == {"error"}
    assert words in said["error"]


def test_the_server_says_what_it_is(client: FlaskClient) -> None:
    told = client.get("/v2").get_json()
    assert told["name"] == "myostream"
    assert {"binary_tensor_data", "model_repository"} <= set(told["extensions"])
    for path in ("/v2/health/live", "/v2/health/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()) == (200, {"live": True, "ready": True})


def test_it_is_ready_without_a_source(client: FlaskClient) -> None:
    """Who sends windows needs none; the other way to ask says what is missing for streams."""
    assert client.get("/emg/sources").get_json()["sources"] == []
    assert client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/versions/1.0.0"])
def test_a_model_says_what_it_takes_and_gives(client: FlaskClient, path: str) -> None:
    told = client.get(path).get_json()
    assert (told["name"], told["versions"]) == ("other", ["1.0.0"])
    (emg,) = told["inputs"]
    assert (emg["name"], emg["datatype"], emg["shape"]) == ("emg", "FP32", [-1, LENGTH, CHANNELS])
    outputs = {one["name"]: (one["datatype"], one["shape"]) for one in told["outputs"]}
    assert outputs == {
        "logits": ("FP32", [-1, 3]),
        "probabilities": ("FP32", [-1, 3]),
        "prediction": ("INT64", [-1]),
        "label": ("BYTES", [-1]),
    }
    assert client.get(f"{path}/ready").get_json() == {"name": "other", "ready": True}
    config = client.get(f"{path}/config").get_json()
    assert config["input"] == [{"name": "emg", "data_type": "TYPE_FP32", "dims": [LENGTH, CHANNELS]}]
    assert [one["data_type"] for one in config["output"]] == [
        "TYPE_FP32",
        "TYPE_FP32",
        "TYPE_INT64",
        "TYPE_STRING",
    ]


@pytest.mark.parametrize("model", ["own", "other"])
@pytest.mark.parametrize("version", ["", "/versions/1.0.0"])
def test_windows_are_predicted_as_elsewhere(client: FlaskClient, model: str, version: str) -> None:
    answer = client.post(f"/v2/models/{model}{version}/infer", json={**asked(), "id": "42"})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    told = answer.get_json()
    assert (told["model_name"], told["model_version"], told["id"]) == (model, "1.0.0", "42")
    outputs = {one["name"]: one for one in told["outputs"]}
    same = client.post("/infer", json={"emg": EMG.tolist(), "model": model}).get_json()
    assert outputs["prediction"]["data"] == same["prediction"]
    assert outputs["label"]["data"] == same["label"]
    found = np.reshape(outputs["probabilities"]["data"], outputs["probabilities"]["shape"])
    assert found == pytest.approx(np.array(same["probabilities"]), abs=1e-4)
    assert outputs["logits"]["shape"] == [3, 3]


def test_in_bytes_both_ways(client: FlaskClient) -> None:
    plain = client.post("/v2/models/own/infer", json=asked()).get_json()["outputs"][0]["data"]
    tensor = {"name": "emg", "datatype": "FP32", "shape": list(EMG.shape)}
    said = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": EMG.nbytes}}],
        "outputs": [{"name": "logits", "parameters": {"binary_data": True}}, {"name": "label"}],
    }
    head = json.dumps(said).encode()
    answer = client.post(
        "/v2/models/own/infer", data=head + EMG.tobytes(), headers={HEADER: str(len(head))}
    )  # no content type: tritonclient sends none
    assert (answer.status_code, answer.content_type) == (200, "application/octet-stream")
    at = int(answer.headers[HEADER])
    told, tail = json.loads(answer.data[:at]), answer.data[at:]
    assert told["outputs"][0]["parameters"] == {"binary_data_size": len(tail)}
    assert np.frombuffer(tail, "<f4") == pytest.approx(plain, rel=1e-5)
    assert len(told["outputs"][1]["data"]) == 3


def test_a_body_that_is_nothing_but_the_windows(client: FlaskClient) -> None:
    answer = client.post("/v2/models/own/infer", data=EMG.tobytes(), headers={HEADER: "0"})
    assert answer.status_code == 200
    told = json.loads(answer.data[: int(answer.headers[HEADER])])
    assert told["outputs"][0]["shape"] == [3, 3]


def test_without_normalising(client: FlaskClient) -> None:
    """As the graph itself would be asked."""
    said = {**asked(), "parameters": {"preprocess": False}}
    raw = client.post("/v2/models/own/infer", json=said).get_json()["outputs"][1]["data"]
    same = client.post("/infer", json={"emg": EMG.tolist(), "preprocess": False}).get_json()
    assert np.reshape(raw, (3, 3)) == pytest.approx(np.array(same["probabilities"]), abs=1e-4)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v2/models/nobody", 404, "no model 'nobody'"),
        ("GET", "/v2/models/nobody/ready", 404, "no model 'nobody'"),
        ("POST", "/v2/models/nobody/infer", 404, "no model 'nobody'"),
        ("GET", "/v2/models/own/versions/9", 404, "the model own has no version 9; it is 1.0.0"),
        ("POST", "/v2/models/own/versions/9/infer", 404, "the model own has no version 9; it is 1.0.0"),
        ("GET", "/v2/models/..%2Fown", 404, ""),
        ("GET", f"/v2/models/{'x' * 500}", 404, "no model"),
        ("GET", "/v2/models/spoilt/ready", 503, "spoilt"),
        ("GET", "/v2/nothing", 404, ""),
        ("GET", "/v2/models/own/infer", 405, ""),
        ("POST", "/v2/repository/models/nobody/load", 404, "no model 'nobody'"),
        ("POST", "/v2/repository/models/own/unload", 409, "the model own is the server's own"),
        ("POST", "/v2/repository/models/spoilt/load", 503, "spoilt"),
    ],
)
def test_errors_are_the_protocols(
    client: FlaskClient, method: str, path: str, status: int, words: str
) -> None:
    body = {"json": asked()} if path.endswith("infer") and method == "POST" else {}
    expect_error(client.open(path, method=method, **body), status, words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (asked(name="x"), "the model takes one input, emg, got x"),
        ({"inputs": [*asked()["inputs"], *asked(name="x")["inputs"]]}, "one input, emg, got x"),
        (asked(shape=[12, LENGTH]), "the model takes windows of 20 samples x 4 channels"),
        (asked(shape=[EMG.size]), "shape of emg must be (windows, samples, channels)"),
        (asked(shape=[10**3] * 3), "needs 1000000000"),
        (asked(datatype="FP64", data=[1e300] * EMG.size), "NaN, infinite or absurd values"),
        ({**asked(), "outputs": [{"name": "softmax"}]}, "no output softmax"),
        ({**asked(), "parameters": {"preprocess": 1}}, "preprocess of the request"),
        ({**asked(), "parameters": {"remote": 0}}, "remote of the request"),
    ],
)
def test_a_request_that_is_wrong_is_400(client: FlaskClient, body: Any, words: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    expect_error(client.post("/v2/models/own/infer", data=content), 400, words)


def test_nan_in_bytes_is_400(client: FlaskClient) -> None:
    spoilt = np.where(np.arange(EMG.size).reshape(EMG.shape) == 7, np.nan, EMG).astype(np.float32)
    answer = client.post("/v2/models/own/infer", data=spoilt.tobytes(), headers={HEADER: "0"})
    expect_error(answer, 400, "NaN")


def test_any_bytes_are_refused_without_a_word_in_the_log(client: FlaskClient) -> None:
    """As perf_analyzer makes them up: numpy warned of NaN among 1e38, which the log had as text."""
    spoilt = np.frombuffer(np.random.default_rng(0).bytes(200 * EMG.nbytes), np.float32)
    for at in range(0, spoilt.size, EMG.size):
        body = spoilt[at : at + EMG.size].tobytes()
        expect_error(client.post("/v2/models/own/infer", data=body, headers={HEADER: "0"}), 400, "NaN")


def test_a_body_that_is_too_large_and_one_that_is_compressed(client: FlaskClient) -> None:
    expect_error(client.post("/v2/models/own/infer", data=bytes(MAX_BODY + 1)), 413, "EMG_MAX_BODY")
    answer = client.post("/v2/models/own/infer", data=b"x", headers={"Content-Encoding": "gzip"})
    expect_error(answer, 415, "send the body as it is")


def test_the_repository_has_each_model_and_what_is_wrong_with_it(client: FlaskClient) -> None:
    found = {one["name"]: one for one in client.post("/v2/repository/index").get_json()}
    assert (found["own"]["state"], found["own"]["version"]) == ("READY", "1.0.0")
    assert found["other"]["state"] == "READY"
    assert found["spoilt"]["state"] == "UNAVAILABLE"
    assert found["spoilt"]["reason"]


def test_the_repository_tells_of_those_only_that_can_be_asked(client: FlaskClient) -> None:
    for body, wanted in (({"ready": True}, False), ({"ready": False}, True), ({}, True)):
        told = {one["name"] for one in client.post("/v2/repository/index", json=body).get_json()}
        assert {"own", "other"} <= told
        assert ("spoilt" in told) == wanted


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("index", b"{", "the body is not JSON"),
        ("index", b"[]", "a JSON object"),
        ("index", b'{"ready": "yes"}', "ready of the request must be true or false"),
        ("models/other/load", b"{", "the body is not JSON"),
        ("models/other/load", b'{"parameters": []}', "parameters of the request must be an object"),
        ("models/other/load", b'{"parameters": {"config": "{}"}}', "config is not taken"),
        ("models/other/load", b'{"parameters": {"file:1/model.onnx": "AAAA"}}', "file:1/model.onnx is not"),
    ],
)
def test_what_the_repository_cannot_do_is_said_and_not_passed_over(
    client: FlaskClient, path: str, body: bytes, words: str
) -> None:
    """A model was loaded as it was, and who brought another configuration was told that all is well."""
    expect_error(client.post(f"/v2/repository/{path}", data=body), 400, words)


def test_a_missing_header_is_named(client: FlaskClient) -> None:
    tensor = {"name": "emg", "datatype": "FP32", "shape": list(EMG.shape)}
    said = {"inputs": [{**tensor, "parameters": {"binary_data_size": EMG.nbytes}}]}
    answer = client.post("/v2/models/own/infer", data=json.dumps(said).encode() + EMG.tobytes())
    expect_error(answer, 400, HEADER)


def test_a_model_is_opened_and_closed_and_opens_again_by_itself(app: Flask, client: FlaskClient) -> None:
    opened = app.extensions["runtime"]().open_models

    def is_open() -> bool:
        return any(one.name == "other" for one in opened)

    assert client.post("/v2/repository/models/other/load", json={}).status_code == 200
    assert is_open()
    with opened.holding("other"):
        expect_error(client.post("/v2/repository/models/other/unload", json={}), 409, "other is in use")
    assert client.post("/v2/repository/models/other/unload", json={}).status_code == 200
    assert not is_open()
    assert client.post("/v2/models/other/infer", json=asked()).status_code == 200
    assert is_open()
