"""Windows for a model that reads context: with it, without it or with part of it, in every form of a body."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.inference.history import with_history
from app.serving.runtime import Runtime
from tests.api.conftest import running
from tests.inference.covariance.models import CHANNELS, CONTEXT, LENGTH, covariance_model

READS = CONTEXT + LENGTH
NPY, RAW = "application/x-npy", "application/octet-stream"
KINDS = pytest.mark.parametrize("kind", ["json", NPY, RAW])
ROUTES = pytest.mark.parametrize("route", ["/infer", "/infer/onnx"])


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A covariance model on noise."""
    model = covariance_model(tmp_path_factory.mktemp("models") / "tiny")
    runtime = running(model, backends=("onnxruntime", "pytorch"))
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def app(runtime: Runtime) -> Flask:
    return create_app(runtime)


def body(emg: np.ndarray, kind: str) -> dict[str, object]:
    if kind == "json":
        return {"data": json.dumps({"emg": emg.tolist()}), "content_type": "application/json"}
    if kind == RAW:
        return {"data": emg.astype("<f4").tobytes(), "content_type": RAW}
    content = io.BytesIO()
    np.save(content, emg)
    return {"data": content.getvalue(), "content_type": NPY}


def emg(*shape: int) -> np.ndarray:
    level = np.geomspace(0.3, 4, shape[-2])[:, np.newaxis]
    return (level * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


@ROUTES
@KINDS
@pytest.mark.parametrize("samples", [LENGTH, LENGTH + 1, 2 * LENGTH, READS - 1, READS])
def test_a_window_may_bring_as_much_context_as_there_is(
    client: FlaskClient, runtime: Runtime, route: str, kind: str, samples: int
) -> None:
    own = emg(samples, CHANNELS)

    answer = client.post(route, **body(own, kind))

    assert answer.status_code == 200, answer.json
    expected = runtime.engine.infer(with_history(own, READS)[np.newaxis]).prediction.probabilities[0]
    np.testing.assert_allclose(answer.json["probabilities"], expected, atol=1e-4)


@KINDS
@pytest.mark.parametrize("samples", [LENGTH, LENGTH + 30, READS])
def test_a_batch_has_windows_of_one_length(
    client: FlaskClient, runtime: Runtime, kind: str, samples: int
) -> None:
    own = emg(6, samples, CHANNELS)
    query = "?batch=6" if kind == RAW and samples < READS else ""

    answer = client.post(f"/infer{query}", **body(own, kind))

    assert answer.status_code == 200, answer.json
    expected = runtime.engine.infer(own).prediction.probabilities
    np.testing.assert_allclose(answer.json["probabilities"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "query", "windows"),
    [
        (2 * LENGTH, "", 1),
        (2 * LENGTH, "?batch=2", 2),
        (2 * LENGTH, f"?length={LENGTH}", 2),
        (READS, f"?length={LENGTH}", 5),
        (6 * LENGTH, "", 6),
        (2 * READS, "", 2),
        (3 * 50, "?length=50", 3),
    ],
)
def test_raw_values_are_one_window_where_they_can_be_unless_something_says_otherwise(
    client: FlaskClient, samples: int, query: str, windows: int
) -> None:
    answer = client.post(f"/infer{query}", **body(emg(samples, CHANNELS), RAW))

    assert answer.status_code == 200, answer.json
    assert answer.json["shape"] == f"[{windows}, 3]"


@ROUTES
@KINDS
@pytest.mark.parametrize("samples", [LENGTH - 1, READS + 1])
def test_too_little_and_too_much_is_refused_with_what_is_taken(
    client: FlaskClient, route: str, kind: str, samples: int
) -> None:
    answer = client.post(route, **body(emg(samples, CHANNELS), kind))

    assert answer.status_code == 422
    assert f"windows of {LENGTH} to {READS} samples x {CHANNELS} channels" in answer.text


@pytest.mark.parametrize(
    ("query", "kind"),
    [("?length=39", RAW), ("?length=201", RAW), ("?length=41", RAW), ("?length=41", NPY), ("?batch=3", RAW)],
)
def test_what_contradicts_the_body_is_refused(client: FlaskClient, query: str, kind: str) -> None:
    answer = client.post(f"/infer{query}", **body(emg(LENGTH, CHANNELS), kind))

    assert answer.status_code == 422


@pytest.mark.parametrize("count", [1, 4])
def test_windows_of_the_source_come_with_their_context(
    client: FlaskClient, runtime: Runtime, count: int
) -> None:
    assert runtime.pipelines.named().snapshot(count).shape == (count, READS, CHANNELS)
    assert client.post("/infer", json={"batch": count, "length": LENGTH}).status_code == 200
    assert client.post("/infer", json={"batch": count, "length": READS}).status_code == 422


def test_the_benchmark_runs_all_that_the_model_reads(client: FlaskClient) -> None:
    answer = client.post("/benchmark", json={"num_iterations": 5})

    assert answer.status_code == 200, answer.json
    assert answer.json["onnxruntime"]["median_latency_ms"] > 0


def test_health_says_how_much_context_the_model_reads(client: FlaskClient) -> None:
    model = client.get("/health").json["model"]

    assert (model["length"], model["context"]) == (LENGTH, CONTEXT)
