"""Two workers that clients push to, or two servers with a Redis: whichever is asked, the source is one."""

from __future__ import annotations

import json
import os
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from tests.own_redis import running
from tests.server.live import LATE_S, START_S, Live, gunicorn, until
from tests.server.pinned import CHANNELS, CHUNK, RATE, SAMPLES, Pinned, pinned

pytestmark = pytest.mark.server

GOES_ON_S = 2.0  # after kill -9 of its owner, until a source takes samples again (docs/reliability.md)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("pushed")
    settings = {"EMG_MODE": "push", "WEB_CONCURRENCY": "2"}
    with gunicorn(folder, EMG_INSTANCE=str(folder / "instance"), **settings) as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        yield live


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Live]]:
    """Two servers that share nothing but a Redis: two machines, to each other."""
    folder = tmp_path_factory.mktemp("servers")
    with running(folder / "redis.sock"), ExitStack() as stack:
        settings = {"EMG_MODE": "push", "EMG_REDIS_URL": f"unix://{folder}/redis.sock"}
        first, second = (
            stack.enter_context(gunicorn(folder, EMG_INSTANCE=str(folder / name), **settings))
            for name in ("first", "second")
        )
        yield first, second


@pytest.fixture
def live(both: Live) -> Live:
    """The same for all tests here; a test may kill a worker of it."""
    until(lambda: len(both.workers()) == 2)
    both.at_rest()
    return both


@pytest.fixture
def workers(live: Live) -> Iterator[tuple[Pinned, Pinned]]:
    """A connection with each worker of one server: what is declared at the first is read there."""
    for pid in live.workers():  # a new one takes its time, and the other lets a connection go that is idle
        pinned(live, pid).close()
    first, second = (pinned(live, pid) for pid in live.workers())
    yield first, second
    first.close()
    second.close()


@pytest.fixture(params=["workers", "servers"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Pinned, Pinned]]:
    """The same, or a connection with each of two servers."""
    if request.param == "workers":
        yield request.getfixturevalue("workers")
        return
    first, second = (
        Pinned(HTTPConnection("127.0.0.1", server.port, timeout=LATE_S))
        for server in request.getfixturevalue("servers")
    )
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A source of the test's own."""
    return str(request.node.name.removeprefix("test_"))[:60].strip("_[]").replace("[", "-")


def fill(worker: Pinned, name: str, first: int = 0, seconds: float = 0.5) -> int:
    """Push at once; the index after the last sample."""
    for start in range(first, first + round(seconds * RATE), CHUNK):
        status, receipt = worker.push(name, start)
        assert status == 200, receipt
    return int(receipt["next_sample"])


def test_samples_may_come_to_any_worker(pair: tuple[Pinned, Pinned], name: str) -> None:
    here, there = pair
    assert here.declare(name)[0] == 201
    assert here.push(name, 0)[0] == 200
    status, receipt = there.push(name, CHUNK)
    assert (status, receipt) == (
        200,
        {"accepted": CHUNK, "duplicates": 0, "lost_samples": 0, "next_sample": 2 * CHUNK},
    )
    status, receipt = here.push(name, CHUNK)
    assert (status, receipt["duplicates"]) == (200, CHUNK)
    rows = SAMPLES[2 * CHUNK : 3 * CHUNK].tolist()
    status, receipt = there.ask(
        "POST", f"/emg/sources/{name}/samples", {"first_sample": 2 * CHUNK, "samples": rows}
    )
    assert (status, receipt["next_sample"]) == (200, 3 * CHUNK)


def test_a_long_upload_may_go_to_any_worker(pair: tuple[Pinned, Pinned], name: str) -> None:
    here, there = pair
    assert here.declare(name)[0] == 201
    records = b""
    for first in range(0, 10 * CHUNK, CHUNK):
        message = struct.pack("<BBBBIQ", 1, 1, 0, 0, CHUNK, first) + SAMPLES[first : first + CHUNK].tobytes()
        records += struct.pack("<I", len(message)) + message
    status, receipt = there.ask(
        "POST", f"/emg/sources/{name}/samples", records, "application/x-myostream-samples"
    )
    assert (status, receipt.get("accepted"), receipt.get("next_sample")) == (200, 10 * CHUNK, 10 * CHUNK)


