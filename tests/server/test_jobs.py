"""Trainings of a real server with two workers: each knows of all jobs, and takes up those of a worker that is gone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from app.learning.jobs.order import PROCESS
from app.serving.jobs.job import RESTARTED
from tests.server.live import LATE_S, START_S, Live, until
from tests.server.own_project import project, serving
from tests.serving.jobs.taught import record

pytestmark = pytest.mark.server

POLL_S = 0.2  # to ask more often would take from the training, which gives way to whoever asks
LONG = {
    "channels": 16,
    "rate": 2000.0,
    "held_s": 6.0,
    "repetitions": 4,
}  # minutes of it: some seconds of work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, aside = project(tmp_path_factory.mktemp("server")), tmp_path_factory.mktemp("aside")
    record(made / "instance", "short", aside, channels=16, rate=2000.0, repetitions=2)
    record(made / "instance", "long", aside, **LONG)
    return made


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    with serving(folder, WEB_CONCURRENCY="2") as live:
        yield live


def asked(live: Live, path: str, body: Any = None, method: str | None = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Connection": "close"}
    try:
        with urlopen(Request(live.url + path, data, headers, method=method), timeout=LATE_S) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def train(live: Live, name: str, recording: str, use: str = "no") -> dict[str, Any]:
    status, job = asked(live, "/trainings", {"recordings": [recording], "name": name, "use": use})
    assert status == 202, job
    return job


def training_of(live: Live) -> list[psutil.Process]:
    """The processes that train for the server: of each worker one that waits, and in it one that works."""
    found = []
    for one in psutil.Process(live.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if PROCESS in one.cmdline():
                found.append(one)
    return found


def begun(live: Live, job: dict[str, Any]) -> psutil.Process:
    """Wait until the process that does it has told its first stage."""
    until(lambda: asked(live, f"/jobs/{job['id']}")[1]["stage"] is not None, every_s=POLL_S)
    waiting = {one.pid for one in training_of(live)}
    (process,) = [one for one in training_of(live) if one.ppid() in waiting]
    return process


def worker_of(process: psutil.Process) -> int:
    """The worker that had it begun."""
    return psutil.Process(process.ppid()).ppid()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def state(live: Live, job: dict[str, Any]) -> set[str]:
    """What several requests say, which both workers get."""
    return {asked(live, f"/jobs/{job['id']}")[1]["state"] for _ in range(8)}


def left(folder: Path) -> list[str]:
    """What lies beside the jobs' states and whole models."""
    instance = folder / "instance"
    hidden = [*(instance / "jobs").glob(".*"), *(instance / "models").glob(".*")]
    return [path.name for path in hidden if not path.name.endswith(".worker")]


def test_what_a_training_needs_is_loaded_while_a_person_shows_the_gestures(live: Live) -> None:
    """The first of this file: nothing has been loaded yet."""
    plan = {"gestures": ["fist"], "repetitions": 1, "seconds": 60}
    status, answer = asked(live, "/emg/recordings", {"name": "shown", "plan": plan})
    assert status == 201, answer
    until(lambda: any("scipy" in one.path for process in training_of(live) for one in process.memory_maps()))
    assert asked(live, "/emg/recordings/shown/stop", method="POST")[0] == 200


def test_a_model_is_made_beside_a_stream_and_used_under_it(live: Live) -> None:
    job = train(live, "mine", "short", use="yes")
    with urlopen(f"{live.url}/jobs/{job['id']}/events", timeout=LATE_S) as answer:
        events = [
            json.loads(line[6:]) for line in answer.read().decode().splitlines() if line.startswith("data: ")
        ]
    last = events[-1]
    assert (last["state"], last["error"]) == ("done", None)
    assert state(live, job) == {"done"}
    used = last["result"]
    assert (used["used"], used["source"], used["why_not_used"]) == (True, "simulator", None)
    # at a sample to come
    until(lambda: {asked(live, "/emg/sources/simulator")[1]["model"] for _ in range(8)} == {"mine"})
    assert asked(live, "/emg/sources/simulator/model", method="DELETE")[0] == 200


def test_a_job_is_cancelled_from_whichever_worker_and_nothing_is_left(live: Live, folder: Path) -> None:
    jobs = [train(live, name, "long") for name in ("one", "two")]
    first = begun(live, jobs[0])
    assert first.nice() > psutil.Process(live.process.pid).nice()
    assert first.num_threads() <= 2
    for job in reversed(jobs):
        assert asked(live, f"/jobs/{job['id']}", method="DELETE")[1]["state"] == "cancelled"
        assert state(live, job) == {"cancelled"}
    until(lambda: gone(first))
    assert asked(live, "/models/one")[0] == 404
    assert left(folder) == []


def test_a_process_that_is_killed_fails_its_job_and_the_next_is_made(live: Live, folder: Path) -> None:
    job = train(live, "killed", "long")
    begun(live, job).kill()
    until(lambda: state(live, job) == {"failed"})
    assert "or was killed" in asked(live, f"/jobs/{job['id']}")[1]["error"]
    assert left(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "reloaded"])
def test_a_job_survives_the_worker_it_was_asked_of(live: Live, folder: Path, how: str) -> None:
    """Another begins it anew: one killed never wrote a word of it, one that a reload ends leaves it."""
    job = train(live, how, "long")
    process = begun(live, job)
    if how == "killed":
        os.kill(worker_of(process), signal.SIGKILL)
    else:
        live.process.send_signal(signal.SIGHUP)
    until(lambda: gone(process), START_S)
    until(lambda: live.ready() and len(live.workers()) == 2, START_S)
    until(lambda: asked(live, f"/jobs/{job['id']}")[1]["state"] == "done", 2 * LATE_S, POLL_S)
    assert state(live, job) == {"done"}
    assert asked(live, f"/models/{how}")[0] == 200
    assert left(folder) == []


def test_a_server_that_ends_takes_its_jobs_along(live: Live, folder: Path) -> None:
    """The last of this file: the server is gone then."""
    job, waits = train(live, "ended", "long"), train(live, "waited", "short")
    begun(live, job)
    processes = training_of(live)
    live.stop()
    assert all(gone(process) for process in processes)
    for one in (job, waits):
        kept = json.loads((folder / "instance" / "jobs" / f"{one['id']}.json").read_text())
        assert (kept["state"], kept["error"]) == ("failed", RESTARTED)
    assert left(folder) == []
    assert not (folder / "instance" / "models" / "ended").exists()
    assert "Traceback" not in live.log
