"""`/openapi.json` says all that a client must know, and `/docs` shows it without asking anybody outside."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.config import ROOT

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
EVENTS, PROBLEM = "text/event-stream", "application/problem+json"
SHAPE = {"batch", "channels", "length", "preprocess", "model"}
STREAM = {
    *("duration_seconds", "use_tensorrt", "fps", "preprocess", "backend", "votes", "min_confidence"),
    *("enter", "leave", "change", "include_signal", "include_aux", "source", "model"),
    *("events", "gesture_rules"),
}
NO_ROUTES = {"static", "swagger_ui.static", "api-docs.openapi_json", "api-docs.openapi_swagger_ui"}
READS_BODY = {400, 408, 413, 415, 422, 503}


@pytest.fixture(scope="module")
def api(app: Flask) -> dict[str, Any]:
    body: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return body


def operation(api: dict[str, Any], route: str) -> dict[str, Any]:
    method, path = route.split()
    found: dict[str, Any] = api["paths"][path][method.lower()]
    return found


def operations(api: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, described)
        for path, methods in api["paths"].items()
        for method, described in methods.items()
        if method != "parameters"  # of the path, for all its methods
    ]


def _template(rule: str) -> str:
    """Flask's `<name>` as OpenAPI's `{name}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def named(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def test_every_route_of_the_application_is_described_and_no_other(
    client: FlaskClient, api: dict[str, Any]
) -> None:
    served = {
        f"{method} {_template(rule.rule)}"
        for rule in client.application.url_map.iter_rules()
        if rule.endpoint not in NO_ROUTES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {f"{method.upper()} {path}" for path, method, _ in operations(api)}
    assert served == described


@pytest.mark.parametrize("route", ["POST /infer", "POST /infer/onnx", "POST /infer/tensorrt"])
def test_an_inference_takes_json_and_both_binary_bodies(api: dict[str, Any], route: str) -> None:
    content = operation(api, route)["requestBody"]["content"]
    assert content.keys() == {JSON, NPY, RAW}
    assert (
        content[NPY]["schema"]
        == content[RAW]["schema"]
        == {"type": "string", "format": "binary", "minLength": 1}
    )
    steps = {"steps"} if route == "POST /infer" else set()
    assert named(api, content[JSON]["schema"])["properties"].keys() == SHAPE | {"emg", "source"} | steps
    assert {given["name"] for given in operation(api, route)["parameters"]} == SHAPE | steps


def test_a_stream_takes_the_same_options_in_a_body_and_in_a_query(api: dict[str, Any]) -> None:
    posted = operation(api, "POST /infer/stream")["requestBody"]["content"]
    assert posted.keys() == {JSON}
    assert named(api, posted[JSON]["schema"])["properties"].keys() == STREAM
    asked = operation(api, "GET /infer/stream")["parameters"]
    assert {given["name"] for given in asked} == STREAM | {"ticket", "last_event_id", "lastEventId"}
    assert {given["in"] for given in asked} == {"query"}


def test_a_benchmark_takes_its_iterations_in_a_body_or_in_a_query(api: dict[str, Any]) -> None:
    described = operation(api, "POST /benchmark")
    schema = named(api, described["requestBody"]["content"][JSON]["schema"])
    bounds = {"minimum": 1, "maximum": 100_000, "default": 1000}
    assert bounds.items() <= schema["properties"]["num_iterations"].items()
    assert [given["name"] for given in described["parameters"]] == ["num_iterations", "backends"]


RECORDING = {"name", "state", "source", "samples", "gaps", "model", "error", "prompt", "repetitions"}
ANSWERS = {
    "GET /health": (JSON, {"status", "tensorrt_available", "emg_mode", "backends", "model", "source"}, set()),
    "GET /health/live": (JSON, {"status"}, set()),
    "GET /health/ready": (JSON, {"status"}, {503}),
    "POST /infer": (JSON, {"latency_ms", "spikes", "cpu_percent", "shape", "probabilities"}, READS_BODY),
    "POST /infer/onnx": (JSON, {"latency_ms", "prediction", "confidence", "backend"}, READS_BODY),
    "POST /infer/tensorrt": (JSON, {"latency_ms", "prediction", "confidence", "backend"}, READS_BODY),
    "POST /infer/stream": (EVENTS, {"timestamp", "frame", "prediction", "truth"}, READS_BODY),
    "GET /infer/stream": (EVENTS, {"timestamp", "frame", "prediction", "truth"}, {422, 503}),
    "GET /infer/stream/stats": (JSON, {"max_throughput_qps", "expected_latency_ms", "source"}, set()),
    "GET /emg/sources": (JSON, {"default", "sources"}, set()),
    "GET /emg/sources/{name}": (JSON, {"name", "state", "channels", "next_sample"}, {404}),
    "POST /emg/sources/{name}": (JSON, {"name", "state", "channels", "next_sample"}, READS_BODY | {409}),
    "POST /emg/sources/{name}/samples": (JSON, {"accepted", "next_sample"}, READS_BODY | {404, 409, 429}),
    "GET /emg/quality": (JSON, {"source", "ok", "channels", "loss"}, {422, 503}),
    "GET /emg/recordings": (JSON, {"recordings"}, {503}),
    "GET /emg/recordings/{name}": (JSON, RECORDING, {404, 422, 503}),
    "POST /emg/recordings/{name}/prompt": (JSON, RECORDING, {400, 404, 408, 409, 413, 415, 422, 503}),
    "POST /emg/recordings/{name}/stop": (JSON, RECORDING, {404, 422, 503}),
    "POST /benchmark": (JSON, {"pytorch", "tensorrt", "onnxruntime"}, READS_BODY | {409}),
}


@pytest.mark.parametrize("route", ANSWERS)
def test_a_route_describes_its_answer_and_every_error(api: dict[str, Any], route: str) -> None:
    kind, keys, errors = ANSWERS[route]
    responses = operation(api, route)["responses"]
    assert responses["200"]["content"].keys() == {kind}
    assert keys <= named(api, responses["200"]["content"][kind]["schema"])["properties"].keys()
    assert {int(status) for status in responses if status.isdigit()} - {201} == {200} | errors
    for status in errors:
        assert responses[str(status)]["description"]
        assert responses[str(status)]["content"].keys() == {PROBLEM}
        problem = named(api, responses[str(status)]["content"][PROBLEM]["schema"])
        assert set(problem["required"]) == {"type", "title", "status", "detail"}


def test_a_recording_says_how_it_begins_is_fetched_and_is_deleted(api: dict[str, Any]) -> None:
    started = operation(api, "POST /emg/recordings")["responses"]
    assert named(api, started["201"]["content"][JSON]["schema"])["properties"].keys() >= RECORDING
    fetched = operation(api, "GET /emg/recordings/{name}/download")["responses"]
    assert fetched["200"]["content"].keys() == {RAW, "application/zip"}
    deleted = operation(api, "DELETE /emg/recordings/{name}")["responses"]
    for responses, right, errors in (
        (started, 201, READS_BODY | {409}),
        (fetched, 200, {404, 409, 422, 429, 503}),
        (deleted, 204, {404, 409, 422, 503}),
    ):
        assert {int(status) for status in responses if status.isdigit()} == {right} | errors
        for status in errors:
            assert responses[str(status)]["content"].keys() == {PROBLEM}


def test_a_query_beside_a_body_has_no_default_that_would_contradict_it(api: dict[str, Any]) -> None:
    """Swagger UI and generated clients send defaults along: `?batch=1` made a 422 of each JSON body."""
    defaults = [
        (path, given["name"])
        for path, _, described in operations(api)
        if "requestBody" in described
        for given in described.get("parameters", ())
        if "default" in given["schema"]
    ]
    assert defaults == []
    batch = next(g for g in operation(api, "POST /infer")["parameters"] if g["name"] == "batch")
    assert batch["description"].endswith("1 by default")


def test_every_body_and_all_that_a_request_must_have_comes_with_an_example(api: dict[str, Any]) -> None:
    missing = []
    for path, method, described in operations(api):
        if "example" not in described.get("requestBody", {}).get("content", {}).get(JSON, {"example": None}):
            missing.append(f"{method} {path}: the body")
        given = [*described.get("parameters", ()), *api["paths"][path].get("parameters", ())]
        missing += [
            f"{method} {path}: {one['name']}" for one in given if one["required"] and "example" not in one
        ]
    assert missing == []


def test_no_property_is_called_as_another_schema_where_generators_make_a_type_of_it(
    api: dict[str, Any],
) -> None:
    """They call the type of `Source.state` SourceState, and drop a schema whose name that is."""
    schemas = api["components"]["schemas"]
    made = {
        f"{name}{prop.title().replace('_', '')}"
        for name, schema in schemas.items()
        for prop, kind in schema["properties"].items()
        if kind.keys() & {"enum", "anyOf", "properties", "items", "additionalProperties"}
    }
    assert made & schemas.keys() == set()


def test_who_is_sent_away_for_now_is_told_when_to_come_back(api: dict[str, Any]) -> None:
    answers = [
        answer
        for path in api["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for status, answer in operation["responses"].items()
        if status in ("429", "503")
    ]
    assert len(answers) > 10
    assert all(answer["headers"]["Retry-After"]["required"] for answer in answers)


def test_every_route_says_in_words_what_it_does(api: dict[str, Any]) -> None:
    for path, method, described in operations(api):
        assert described.get("summary"), f"{method} {path}"


def test_every_route_is_in_the_page_about_the_api(api: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [path for path in api["paths"] if path.replace("{", "<").replace("}", ">") + "`" not in page]
    assert missing == []


