"""Every route answers with the documented keys and types, and as its schema says."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
import pytest
from flask.testing import FlaskClient
from marshmallow import RAISE

from app import create_app
from app.api.schemas import inference as schemas
from app.api.schemas.health import HealthSchema
from app.api.schemas.streaming import FrameSchema, StatsSchema
from app.inference.prediction import normalise, softmax
from app.inference.pytorch.backend import TorchBackend
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, LENGTH, running
from tests.inference.artefacts import make_artefact

DOCUMENTED = {"latency_ms", "spikes", "cpu_percent", "shape"}
PREDICTED = {"prediction", "label", "confidence", "probabilities", "backend"}
FRAME = {
    *("timestamp", "frame", "latency_ms", "prediction", "confidence", "shape", "backend", "cpu_percent"),
    *(
        "label",
        "probabilities",
        "decision",
        "decision_label",
        "intensity",
        "strength",
        "sample_index",
        "age_ms",
    ),
    *("dropped", "truth"),
}


def windows(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, LENGTH, CHANNELS)).astype(np.float32)


def events(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def valid(schema: type, body: Any) -> None:
    assert schema(unknown=RAISE).validate(body) == {}


def test_health_has_the_documented_keys(client: FlaskClient) -> None:
    body = client.get("/health").get_json()
    valid(HealthSchema, body)
    assert body.keys() == {
        *("status", "tensorrt_available", "emg_mode", "backends", "model", "version", "source", "sources")
    }
    assert (body["status"], body["tensorrt_available"], body["emg_mode"]) == ("ok", False, "dummy")
    assert set(body["backends"]) == {"pytorch", "onnxruntime", "tensorrt"}
    assert body["source"]["state"] == "running"
    assert [one["model"]["name"] for one in body["sources"]] == [body["model"]["name"]]


@pytest.mark.parametrize(("path", "status"), [("live", "alive"), ("ready", "ready")])
def test_a_running_worker_is_alive_and_ready(client: FlaskClient, path: str, status: str) -> None:
    answer = client.get(f"/health/{path}")
    assert (answer.status_code, answer.get_json()) == (200, {"status": status})


def test_infer_gives_figures_as_texts_and_predictions_as_numbers(
    client: FlaskClient, runtime: Runtime
) -> None:
    body = client.post("/infer", json={"batch": 1, "channels": CHANNELS, "length": LENGTH}).get_json()
    valid(schemas.InferResultSchema, body)
    assert body.keys() == DOCUMENTED | PREDICTED
    assert all(isinstance(body[key], str) for key in DOCUMENTED)
    assert float(body["latency_ms"]) > 0
    assert body["shape"] == f"[1, {len(runtime.artefact.manifest.classes)}]"
    assert (type(body["prediction"]), type(body["confidence"]), type(body["label"])) == (int, float, str)
    assert sum(body["probabilities"]) == pytest.approx(1, abs=1e-3)


def test_the_documented_curl_without_a_content_type_works(client: FlaskClient) -> None:
    """curl -d says application/x-www-form-urlencoded, whatever the body is."""
    kind = "application/x-www-form-urlencoded"
    assert client.post("/infer", data='{"batch": 1}', content_type=kind).status_code == 200


@pytest.mark.parametrize("batch", [2, 256])
def test_a_batch_is_answered_with_arrays_over_the_batch(
    client: FlaskClient, runtime: Runtime, batch: int
) -> None:
    body = client.post("/infer", json={"batch": batch}).get_json()
    assert body["shape"] == f"[{batch}, {len(runtime.artefact.manifest.classes)}]"
    assert {len(body[key]) for key in ("prediction", "label", "confidence", "probabilities")} == {batch}


@pytest.mark.parametrize("body", [{}, {"emg": windows(1).tolist()}], ids=["source", "own windows"])
def test_tensorrt_without_an_engine_says_why_and_what_helps(client: FlaskClient, body: Any) -> None:
    answer = client.post("/infer/tensorrt", json=body)
    problem = answer.get_json()
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert problem["backend"] == "tensorrt"
    assert problem["reason"]
    assert problem["cure"]


def test_a_backend_route_gives_prediction_and_confidence_as_texts(
    client: FlaskClient, runtime: Runtime
) -> None:
    """The small model has no ONNX graph: that route's encoding is tested with the backend there is."""
    from app.api.codec.responses import backend_answer

    answer = runtime.engine.infer(windows(1), backend="pytorch")
    body = json.loads(backend_answer(answer, runtime.manifest, runtime.cpu.percent))
    valid(schemas.BackendResultSchema, body)
    texts = {"latency_ms", "prediction", "confidence", "cpu_percent", "shape", "backend"}
    assert body.keys() == texts | {"label", "probabilities"}
    assert all(isinstance(body[key], str) for key in texts)
    assert body["shape"] == f"[1, {len(runtime.artefact.manifest.classes)}]"  # of the logits


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_stream_sends_documented_frames_and_a_last_word(client: FlaskClient, method: str) -> None:
    options: dict[str, Any] = {"duration_seconds": 0.3, "fps": 20}
    sent = {"json": options} if method == "POST" else {"query_string": options}
    answer = client.open("/infer/stream", method=method, **sent)
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    *frames, last = events(answer.get_data(as_text=True))
    answer.close()
    assert frames
    for frame in frames:
        assert FRAME <= frame.keys() <= FRAME | {"quality", "missing_samples"}
        valid(FrameSchema, frame)
        assert {type(frame[key]) for key in ("latency_ms", "confidence", "timestamp")} == {float}
    assert frames[-1]["truth"] == "a"
    assert last.keys() == {"status", "total_frames", "duration_seconds", "avg_fps"}
    assert (last["status"], last["total_frames"]) == ("completed", len(frames))


