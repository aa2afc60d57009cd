"""`/metrics`: what Prometheus reads is what has happened."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app import create_app
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.hub_monitor import HubMonitor
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, LENGTH


def read(client: FlaskClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    text = client.get("/metrics").get_data(as_text=True)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(client: FlaskClient, name: str, **labels: str) -> float:
    return read(client).get((name, frozenset(labels.items())), 0.0)


def requests(client: FlaskClient, method: str, route: str, status: int) -> float:
    return value(client, "myostream_http_requests_total", method=method, route=route, status=str(status))


def test_it_is_prometheus_text_and_open_metrics_on_request(client: FlaskClient) -> None:
    plain = client.get("/metrics")
    assert (plain.status_code, plain.mimetype) == (200, "text/plain")
    other = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert other.mimetype == "application/openmetrics-text"
    assert other.get_data(as_text=True).endswith("# EOF\n")


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/health", "/health", 200),
        ("GET", "/emg/sources/nobody", "/emg/sources/<name>", 404),
        ("GET", "/nowhere/at/all", "(none)", 404),
        ("POST", "/infer", "/infer", 400),
        ("PUT", "/health", "(none)", 405),
    ],
)
def test_answers_are_counted_by_the_route_that_they_came_from(
    client: FlaskClient, method: str, path: str, route: str, status: int
) -> None:
    before = requests(client, method, route, status)
    answer = client.open(
        path, method=method, data=b"{" if method == "POST" else None, content_type="application/json"
    )
    assert answer.status_code == status
    assert requests(client, method, route, status) == before + 1


def test_windows_answered_without_flask_are_counted_once(client: FlaskClient) -> None:
    """The fast path takes a plain body; one with an option goes on to Flask, which counts it in the same row."""
    before = requests(client, "POST", "/infer", 200)
    window = [[0.0] * CHANNELS] * LENGTH
    for body in ({"emg": window}, {"emg": window}, {"emg": window, "preprocess": False}):
        assert client.post("/infer", json=body).status_code == 200
    assert requests(client, "POST", "/infer", 200) == before + 3
    count = value(
        client,
        "myostream_http_request_duration_seconds_count",
        method="POST",
        route="/infer",
        status="200",
    )
    assert count == before + 3


def test_every_call_of_the_engine_is_counted_with_its_windows(client: FlaskClient) -> None:
    names = [
        f"myostream_engine_{what}"
        for what in ("latency_seconds_count", "batch_windows_sum", "queue_wait_seconds_count")
    ]
    before = [value(client, name, backend="pytorch") for name in names]
    batch = [[[0.0] * CHANNELS] * LENGTH] * 3
    assert client.post("/infer", json={"emg": batch}).status_code == 200
    after = [value(client, name, backend="pytorch") for name in names]
    # the live source has no streams here, so nobody else asks the engine
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 3, 1]


def test_every_call_is_counted_for_its_model(client: FlaskClient, runtime: Runtime) -> None:
    own = runtime.open_models.own
    assert own is not None
    names = [f"myostream_model_{what}" for what in ("latency_seconds_count", "windows_total", "errors_total")]
    before = [value(client, name, model=own.name) for name in names]
    batch = [[[0.0] * CHANNELS] * LENGTH] * 3
    assert client.post("/infer", json={"emg": batch}).status_code == 200
    after = [value(client, name, model=own.name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 3, 0]
    runtime.hub_monitor.tick()
    assert value(client, "myostream_model_open", model=own.name) == 1
    assert value(client, "myostream_models_open") == 1
    assert value(client, "myostream_model_memory_bytes", model=own.name) == own.grew
    labels = {"source": "live", "model": own.name, "sha256": own.artefact.sha256}
    assert value(client, "myostream_source_model_info", **labels) == 1


def test_frames_and_streams_are_those_of_the_stats(client: FlaskClient, runtime: Runtime) -> None:
    answer = client.post("/infer/stream", json={"duration_seconds": 0.3, "fps": 20})
    assert b"completed" in answer.get_data()
    answer.close()
    assert value(client, "myostream_frames_sent_total") == runtime.stats.frames_sent > 0
    assert value(client, "myostream_streams_active") == 0
    made = value(client, "myostream_frame_stage_seconds_count", stage="age")
    assert made > 0
    assert value(client, "myostream_frame_stage_seconds_bucket", stage="age", le="+Inf") == made


def test_the_source_the_hub_and_the_process_are_there_within_a_second(client: FlaskClient) -> None:
    deadline = time.monotonic() + 20
    while not value(client, "myostream_source_samples_total", source="live") and time.monotonic() < deadline:
        time.sleep(0.05)
    found = read(client)
    assert found["myostream_source_state", frozenset({"source": "live", "state": "running"}.items())] == 1
    assert found["myostream_source_state", frozenset({"source": "live", "state": "stalled"}.items())] == 0
    assert found["myostream_worker_memory_bytes", frozenset({"worker": "0"}.items())] > 10e6
    assert found["myostream_worker_cpu_seconds_total", frozenset({"worker": "0"}.items())] > 0
    assert found["myostream_workers", frozenset()] == 1
    assert found["myostream_hub_lag_seconds_count", frozenset()] > 0
    assert found["myostream_ready", frozenset()] == 1


def test_no_name_has_two_meanings(client: FlaskClient) -> None:
    text = client.get("/metrics").get_data(as_text=True)
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))


class _Acquisition:
    def __init__(self, runtime: Runtime) -> None:
        self.look, self.state = runtime.acquisition.look, "running"


class _Feed:
    name = "live"

    def __init__(self, runtime: Runtime) -> None:
        self.acquisition = _Acquisition(runtime)


def test_each_time_a_source_falls_silent_is_one_stall(runtime: Runtime) -> None:
    meters, feed = SharedMetrics(WorkerGroup.alone()), _Feed(runtime)
    feeds: list[Any] = [feed]
    monitor = HubMonitor(meters, lambda: feeds)
    for state in ("running", "stalled", "stalled", "running", "disconnected", "stalled"):
        feed.acquisition.state = state
        monitor.tick()
    assert meters.sources()["live"].stalls == 2


def test_sources_that_have_ended_are_said_to_once_and_forgotten(runtime: Runtime) -> None:
    """Every name that a client had ever declared was gone through again, once a second."""
    meters = SharedMetrics(WorkerGroup.alone())
    feeds: list[Any] = [_Feed(runtime)]
    monitor = HubMonitor(meters, lambda: feeds)
    monitor.tick()
    feeds.clear()
    monitor.tick()
    assert meters.sources()["live"].state == "ended"
    assert monitor._stalls == {}


def test_an_application_without_a_runtime_counts_for_itself(runtime: Runtime) -> None:
    client = create_app(settings=runtime.settings).test_client()
    assert client.get("/nowhere").status_code == 404
    tally = client.application.extensions["metrics"].requests()["GET", "(none)", "404"]
    assert tally.cumulative()[-1] == 1
