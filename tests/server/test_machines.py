"""Two servers with folders of their own and a real Redis between: models and profiles that only one of them has."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from app.inference import artefact
from tests import own_redis
from tests.inference.onnx.test_backend import with_graphs
from tests.server.live import LATE_S, Client, Live, gunicorn, until

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHANNELS, RATE = 4, 200.0  # of the model that make_artefact makes


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Of two machines; the first has a model that is somebody's."""
    one, two = tmp_path / "one", tmp_path / "two"
    with_graphs(one / "models", "tcn")  # as "tiny"
    return one, two


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[Path, Popen[bytes]]]:
    """Its socket, and the process."""
    path = tmp_path / "redis.sock"
    with own_redis.running(path) as process:
        yield path, process


@pytest.fixture
def servers(
    folders: tuple[Path, Path], redis: tuple[Path, Popen[bytes]], tmp_path: Path
) -> Iterator[tuple[Live, Live]]:
    shared = {"EMG_MODE": "push", "EMG_REDIS_URL": f"unix://{redis[0]}"}
    first, second = folders
    with (
        gunicorn(tmp_path, EMG_INSTANCE=str(first), **shared) as one,
        gunicorn(tmp_path, EMG_INSTANCE=str(second), **shared) as two,
    ):
        yield one, two


def ask(live: Live, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(live.url + path, data, headers, method=method), timeout=LATE_S) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def push(live: Live, source: str, first: int, samples: int = 20) -> int:
    """Status of the answer."""
    rows = np.random.default_rng(first).normal(0, 20, (samples, CHANNELS)).tolist()
    return ask(live, "POST", f"/emg/sources/{source}/samples", {"first_sample": first, "samples": rows})[0]


def declare(live: Live, source: str, **more: str) -> tuple[int, Any]:
    return ask(
        live, "POST", f"/emg/sources/{source}", {"channels": CHANNELS, "sampling_rate_hz": RATE, **more}
    )


def test_a_model_and_a_profile_of_one_serve_a_source_at_the_other(
    servers: tuple[Live, Live], folders: tuple[Path, Path]
) -> None:
    one, two = servers
    assert ask(one, "PUT", "/profiles/anna", {"person": "Anna", "model": "tiny"})[0] == 201
    listed = ask(two, "GET", "/models")[1]
    assert "tiny" not in [model["name"] for model in listed["models"]]
    (row,) = listed["elsewhere"]
    assert (row["name"], row["used"]) == ("tiny", False)
    (row,) = ask(two, "GET", "/profiles")[1]["elsewhere"]
    assert (row["name"], row["person"], row["model"]) == ("anna", "Anna", "tiny")
    assert ask(two, "GET", "/jobs")[1] == {"jobs": [], "elsewhere": []}

    status, told = declare(two, "arm", profile="anna")
    assert status == 201, told
    client = Client(two.port, method="GET", source="arm", fps=10)
    for number in range(20):
        assert push(two, "arm", 20 * number) == 200
    frame = client.frames(1)[0]
    assert frame["shape"] == [1, 3]
    client.close()
    assert not (folders[1] / "models" / "tiny").exists()
    assert artefact.load(folders[1] / "borrowed" / "tiny").sha256 == listed["elsewhere"][0]["sha256"]

    status, refused = ask(one, "DELETE", "/models/tiny")
    assert status == 409
    assert ask(one, "DELETE", "/profiles/anna")[0] == 204
    status, refused = ask(one, "DELETE", "/models/tiny")
    assert (status, "has borrowed it" in refused["detail"]) == (409, True), refused


def test_a_source_goes_on_with_a_model_that_only_the_dead_machine_had(
    servers: tuple[Live, Live], folders: tuple[Path, Path]
) -> None:
    one, two = servers
    assert declare(one, "arm", model="tiny")[0] == 201
    assert push(one, "arm", 0) == 200
    until((folders[1] / "borrowed" / "tiny").exists)  # it is kept at the other
    for pid in (one.process.pid, *one.workers()):  # the master first, which would begin another worker
        os.kill(pid, signal.SIGKILL)
    at = 20

    def goes_on() -> bool:
        nonlocal at
        at += 20
        return push(two, "arm", at) == 200

    until(goes_on, every_s=0.05)
    client = Client(two.port, method="GET", source="arm", fps=10)
    for _ in range(20):
        at += 20
        assert push(two, "arm", at) == 200
    assert client.frames(1)[0]["shape"] == [1, 3]
    client.close()
    (source,) = ask(two, "GET", "/emg/sources")[1]["sources"]
    assert source["model"] == "tiny"


def metric(live: Live, name: str) -> float:
    with urlopen(f"{live.url}/metrics", timeout=LATE_S) as answer:
        (line,) = [line for line in answer.read().decode().splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_metrics_tell_who_is_there_and_that_redis_is_gone(
    servers: tuple[Live, Live], redis: tuple[Path, Popen[bytes]]
) -> None:
    for server in servers:
        until(lambda server=server: metric(server, "myostream_bus_nodes") == 2)
        until(lambda server=server: metric(server, "myostream_bus_trouble") == 0)
    redis[1].kill()
    for server in servers:
        until(lambda server=server: metric(server, "myostream_bus_trouble") == 1)
        assert server.ready()  # what is read here goes on