def test_a_query_says_where_to_go_on_and_the_header_counts_more(client: FlaskClient) -> None:
    options = {"duration_seconds": 0.3, "fps": 20}
    with client.get("/infer/stream", query_string=options) as answer:
        first = next(found[1] for found in re.finditer("^id: (.*)$", answer.get_data(as_text=True), re.M))
    options["last_event_id"] = first
    with client.get("/infer/stream", query_string=options) as answer:
        assert events(answer.get_data(as_text=True))[0]["frame"] == 1
    with client.get("/infer/stream", query_string=options, headers={"Last-Event-ID": "end"}) as answer:
        assert answer.status_code == 204
    with client.get("/infer/stream", query_string={**options, "last_event_id": "end"}) as answer:
        assert answer.status_code == 204


def test_a_stream_that_is_over_leaves_no_slot_taken_and_measured_stats(
    client: FlaskClient, runtime: Runtime
) -> None:
    client.post("/infer/stream", json={"duration_seconds": 0.2, "fps": 20}).close()
    answer = client.post("/infer/stream", json={"duration_seconds": 0.2, "fps": 20})
    assert answer.get_data()
    answer.close()
    body = client.get("/infer/stream/stats").get_json()
    valid(StatsSchema, body)
    assert body["active_streams"] == 0
    assert body["frames_sent"] > 0
    assert body["max_throughput_qps"] > 0
    assert body["expected_latency_ms"] > 0


def test_stats_are_null_before_anything_is_measured(spiking: Runtime) -> None:
    body = create_app(spiking).test_client().get("/infer/stream/stats").get_json()
    assert (body["max_throughput_qps"], body["expected_latency_ms"]) == (None, None)


@pytest.mark.parametrize("how", ["json", "query_string"])
def test_the_benchmark_measures_every_backend_and_says_null_for_one_that_is_absent(
    client: FlaskClient, how: str
) -> None:
    body = client.post("/benchmark", **{how: {"num_iterations": 5}}).get_json()
    valid(schemas.BenchmarkResultSchema, body)
    assert body.keys() == {"pytorch", "tensorrt", "onnxruntime"}
    assert (body["tensorrt"], body["onnxruntime"]) == (None, None)
    assert body["pytorch"].keys() == {
        *("mean_latency_ms", "median_latency_ms", "p99_latency_ms", "throughput_qps")
    }


@pytest.mark.parametrize("how", ["json", "query_string"])
def test_a_benchmark_measures_the_backends_that_it_is_asked_for(client: FlaskClient, how: str) -> None:
    asked = {"num_iterations": 5, "backends": "tensorrt,onnxruntime"}
    assert client.post("/benchmark", **{how: asked}).get_json() == {
        "pytorch": None,
        "tensorrt": None,
        "onnxruntime": None,
    }
    body = client.post("/benchmark", **{how: {**asked, "backends": "pytorch"}}).get_json()
    assert body["pytorch"]["mean_latency_ms"] > 0


