"""Two applications whose bus is in memory: what one is asked about a source of the other is answered by that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference.artefact import Artefact
from app.keys import Key, make
from app.serving.engine.opening import make_engine
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, MAX_BODY
from tests.inference.artefacts import make_artefact
from tests.serving.bus.memory_bus import MemoryHub
from tests.serving.station import until

RATE = 200
DECLARED = {"channels": CHANNELS, "sampling_rate_hz": RATE}


@dataclass
class Workers:
    """Two workers that let in the same keys, and the secrets of these by name."""

    hub: MemoryHub
    runtimes: list[Runtime]
    apps: list[Flask]
    secrets: dict[str, str]

    @property
    def here(self) -> FlaskClient:
        return self.apps[0].test_client()

    @property
    def there(self) -> FlaskClient:
        return self.apps[1].test_client()

    def key(self, name: str) -> dict[str, str]:
        return {"X-API-Key": self.secrets[name]}


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return make_artefact(tmp_path_factory.mktemp("relay") / "models" / "tiny")


@pytest.fixture
def workers(artefact: Artefact) -> Iterator[Workers]:
    made: list[tuple[Key, str]] = [make("reader", ["read"]), make("pusher", ["read", "control", "infer"])]
    settings = Settings(
        emg_mode=EmgMode.PUSH,
        backends=("pytorch",),
        max_body=MAX_BODY,
        mains_hz=None,
        model="tiny",
        instance=artefact.path.parents[1],
        api_keys=tuple(key for key, _ in made),
        cors_origins=("https://a.example", "https://b.example"),
    )
    hub = MemoryHub()
    runtimes = [
        Runtime(
            settings=settings,
            artefact=artefact,
            engine=make_engine(settings, artefact),
            encode=sse.encode,
            bus=hub.node(name),
        )
        for name in ("here", "there")
    ]
    for runtime in runtimes:
        runtime.start()
    apps = [create_app(runtime) for runtime in runtimes]
    yield Workers(hub, runtimes, apps, {key.name: secret for key, secret in made})
    for runtime in runtimes:
        runtime.close()


@pytest.fixture
def arm(workers: Workers) -> Workers:
    """The first has the source `arm`, with a window's samples of it."""
    key = workers.key("pusher")
    assert workers.here.post("/emg/sources/arm", json=DECLARED, headers=key).status_code == 201
    body = np.random.default_rng(0).normal(0, 30, (RATE, CHANNELS)).astype("<f4").tobytes()
    path = "/emg/sources/arm/samples?first_sample=0"
    kind = {"Content-Type": "application/octet-stream"}
    assert workers.here.post(path, data=body, headers={**key, **kind}).status_code == 200
    until(lambda: workers.runtimes[0].pipelines.named("arm").acquisition.samples == RATE)
    return workers


def test_a_page_of_any_allowed_origin_may_read_what_another_worker_answers(arm: Workers) -> None:
    headers = {**arm.key("reader"), "Origin": "https://b.example"}
    for client in (arm.here, arm.there):
        answer = client.get("/emg/sources/arm", headers=headers)
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["https://b.example"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/emg/sources/arm", None),
        ("GET", "/emg/quality?source=arm", None),
        ("GET", "/emg/quality", None),
        ("POST", "/infer", {"source": "arm", "batch": 300}),
        ("PUT", "/emg/sources/arm/model", {"model": "nobody's"}),
        ("PUT", "/emg/sources/arm/model", {"wrong": 1}),
        ("DELETE", "/emg/sources/arm/model", None),
        ("POST", "/emg/sources/arm", {**DECLARED, "sampling_rate_hz": 400}),
    ],
    ids=["source", "quality", "default", "batch", "no model", "no field", "none before", "otherwise"],
)
def test_the_answer_is_the_same_at_both(arm: Workers, method: str, path: str, body: object) -> None:
    answers = [
        client.open(path, method=method, headers={**arm.key("pusher"), "X-Request-ID": "abc"}, json=body)
        for client in (arm.here, arm.there)
    ]
    here, there = answers
    assert there.status_code == here.status_code
    assert dict(there.headers) == dict(here.headers) | {"Content-Length": there.headers["Content-Length"]}
    assert there.headers["X-Request-ID"] == "abc"
    changing = ("last_sample_age_ms", "measured_rate_hz", "latency_ms", "cpu_percent")
    said = [
        {name: value for name, value in answer.get_json().items() if name not in changing}
        for answer in answers
    ]
    assert said[0] == said[1]


def test_who_may_not_is_refused_where_it_asks(arm: Workers, caplog: pytest.LogCaptureFixture) -> None:
    carried: list[bytes] = []
    arm.runtimes[0].bus._handlers["request"] = lambda message: carried.append(message) or b""
    assert arm.there.delete("/emg/sources/arm").status_code == 401
    answer = arm.there.delete("/emg/sources/arm", headers=arm.key("reader"))
    assert answer.status_code == 403
    assert "the key reader may read" in answer.get_json()["detail"]
    assert arm.there.delete("/emg/sources/arm", headers={"X-API-Key": "emg_wrong"}).status_code == 403
    assert carried == []


def test_the_secret_of_a_key_is_not_carried(arm: Workers) -> None:
    carried: list[bytes] = []
    answers = arm.runtimes[0].bus._handlers["request"]
    arm.runtimes[0].bus._handlers["request"] = lambda message: carried.append(message) or answers(message)
    assert arm.there.get("/emg/sources/arm", headers=arm.key("reader")).status_code == 200
    (message,) = carried
    assert b"key:reader" in message
    assert arm.secrets["reader"].encode() not in message


def test_a_request_is_counted_once_where_it_came_in(arm: Workers) -> None:
    def counts(runtime: Runtime) -> int:
        return sum(
            one.cumulative()[-1]
            for (_, route, _), one in runtime.metrics.requests().items()
            if route == "/emg/quality"
        )

    assert arm.there.get("/emg/quality?source=arm", headers=arm.key("reader")).status_code == 200
    assert [counts(runtime) for runtime in arm.runtimes] == [0, 1]


def test_an_owner_that_does_not_answer_is_a_503_and_no_failure(
    arm: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """What an error handler raises no other handler sees: it was a 500."""
    del arm.hub.nodes["here"]  # and nobody has heard of it yet
    answer = arm.there.get("/emg/sources/arm", headers=arm.key("reader"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.content_type == "application/problem+json"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_request_is_not_carried_on_from_where_it_was_carried(arm: Workers) -> None:
    """Each may take the other for the owner, for a moment."""
    pipeline = arm.runtimes[0].pipelines.named("arm")
    owner = arm.hub.owners["arm"]
    arm.runtimes[0].pipelines._pipelines.clear()
    arm.hub.nodes["here"].look = lambda _: replace(owner, node="there")
    answer = arm.there.get("/emg/sources/arm", headers=arm.key("reader"))
    assert answer.status_code == 503
    assert "another worker's, which is to be asked" in answer.get_json()["detail"]
    pipeline.close()


def test_the_source_of_a_dead_worker_is_a_503_until_it_goes_on(arm: Workers) -> None:
    arm.hub.kill("here")
    key = arm.key("pusher")
    answer = arm.there.get("/emg/sources/arm", headers=key)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    rows = np.zeros((20, CHANNELS)).tolist()
    pushed = arm.there.post(
        "/emg/sources/arm/samples", json={"first_sample": RATE, "samples": rows}, headers=key
    )
    assert (pushed.status_code, pushed.get_json()["next_sample"]) == (200, RATE + 20)
    assert arm.there.get("/emg/sources/arm", headers=key).status_code == 200