def test_a_source_is_declared_once_whoever_is_asked(pair: tuple[Pinned, Pinned], name: str) -> None:
    here, there = pair
    assert here.declare(name)[0] == 201
    assert there.declare(name)[0] == 200
    status, problem = there.ask(
        "POST", f"/emg/sources/{name}", {"channels": CHANNELS, "sampling_rate_hz": RATE, "units": "mV"}
    )
    assert status == 409, problem
    assert "other units" in problem["detail"]


def test_all_that_is_asked_of_a_source_is_answered_by_any_worker(
    pair: tuple[Pinned, Pinned], name: str
) -> None:
    here, there = pair
    assert here.declare(name)[0] == 201
    fill(here, name)
    for worker in (here, there):
        until(lambda worker=worker: worker.ask("GET", f"/emg/sources/{name}")[1]["state"] != "starting")
        status, state = worker.ask("GET", f"/emg/sources/{name}")
        assert (status, state["next_sample"], state["model"]) == (200, RATE // 2, "synthetic-16ch-2khz")
        status, quality = worker.ask("GET", f"/emg/quality?source={name}")
        assert (status, quality["source"], len(quality["channels"])) == (200, name, CHANNELS)
        status, answer = worker.ask("POST", "/infer", {"source": name})
        assert (status, answer["shape"]) == (200, "[1, 7]"), answer
    status, problem = there.ask("POST", "/infer", {"source": name, "batch": 100_000})
    assert status == 422, problem
    status, swap = there.ask("PUT", f"/emg/sources/{name}/model", {"model": None})
    assert (status, swap["model"], swap["previous"]) == (200, None, "synthetic-16ch-2khz")
    fill(there, name, RATE // 2, 0.1)  # a change begins at a sample to come
    until(lambda: here.ask("GET", f"/emg/sources/{name}")[1]["model"] is None)
    status, swap = there.ask("DELETE", f"/emg/sources/{name}/model")
    assert (status, swap["model"]) == (200, "synthetic-16ch-2khz")
    assert there.ask("DELETE", f"/emg/sources/{name}")[0] == 204
    for worker in (here, there):
        assert worker.ask("GET", f"/emg/sources/{name}")[0] == 404
        assert worker.push(name, 0)[0] == 404


def test_each_worker_writes_down_what_was_chosen_at_the_other(
    live: Live, workers: tuple[Pinned, Pinned]
) -> None:
    """Each wrote down what it knew itself, and so undid what the other had written."""
    names = [f"chosen-{number}" for number in range(6)]
    for number, one in enumerate(names):
        assert workers[number % 2].declare(one, model="synthetic-16ch-2khz")[0] == 201
        assert workers[number % 2].ask("PUT", f"/emg/sources/{one}/model", {"model": None})[0] == 200
    state = live.log_file.parent / "instance" / "state.json"

    def kept() -> set[str]:
        said = json.loads(state.read_text())["sources"] if state.exists() else []
        return {one["source"] for one in said}

    until(lambda: set(names) <= kept())


def test_a_recording_may_be_asked_of_any_worker(workers: tuple[Pinned, Pinned], name: str) -> None:
    here, there = workers
    assert here.declare(name)[0] == 201
    status, begun = there.ask("POST", "/emg/recordings", {"source": name, "name": name})
    assert status == 201, begun
    try:
        fill(there, name)
        status, ended = there.ask("POST", f"/emg/recordings/{name}/stop")
        assert (status, ended["samples"]) == (200, RATE // 2)
    finally:
        assert here.ask("DELETE", f"/emg/recordings/{name}")[0] == 204


def test_what_a_worker_refuses_is_refused_by_the_other_in_the_same_words(
    pair: tuple[Pinned, Pinned], name: str
) -> None:
    assert pair[0].declare(name)[0] == 201
    bad = SAMPLES[:CHUNK].copy()
    bad[3, 5] = float("nan")
    path = f"/emg/sources/{name}/samples?first_sample=0"
    answers = [worker.ask("POST", path, bad.tobytes(), "application/octet-stream") for worker in pair]
    assert answers[0][0] == 422
    assert answers[0] == answers[1]
    answers = [worker.ask("POST", path, bad.tobytes()[:-4], "application/octet-stream") for worker in pair]
    assert answers[0][0] == 422
    assert answers[0] == answers[1]
    too_much = 31 * RATE
    answers = [worker.push(name, 0, too_much) for worker in pair]
    assert answers[0][0] == 422
    assert answers[0] == answers[1]


def test_when_its_worker_is_killed_a_source_goes_on_at_the_other(
    live: Live, workers: tuple[Pinned, Pinned], name: str
) -> None:
    """The client's next push takes it over, as it was declared; its index goes on."""
    here, there = workers
    owner, goes_on = live.workers()
    assert here.declare(name)[0] == 201
    reached = fill(here, name)
    assert there.ask("PUT", f"/emg/sources/{name}/model", {"model": None})[0] == 200
    assert there.ask("PUT", f"/emg/sources/{name}/model", {"model": "synthetic-16ch-2khz"})[0] == 200
    os.kill(owner, signal.SIGKILL)
    began = time.monotonic()
    while (answer := there.push(name, reached))[0] != 200:
        assert time.monotonic() - began < GOES_ON_S, answer
    assert answer[1]["next_sample"] == reached + CHUNK
    assert there.declare(name)[0] == 200
    fill(there, name, reached + CHUNK)
    status, state = there.ask("GET", f"/emg/sources/{name}")
    assert (status, state["next_sample"]) == (200, reached + CHUNK + RATE // 2)
    assert state["lost_samples"] == 0
    status, answer_of = there.ask("POST", "/infer", {"source": name})
    assert status == 200, answer_of
    assert f"the source {name} goes on in this worker" in live.log
    # the worker that took the place of the dead one knows it as well
    until(lambda: len(live.workers()) == 2)
    new = pinned(live, next(pid for pid in live.workers() if pid != goes_on))
    status, state = new.ask("GET", f"/emg/sources/{name}")
    assert (status, state.get("name")) == (200, name), state
    new.close()


def test_a_source_whose_worker_is_dead_says_so_until_it_is_pushed_to(
    live: Live, workers: tuple[Pinned, Pinned], name: str
) -> None:
    here, there = workers
    assert here.declare(name)[0] == 201
    os.kill(live.workers()[0], signal.SIGKILL)
    until(lambda: there.ask("GET", f"/emg/sources/{name}")[0] == 503)
    status, problem = there.ask("GET", f"/emg/quality?source={name}")
    assert (status, "goes on at another with the next samples" in problem["detail"]) == (503, True)
    assert there.ask("DELETE", f"/emg/sources/{name}")[0] == 204
    assert there.ask("GET", f"/emg/sources/{name}")[0] == 404


def test_a_reload_hands_the_sources_on(live: Live, workers: tuple[Pinned, Pinned], name: str) -> None:
    here, there = workers
    assert here.declare(name)[0] == 201
    reached = fill(there, name)
    before = set(live.workers())
    live.process.send_signal(signal.SIGHUP)
    until(lambda: len(live.workers()) == 2 and not before & set(live.workers()), START_S)
    until(live.ready, START_S)
    new = pinned(live, live.workers()[0])
    status, receipt = new.push(name, reached)
    assert (status, receipt.get("next_sample")) == (200, reached + CHUNK), receipt
    new.close()