def test_a_benchmark_opens_what_is_not_open_only_where_it_is_asked_to(tmp_path: Path) -> None:
    opened: list[str] = []
    artefact = make_artefact(tmp_path / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.serving.engine.opening._is_lazy", lambda name, *_: name == "onnxruntime")
        runtime = running(artefact, backends=("pytorch", "onnxruntime"))
    opener = runtime.engine.backends.openers["onnxruntime"]
    runtime.engine.backends.openers["onnxruntime"] = replace(opener, open=lambda: opened.append("it"))
    try:
        client = create_app(runtime).test_client()
        body = client.post("/benchmark", json={"num_iterations": 1}).get_json()
        assert (body["onnxruntime"], opened) == (None, [])
        assert body["pytorch"] is not None
        client.post("/benchmark", json={"num_iterations": 1, "backends": "onnxruntime"})
        assert opened == ["it"]
    finally:
        runtime.close()


@pytest.mark.parametrize("preprocess", [True, False])
def test_json_npy_and_raw_are_answered_as_the_network_itself_answers(
    client: FlaskClient, runtime: Runtime, preprocess: bool
) -> None:
    emg = windows()
    file = io.BytesIO()
    np.save(file, emg)
    query = {"preprocess": json.dumps(preprocess)}
    answers = [
        client.post("/infer", json={"emg": emg.tolist(), "preprocess": preprocess}),
        client.post("/infer", query_string=query, data=file.getvalue(), content_type="application/x-npy"),
        client.post(
            "/infer", query_string=query, data=emg.tobytes(), content_type="application/octet-stream"
        ),
    ]
    manifest = runtime.artefact.manifest
    backend = TorchBackend.open(runtime.artefact)
    batch = normalise(emg, manifest.mean, manifest.std) if preprocess else emg
    expected = softmax(backend.infer(batch).logits).astype(np.float64)
    backend.close()
    found = [answer.get_json() for answer in answers]
    assert found[0]["probabilities"] == found[1]["probabilities"] == found[2]["probabilities"]
    np.testing.assert_allclose(found[0]["probabilities"], expected, atol=1e-4)


def test_the_fast_path_and_flask_answer_alike(client: FlaskClient) -> None:
    emg = windows()
    fast = client.post("/infer", json={"emg": emg.tolist()}).get_json()
    slow = client.post("/infer", json={"emg": emg.tolist(), "batch": 3}).get_json()
    assert {k: fast[k] for k in PREDICTED} == {k: slow[k] for k in PREDICTED}


def test_spikes_are_counted_and_follow_the_steps(spiking: Runtime) -> None:
    client = create_app(spiking).test_client()
    emg = windows(1) * 5
    backend = TorchBackend.open(spiking.artefact)
    batch = normalise(emg, spiking.artefact.manifest.mean, spiking.artefact.manifest.std)
    for steps in (1, 4, 16):
        body = client.post("/infer", json={"emg": emg.tolist(), "steps": steps}).get_json()
        assert int(body["spikes"]) == round(float(backend.infer(batch, steps).spikes.sum()))
    backend.close()
    assert int(body["spikes"]) > 0


def test_a_network_without_spikes_says_zero(client: FlaskClient) -> None:
    assert client.post("/infer", json={"steps": 8}).get_json()["spikes"] == "0"


ROUTES = {
    *("/health", "/health/live", "/health/ready", "/infer", "/infer/tensorrt", "/infer/onnx"),
    *("/infer/stream", "/infer/stream/stats", "/benchmark"),
}


def test_openapi_describes_every_route_with_its_errors(client: FlaskClient) -> None:
    api = client.get("/openapi.json").get_json()
    assert api["openapi"].startswith("3.")
    assert set(api["paths"]) >= ROUTES
    for path in ("/infer", "/infer/tensorrt", "/infer/onnx", "/infer/stream", "/benchmark"):
        post = api["paths"][path]["post"]
        assert {"400", "413", "415", "422", "503"} <= post["responses"].keys(), path
        assert "application/json" in post["requestBody"]["content"]
        for status in ("400", "422", "503"):
            assert "application/problem+json" in post["responses"][status]["content"]
    assert "409" in api["paths"]["/benchmark"]["post"]["responses"]


def test_every_reference_in_openapi_leads_somewhere(client: FlaskClient) -> None:
    api = client.get("/openapi.json").get_json()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [r for value in node.values() for r in references(value)]
        return [r for value in node for r in references(value)] if isinstance(node, list) else []

    for reference in references(api):
        found = api
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_the_docs_page_and_its_assets_come_from_this_server(client: FlaskClient) -> None:
    page = client.get("/docs").get_data(as_text=True)
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        asked = urlsplit(urljoin("http://here/docs", link))
        assert asked.netloc == "here", link
        with client.get(asked.path) as asset:
            assert asset.status_code == 200


def test_health_says_how_the_outputs_are_where_there_are_some(tmp_path: Path) -> None:
    """LSL or UDP that has failed is degraded; requests are answered all the same, so it is ready."""
    runtime = running(make_artefact(tmp_path / "tiny"), udp=("127.0.0.1", 9))
    try:
        client = create_app(runtime).test_client()
        runtime.outputs.close()
        runtime.metrics.output("udp").failed()
        body = client.get("/health").get_json()
        valid(HealthSchema, body)
        assert (body["status"], body["outputs"]["udp"]["state"]) == ("degraded", "failed")
        assert client.get("/health/ready").status_code == 200
    finally:
        runtime.close()