def test_the_docs_page_asks_nobody_outside(client: FlaskClient) -> None:
    page = client.get("/docs").get_data(as_text=True)
    assert "//" not in page
    assert 'url: "/openapi.json"' in page
    assert '"validatorUrl": null' in page
    assert '<a href="./">' in page  # to the dashboard
    links = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    assert {link.rsplit(".", 1)[1] for link in links} == {"css", "js", "svg"}  # the last is the page's icon
    for link in links:
        with client.get(link) as asset:
            assert asset.status_code == 200
            assert asset.get_data()
            # a style sheet may load more: only what it carries in itself
            outside = rb"(?:@import|url\()[\s\"']*(?:https?:)?//"
            assert not link.endswith("css") or not re.search(outside, asset.get_data())


def test_any_other_error_is_a_problem_too(api: dict[str, Any]) -> None:
    """What gunicorn refuses itself, such as a request line that is too long, is in no operation by its status."""
    (default,) = {
        operation["responses"]["default"]["$ref"]
        for path, methods in api["paths"].items()
        for operation in methods.values()
        if "responses" in operation and not path.startswith("/v2")
    }
    by_protocol = {
        json.dumps(operation["responses"]["default"]["content"])
        for path, methods in api["paths"].items()
        for operation in methods.values()
        if "responses" in operation and path.startswith("/v2")
    }
    assert by_protocol == {
        json.dumps({"application/json": {"schema": {"$ref": "#/components/schemas/OipError"}}})
    }
    described = api["components"]["responses"][default.rpartition("/")[2]]
    assert described["content"].keys() == {PROBLEM}
