"""The caller's own windows: however they come, the shipped model judges them alike."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import Settings
from app.errors import OverloadedError
from app.serving.build import build_runtime
from app.serving.engine.engine import Engine
from app.serving.runtime import Runtime

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
KINDS = pytest.mark.parametrize("kind", [JSON, NPY, RAW], ids=["json", "npy", "raw"])
COUNTS = pytest.mark.parametrize("count", [1, 5])
JUDGED = ("prediction", "label", "confidence", "probabilities", "backend", "shape")


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    """The shipped default model on both backends that need no GPU, and the simulator."""
    runtime = build_runtime(Settings(backends=("onnxruntime", "pytorch")), sse.encode)
    deadline = time.monotonic() + 20
    while (
        runtime.acquisition.ring.newest < runtime.pipelines.named().sampling_rate / 2
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def windows(runtime: Runtime) -> np.ndarray:
    """Five windows that the simulator has sent."""
    return runtime.pipelines.named().snapshot(5)


@pytest.fixture(scope="module")
def seen() -> list[str]:
    return []


@pytest.fixture
def through_flask(seen: list[str]) -> list[str]:
    """The requests that the fast path has left to Flask."""
    seen.clear()
    return seen


@pytest.fixture(scope="module")
def app(runtime: Runtime, seen: list[str]) -> Flask:
    app = create_app(runtime)

    def note() -> None:
        from flask import request

        seen.append(request.path)

    app.before_request_funcs[None].insert(0, note)  # before what has failed on the fast path is said
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def without_fast_path(runtime: Runtime) -> Flask:
    app = create_app(runtime)
    del app.wsgi_app  # the middleware; what is left is Flask's own method
    return app


@pytest.fixture
def plain(without_fast_path: Flask) -> FlaskClient:
    """The same application without the fast path."""
    return without_fast_path.test_client()


def body(kind: str, emg: np.ndarray, **fields: object) -> bytes:
    if kind == JSON:
        return json.dumps({"emg": emg.tolist(), **fields}).encode()
    if kind == RAW:
        return emg.astype("<f4").tobytes()
    file = io.BytesIO()
    np.save(file, emg)
    return file.getvalue()


def judged(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in JUDGED}


def post(client: FlaskClient, kind: str, emg: np.ndarray, path: str = "/infer") -> dict[str, Any]:
    answer = client.post(path, data=body(kind, emg), content_type=kind)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


@COUNTS
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_json_npy_and_raw_are_judged_alike(
    client: FlaskClient, windows: np.ndarray, through_flask: list[str], path: str, count: int
) -> None:
    found = [judged(post(client, kind, windows[:count], path)) for kind in (JSON, NPY, RAW)]
    assert found[0] == found[1] == found[2]
    assert through_flask == []


@COUNTS
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_what_json_says_beside_the_windows_is_heeded_without_flask_as_with_it(
    client: FlaskClient,
    plain: FlaskClient,
    windows: np.ndarray,
    through_flask: list[str],
    path: str,
    count: int,
) -> None:
    emg, sizes = windows[:count], {"batch": count, "length": windows.shape[1], "channels": windows.shape[2]}
    for fields in ({"preprocess": False}, {"preprocess": True, **sizes}, {"batch": count}):
        sent = {"data": body(JSON, emg, **fields), "content_type": JSON}
        assert judged(client.post(path, **sent).get_json()) == judged(plain.post(path, **sent).get_json())
    assert through_flask == []
    told = client.post(path, data=body(JSON, emg, source=None), content_type=JSON)
    assert (told.status_code, through_flask) == (200, [path])


@pytest.mark.parametrize(
    "fields",
    [{"batch": 3}, {"batch": True}, {"length": 7}, {"what": 1}, {"preprocess": "no"}, {"batch": [1]}],
)
def test_what_json_says_wrongly_beside_the_windows_is_told_the_same_as_without_the_fast_path(
    client: FlaskClient, plain: FlaskClient, windows: np.ndarray, fields: dict[str, object]
) -> None:
    assert client.post("/infer", json={"emg": windows[0].tolist(), "batch": 1}).status_code == 200
    sent = {"data": body(JSON, windows[0], **fields), "content_type": JSON}
    found, expected = client.post("/infer", **sent), plain.post("/infer", **sent)
    assert (found.status_code, found.get_json()) == (422, expected.get_json())


DOCUMENTED = (  # README.md, docs/api.md, docs/first-steps.md
    "batch=3&length=200&channels=16&preprocess=true",
    "batch=3&length=200&channels=16",
    "batch=3",
    "length=200",
    "preprocess=false",
)


@pytest.mark.parametrize("query", DOCUMENTED)
@pytest.mark.parametrize("kind", [NPY, RAW])
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_a_query_is_answered_without_flask_as_it_is_with_it(
    client: FlaskClient,
    plain: FlaskClient,
    windows: np.ndarray,
    through_flask: list[str],
    query: str,
    kind: str,
    path: str,
) -> None:
    asked, emg = f"{path}?{query}", np.ascontiguousarray(windows[:3, -200:])
    fast = post(client, kind, emg, asked)
    assert through_flask == []
    assert judged(fast) == judged(post(plain, kind, emg, asked))


@pytest.mark.parametrize(
    "kind",
    ["application/octet-stream; charset=binary", "Application/Octet-Stream", "application/octet-stream ;"],
)
def test_parameters_of_a_media_type_change_nothing(
    client: FlaskClient, windows: np.ndarray, through_flask: list[str], kind: str
) -> None:
    answer = client.post("/infer", data=windows[:1].tobytes(), content_type=kind)
    assert (answer.status_code, through_flask) == (200, [])


@pytest.mark.parametrize(
    "query",
    [
        "batch=7",
        "batch=0",
        "batch=257",
        "batch=3&batch=3",
        "batch",
        "batch=three",
        "length=100",
        "channels=8",
        "channels=16&length=199",
        "preprocess=maybe",
        "steps=0",
        "model=nobody",
        "source=dummy",
        "unknown=1",
        "%ff=%00",
        "batch=" + "9" * 300,
    ],
)
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_a_query_that_is_wrong_is_told_the_same_as_without_the_fast_path(
    client: FlaskClient, plain: FlaskClient, windows: np.ndarray, query: str, path: str
) -> None:
    data = windows[:3, -200:].tobytes()
    found = [c.post(f"{path}?{query}", data=data, content_type=RAW) for c in (client, plain)]
    assert found[0].status_code == found[1].status_code == (200 if query == "batch=3&batch=3" else 422)
    if query != "batch=3&batch=3":  # the first counts, as ever
        assert found[0].get_json() == found[1].get_json()


@KINDS
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_the_same_body_without_the_fast_path_gives_the_same_answer(
    client: FlaskClient, plain: FlaskClient, windows: np.ndarray, kind: str, path: str
) -> None:
    fast, slow = post(client, kind, windows, path), post(plain, kind, windows, path)
    assert list(fast) == list(slow)
    assert judged(fast) == judged(slow)
    assert {key: type(value) for key, value in fast.items()} == {k: type(v) for k, v in slow.items()}


@pytest.mark.parametrize("preprocess", [True, False])
def test_the_answer_is_what_the_engine_itself_says(
    client: FlaskClient, runtime: Runtime, windows: np.ndarray, preprocess: bool
) -> None:
    own = runtime.engine.infer(windows, preprocess=preprocess).prediction
    found = post(client, NPY, windows, f"/infer?preprocess={json.dumps(preprocess)}")
    assert found["prediction"] == own.prediction.tolist()
    assert found["label"] == [runtime.artefact.manifest.classes[k] for k in own.prediction]
    np.testing.assert_allclose(found["probabilities"], own.probabilities, atol=5.1e-5)  # 4 digits are sent


@KINDS
def test_windows_that_are_not_normalised_are_judged_otherwise(
    client: FlaskClient, runtime: Runtime, windows: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = runtime.engine.model  # whose own statistics change nothing
    monkeypatch.setattr(runtime.engine, "model", replace(model, std=9 * model.std))
    if kind == JSON:
        said = {"emg": windows.tolist(), "preprocess": False}
        bare = client.post("/infer", json=said).get_json()
    else:
        bare = post(client, kind, windows, "/infer?preprocess=false")
    assert bare["probabilities"] != post(client, kind, windows)["probabilities"]


def test_a_window_is_judged_alone_as_in_a_batch(client: FlaskClient, windows: np.ndarray) -> None:
    together = post(client, RAW, windows)["probabilities"]
    alone = [post(client, RAW, window)["probabilities"] for window in windows]
    np.testing.assert_allclose(alone, together, atol=2e-4)


def test_one_window_is_answered_alike_with_and_without_the_axis_of_the_batch(
    client: FlaskClient, windows: np.ndarray
) -> None:
    assert judged(post(client, JSON, windows[0])) == judged(post(client, JSON, windows[:1]))


@pytest.mark.parametrize(
    "stored",
    [np.asfortranarray, lambda emg: emg.astype(">f4"), lambda emg: emg.astype(np.float64)],
    ids=["Fortran order", "big-endian", "float64"],
)
def test_an_npy_says_itself_how_its_numbers_are_stored(
    client: FlaskClient, windows: np.ndarray, stored: Any
) -> None:
    assert judged(post(client, NPY, stored(windows))) == judged(post(client, NPY, windows))


def test_the_tensorrt_route_without_an_engine_says_the_same_with_and_without_the_fast_path(
    client: FlaskClient, plain: FlaskClient, windows: np.ndarray
) -> None:
    found = [c.post("/infer/tensorrt", data=body(RAW, windows), content_type=RAW) for c in (client, plain)]
    assert found[0].status_code == found[1].status_code == 503
    assert found[0].get_json() == found[1].get_json()
    assert {"backend", "reason", "cure"} <= found[0].get_json().keys()
    assert all(answer.headers["Retry-After"] == "60" for answer in found)


SHORT = np.zeros((199, 16), np.float32)
UNSOUND = {
    "not json": (JSON, b'{"emg": ['),
    "no object": (JSON, b"[1]"),
    "empty": (JSON, b""),
    "nan literal": (JSON, b'{"emg": [[NaN]]}'),
    "ragged": (JSON, b'{"emg": [[1, 2], [3]]}'),
    "emg of texts": (JSON, b'{"emg": [["a"]]}'),
    "emg null": (JSON, b'{"emg": null}'),
    "unknown field": (JSON, b'{"emg": [[1]], "bach": 1}'),
    "short json": (JSON, body(JSON, SHORT)),
    "short npy": (NPY, body(NPY, SHORT)),
    "short raw": (RAW, body(RAW, SHORT)),
    "raw nan": (RAW, np.full((200, 16), np.nan, "<f4").tobytes()),
    "raw absurd": (RAW, np.full((200, 16), 3e38, "<f4").tobytes()),
    "raw infinity": (RAW, np.full((200, 16), np.inf, "<f4").tobytes()),
    "raw bytes": (RAW, b"abc"),
    "no npy": (NPY, b"\x93NUMPY\x01"),
    "json of lists": (JSON, b'{"emg": [' + b"[]," * 2**18 + b"[]]}"),
    "json of numbers": (JSON, b'{"emg": [' + b"1," * 2**21 + b"1]}"),
    "npy of 257": (NPY, body(NPY, np.zeros((257, 200, 16), np.float32))),
    "npy of none": (NPY, body(NPY, np.zeros((0, 200, 16), np.float32))),
    "other type": ("text/csv", b"1,2,3"),
}


@pytest.mark.parametrize("name", UNSOUND)
@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_what_the_fast_path_refuses_is_told_the_same_as_without_it(
    client: FlaskClient, plain: FlaskClient, through_flask: list[str], name: str, path: str
) -> None:
    kind, data = UNSOUND[name]
    found = [c.post(path, data=data, content_type=kind) for c in (client, plain)]
    assert through_flask == [path]
    assert found[0].status_code == found[1].status_code
    assert found[0].status_code in (400, 415, 422)
    assert found[0].content_type == found[1].content_type == "application/problem+json"
    assert found[0].get_json() == found[1].get_json()


@pytest.mark.parametrize(
    ("error", "status"),
    [(OverloadedError("no answer came within 2 s"), 503), (RuntimeError("a driver's"), 500)],
)
def test_what_fails_in_the_engine_is_told_by_flask_and_not_tried_again(
    runtime: Runtime, windows: np.ndarray, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    calls: list[object] = []

    def infer(*_: object, **__: object) -> NoReturn:
        calls.append(1)
        raise error

    monkeypatch.setattr(Engine, "infer", infer)
    answer = create_app(runtime).test_client().post("/infer", data=body(RAW, windows[:1]), content_type=RAW)
    assert len(calls) == 1
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert "X-Request-ID" in answer.headers
    assert "driver" not in answer.get_json()["detail"]


def test_the_largest_values_that_are_taken_still_give_probabilities(
    client: FlaskClient, windows: np.ndarray
) -> None:
    for large in (1e18, -1e18):
        found = post(client, RAW, np.full_like(windows[:1], large))
        assert sum(found["probabilities"]) == pytest.approx(1, abs=1e-3)
