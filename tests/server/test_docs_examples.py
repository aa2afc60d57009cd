"""`/docs`, Try it out, Execute: the examples that the page fills in succeed, sent as Swagger UI sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

from tests.server.live import LATE_S, Json, Live, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

JSON = "application/json"
NEED_PUSH = {
    "POST /emg/sources/{name}",
    "POST /emg/sources/{name}/samples",
    "DELETE /emg/sources/{name}",
}
NEED_REPLAY = {"GET /emg/source/position", "PUT /emg/source/position"}
NEED_RECORDING = {  # what there is by then was imported, and has no labels
    "POST /trainings": 422,
    "GET /jobs/{id}": 404,
    "GET /jobs/{id}/events": 404,
    "DELETE /jobs/{id}": 404,
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serving(project(tmp_path)) as live:
        yield live


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Live]:
    with serving(project(tmp_path), EMG_MODE="push", EMG_MODEL="myo-8ch-200hz") as live:
        yield live


def description(live: Live) -> Json:
    with urlopen(f"{live.url}/openapi.json", timeout=LATE_S) as answer:
        found: Json = json.load(answer)
        return found


def filled_in(parameter: Json) -> Any:
    """What Swagger UI puts into a field before anybody has typed; None: nothing."""
    schema = parameter["schema"]
    return parameter.get("example", schema.get("example", schema.get("default")))


def send(live: Live, api: Json, route: str) -> tuple[int, bytes]:
    """Execute an operation with its examples; the status and body of the answer."""
    method, path = route.split()
    operation = api["paths"][path][method.lower()]
    query = {}
    for parameter in [*api["paths"][path].get("parameters", ()), *operation.get("parameters", ())]:
        value = filled_in(parameter)
        assert value is not None or not parameter["required"], f"{route}: no example for {parameter['name']}"
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value))
        elif value is not None:
            query[parameter["name"]] = json.dumps(value).strip('"')
    content = operation.get("requestBody", {}).get("content", {})
    kind = next(iter(content), JSON)  # Swagger UI takes the first; a file somebody has to choose
    body = None if not content else _body(kind, content[kind].get("example") or _zip_of_a_model(live))
    url = f"{live.url}{path}" + (f"?{urlencode(query)}" if query else "")
    request = Request(url, body, {"Content-Type": kind} if body else {}, method=method)
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def _body(kind: str, example: Any) -> bytes:
    if isinstance(example, bytes):
        return example
    return json.dumps(example).encode() if kind == JSON else str(example).encode()


def _zip_of_a_model(live: Live) -> bytes:
    """Return the one file that no page can have an example of; the model itself is gone."""
    model = f"{live.url}/models/myo-8ch-200hz"
    with urlopen(f"{model}/archive", timeout=LATE_S) as answer:
        content: bytes = answer.read()
    urlopen(Request(model, method="DELETE"), timeout=LATE_S).close()
    return content


def routes(api: Json) -> list[str]:
    """From the page's top to its end."""
    return [
        f"{method.upper()} {path}"
        for path, methods in api["paths"].items()
        for method in methods
        if method != "parameters"
    ]


def test_every_example_succeeds_on_the_default_server_from_top_to_end(live: Live) -> None:
    """What cannot succeed there says so: pushing and a replay take other modes, TensorRT a GPU."""
    api, answers = description(live), {}
    for route in routes(api):
        answers[route] = status, body = send(live, api, route)
        if route == "POST /emg/recordings":
            until(lambda: json.loads(send(live, api, "GET /emg/recordings/{name}")[1])["samples"])
        if route in NEED_PUSH | NEED_REPLAY:
            method, path = route.split()
            assert status == 409, (route, body)
            assert "answers 409" in api["paths"][path][method.lower()]["description"]
        elif route in ("DELETE /models/{name}", "POST /v2/repository/models/{name}/unload"):
            assert status == 409, body  # the server runs it: a click deletes nothing that is needed
        elif route == "DELETE /emg/sources/{name}/model":
            assert (status, b"before this one" in body) == (409, True), body  # there was none
        elif route in NEED_RECORDING:
            assert status == NEED_RECORDING[route], (route, body)
            method, path = route.split()
            assert "takes a recording" in api["paths"][path][method.lower()]["description"]
        elif route in ("GET /emg/sources/{name}/live", "GET /infer/live"):
            assert status == 426, body  # the page opens no WebSockets
        elif route == "POST /infer/tensorrt" and status == 503:
            assert json.loads(body)["cure"]
        else:
            assert 200 <= status < 300, (route, status, body)
    for route in ("POST /infer/stream", "GET /infer/stream"):
        assert answers[route][1].count(b'"prediction"') >= 10, route
    assert answers["GET /emg/recordings/{name}/download"][1].startswith(b"PK")


def test_the_examples_of_a_pushed_source_are_what_the_server_s_model_takes(pushed: Live) -> None:
    api = description(pushed)
    declared, state = (
        send(pushed, api, "POST /emg/sources/{name}"),
        send(pushed, api, "GET /emg/sources/{name}"),
    )
    assert (declared[0], json.loads(state[1])["channels"]) == (201, 8)
    assert json.loads(send(pushed, api, "POST /emg/sources/{name}/samples")[1])["accepted"] == 2
    assert send(pushed, api, "DELETE /emg/sources/{name}")[0] == 204
