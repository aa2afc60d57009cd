"""`/trainings` and `/jobs`: a model from recordings over HTTP, used where it is better, and of what fails nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.emg.recording.prompts.trajectory import Trajectory
from app.inference import artefact
from app.inference.outputs import VALUES, Outputs
from app.inference.values import NamedValue
from app.learning.jobs.order import PROCESS
from app.serving.counters.worker_group import WorkerGroup, board_for
from app.serving.engine.opening import make_engine
from app.serving.jobs import child, trainings
from app.serving.jobs.job import RESTARTED, encode
from app.serving.jobs.store import fail_jobs
from app.serving.models import shelf
from app.serving.runtime import Runtime
from tests.api.test_bad_input import expect_problem
from tests.emg.written import written
from tests.inference.artefacts import make_artefact
from tests.serving.jobs.taught import record, record_followed

CHANNELS, RATE = 4, 200.0
Json = dict[str, Any]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there, aside = tmp_path_factory.mktemp("instance"), tmp_path_factory.mktemp("aside")
    make_artefact(there / "models" / "own", name="own", classes=("rest", "fist", "open", "point"))
    make_artefact(there / "models" / "kin", name="kin", architecture="covariance", classes=("rest", "fist"))
    make_artefact(there / "models" / "wide", name="wide", architecture="covariance", channels=8)
    record(there, "anna", aside)
    record_followed(there, "cursor", aside, trajectory=Trajectory(("wrist", "hand"), 60.0))
    make_artefact(
        there / "models" / "angles",
        name="angles",
        architecture="covariance",
        classes=(),
        outputs=Outputs(VALUES, "", (NamedValue(name="wrist", low=-1, high=1),)),
    )
    record(there, "once", aside, repetitions=1)
    record(there, "lazy", aside, names=("rest", "fist"), weak=(1,))
    record(there, "wide", aside, channels=8)
    record(there, "blank", aside, label=None, repetition=None, gesture_names=None)
    blank: Json = {"label": None, "repetition": None, "gesture_names": None}
    record(there, "free", aside, held_s=3.5, **blank)  # of the person of `anna`
    record(
        there,
        "still",
        aside,
        names=("rest", "rest2"),
        label=np.zeros(10 * 200, np.int8),
        repetition=None,
        emg=np.random.default_rng(0).normal(size=(10 * 200, 4)).astype(np.float32),
    )
    return there


@pytest.fixture(scope="module")
def runtime(instance: Path) -> Iterator[Runtime]:
    own = artefact.find("own", instance / "models")
    settings = Settings(
        emg_mode=EmgMode.PUSH, backends=("pytorch",), mains_hz=None, instance=instance, model="own"
    )
    runtime = Runtime(settings=settings, artefact=own, engine=make_engine(settings, own), encode=sse.encode)
    runtime.start()  # what a killed writer has left is recovered here
    written(instance / "recordings", [], end=None, name="running")
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def app(runtime: Runtime) -> Flask:
    return create_app(runtime)


@pytest.fixture
def client(app: Flask, instance: Path, until: Until) -> Iterator[FlaskClient]:
    """A client; afterwards no job goes on, and nothing is left but states."""
    client = app.test_client()
    yield client
    for job in client.get("/jobs").get_json()["jobs"]:
        if job["state"] in ("queued", "running"):
            client.delete(f"/jobs/{job['id']}")
    until(lambda: working() == [])
    assert [path.name for path in (instance / "jobs").glob(".*.work")] == []


def working() -> list[psutil.Process]:
    """The processes that do a training: forks of the one that waits."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if PROCESS in one.cmdline():
                found.append(one)
        except psutil.Error:
            continue
    waiting = {one.pid for one in found}
    return [one for one in found if one.ppid() in waiting]


def train(client: FlaskClient, name: str, *recordings: str, **more: Any) -> Json:
    answer = client.post(
        "/trainings", json={"recordings": recordings or ["anna"], "name": name, "use": "no", **more}
    )
    assert answer.status_code == 202, answer.get_json()
    return dict(answer.get_json())


def over(client: FlaskClient, job: Json) -> Json:
    """Follow a job to its end."""
    with client.get(f"/jobs/{job['id']}/events") as answer:
        assert answer.mimetype == "text/event-stream"
        lines = [line for line in answer.get_data(as_text=True).splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    last = events[-1]
    assert last["state"] not in ("queued", "running")
    assert client.get(f"/jobs/{job['id']}").get_json() == last
    return dict(last)


def declare(client: FlaskClient, name: str, **more: Any) -> None:
    answer = client.post(
        f"/emg/sources/{name}", json={"channels": CHANNELS, "sampling_rate_hz": RATE, "units": "uV", **more}
    )
    assert answer.status_code == 201, answer.get_json()


def test_a_recording_becomes_a_model_with_its_figures_and_card(client: FlaskClient, instance: Path) -> None:
    job = train(client, "mine", person="S01", classes={"point": "index"})
    assert (job["id"], job["state"], job["text"]) == ("mine-1", "queued", "waiting for its turn")
    last = over(client, job)
    assert (last["state"], last["progress"], last["error"], last["stage"]) == ("done", 1.0, None, None)
    result = last["result"]
    assert result["classes"] == ["rest", "fist", "open", "index"]
    assert result["told"].startswith("balanced accuracy 1.00 (0.95-1.00) on repetitions left out; LDA ")
    assert any("hold gestures for 5 s" in line for line in result["advice"])
    assert (result["accuracy"], result["alike"]) == (1.0, None)
    low, high = result["interval"]
    assert (0.9 < low < 1.0, high) == (
        True,
        1.0,
    )  # three repetitions without a mistake do not say that there is none
    assert result["confusion"]["classes"] == result["classes"]
    shown = np.array(result["confusion"]["windows"])
    assert (shown == np.diag(np.diag(shown))).all()
    points = [(point["repetitions"], point["estimated"]) for point in result["more_repetitions"]]
    assert points == [(1, False), (2, False), (3, True), (4, True)]
    assert (result["used"], result["why_not_used"]) == (False, "nobody asked for it (use=no)")
    assert next(row["who"] for row in result["beside"]) == "new"
    assert {row["who"]: row["accuracy"] for row in result["beside"]}["new"] == result["accuracy"]
    assert set(result["tested"]["gestures"]) == set(result["classes"])
    listed = client.get("/models/mine").get_json()
    assert (listed["sha256"], listed["lineage"]["person"]) == (result["sha256"], "S01")
    assert listed["metrics"]["own"]["interval"] == result["metrics"]["interval"]
    assert (instance / "models" / "mine" / "README.md").read_text().startswith("# mine")
    assert client.get("/jobs").get_json()["jobs"][0] == last


def test_a_model_is_put_on_again_by_free_movement_alone(client: FlaskClient) -> None:
    over(client, train(client, "donor"))
    last = over(
        client, train(client, "today", "free", base="donor", unlabelled=True, use="if-better", person="S01")
    )
    assert (last["state"], last["error"], last["unlabelled"]) == ("done", None, True)
    result = last["result"]
    assert result["told"].startswith("not judged: nobody said which gesture was made when; turned by 0")
    figures = {name: result[name] for name in ("accuracy", "interval", "confusion", "alike", "comparison")}
    assert figures == dict.fromkeys(figures)
    assert (result["more_repetitions"], result["beside"], result["tested"]) == ([], [], None)
    assert (result["used"], "nobody said which gesture" in result["why_not_used"]) == (False, True)
    assert client.get("/models/today").get_json()["lineage"]["parent"]["name"] == "donor"


def test_free_movement_that_shows_nothing_fails_and_says_what_would_show_it(client: FlaskClient) -> None:
    over(client, train(client, "giver"))
    last = over(client, train(client, "nothing", "still", base="giver", unlabelled=True))
    assert last["state"] == "failed"
    assert "record a minute with every gesture and as much rest" in last["error"]


def test_its_stages_are_told_as_people_say_them(client: FlaskClient) -> None:
    with client.get(f"/jobs/{train(client, 'staged')['id']}/events") as answer:
        text = answer.get_data(as_text=True)
    assert '"text":"finding where each gesture begins and ends"' in text
    assert '"text":"judging it on' in text


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"recordings": ["nobody"]}, "recordings", "no recording 'nobody'; GET /emg/recordings has"),
        ({"recordings": ["../x"]}, "recordings", "a name has 1 to 64 letters"),
        ({"recordings": []}, "recordings", "Length must be between 1 and 100"),
        ({"recordings": ["anna", "anna"]}, "recordings", "must name each recording once"),
        ({"recordings": ["blank"]}, "recordings", "no labels"),
        (
            {"recordings": ["still"]},
            "recordings",
            "nothing but rest; a model needs rest and at least one gesture",
        ),
        ({"recordings": ["running"]}, "recordings", "running is still being recorded; stop it first"),
        ({"recordings": ["anna", "wide"]}, "recordings", "wide has 8 channels, anna has 4"),
        (
            {"base": "wide"},
            "recordings",
            "anna has 4 channels at 200 Hz, and the model wide reads 8 at 200 Hz",
        ),
        ({"base": "nobody"}, "base", "no model 'nobody'"),
        ({"base": "own"}, "base", "own is no covariance model"),
        ({"name": "../x"}, "name", "must be a model's name"),
        (
            {"classes": {"wave": "hello"}},
            "classes",
            "no gesture is called wave; there are rest, fist, open, point",
        ),
        ({"classes": {"fist": "open"}}, "classes", "two gestures would have one name"),
        ({"classes": {"fist": ""}}, "classes", "Length must be between 1 and 64"),
        ({"use": "maybe"}, "use", "must be one of if-better, yes, no"),
        ({"source": "nobody"}, "source", "no source 'nobody'"),
        ({"person": 3}, "person", "Not a valid string"),
        ({"unlabelled": True}, "base", "name one that knows the gestures"),
        (
            {"unlabelled": True, "base": "kin", "classes": {"fist": "grasp"}},
            "classes",
            "where no label is looked at",
        ),
        ({"unlabelled": "yes"}, "unlabelled", "Not a valid boolean"),
        ({"base": "angles"}, "base", "angles gives values, and knows no gestures"),
        ({"values": "trajectory"}, "values", "anna has no trajectory beside its EMG; it has nothing"),
        ({"values": "goniometer", "recordings": ["cursor"]}, "values", "it has trajectory"),
        ({"values": "trajectory", "base": "kin"}, "base", "values are learned from nothing"),
        ({"values": "trajectory", "classes": {"fist": "grasp"}}, "classes", "values have none"),
        ({"values": ""}, "values", "Length must be between 1 and 64"),
        ({"speed": 3}, "speed", "unknown field; there are recordings, name,"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    client: FlaskClient, body: Json, field: str, says: str
) -> None:
    answer = client.post("/trainings", json={"recordings": ["anna"], "name": "never", **body})
    problem = expect_problem(answer, 422)
    assert list(problem["errors"]) == [field]
    assert says in problem["detail"]
    assert all(job["name"] != "never" for job in client.get("/jobs").get_json()["jobs"])


def test_values_that_were_followed_are_learned_and_say_how_good_they_are(
    client: FlaskClient, instance: Path
) -> None:
    last = over(client, train(client, "wrist", "cursor", values="trajectory", person="S07", use="if-better"))

    assert (last["state"], last["error"], last["values"]) == ("done", None, "trajectory")
    result = last["result"]
    assert (result["classes"], result["accuracy"], result["used"]) == ([], None, False)
    figures = result["metrics"]
    assert figures["r2"] > figures["beside"]["linear"]["r2"] > figures["beside"]["mean"]["r2"]
    assert f"R2 {figures['r2']:.2f}" in result["told"]
    manifest = artefact.load(instance / "models" / "wrist").manifest
    assert manifest.columns == ("wrist", "hand")
    assert manifest.training["person"] == "S07"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"recordings": ["nobody"]}, {"code": "recording_gone", "values": {"recording": "nobody"}}),
        ({"recordings": ["blank"]}, {"code": "no_labels", "values": {"recording": "blank"}}),
        ({"recordings": ["still"]}, {"code": "nothing_else", "values": {"gesture": "rest"}}),
        ({"recordings": ["running"]}, {"code": "still_recorded", "values": {"recording": "running"}}),
        (
            {"recordings": ["anna", "wide"]},
            {"code": "other_device", "values": {"recordings": ["anna", "wide"]}},
        ),
        ({"base": "wide"}, {"code": "other_electrodes", "values": {"recording": "anna", "model": "wide"}}),
        ({"recordings": []}, None),
    ],
)
def test_what_a_person_can_mend_is_refused_by_a_code_as_well(
    client: FlaskClient, body: Json, failure: Json | None
) -> None:
    """A page says it in its reader's language; what a program does wrong has none."""
    answer = client.post("/trainings", json={"recordings": ["anna"], "name": "never", **body})
    assert expect_problem(answer, 422).get("failure") == failure


def test_a_name_that_is_taken_is_a_conflict(client: FlaskClient) -> None:
    answer = client.post("/trainings", json={"recordings": ["anna"], "name": "own"})
    assert "there is a model own already" in expect_problem(answer, 409)["detail"]


def test_what_is_no_better_than_guessing_fails_and_leaves_nothing(client: FlaskClient) -> None:
    last = over(client, train(client, "lazy", "lazy"))
    assert (last["state"], last["result"]) == ("failed", None)
    assert "\n" not in last["error"]
    assert client.get("/models/lazy").status_code == 404


def test_a_better_model_is_used_by_the_source_and_one_that_is_not_better_is_not(client: FlaskClient) -> None:
    declare(client, "arm")  # read by `own`, whose weights are random
    try:
        last = over(client, train(client, "good", use="if-better", source="arm"))
        result = last["result"]
        assert result["comparison"]["model"] == "own"
        assert result["comparison"]["balanced_accuracy"] < result["metrics"]["interval"][0]
        assert (result["used"], result["previous"], result["source"]) == (True, "own", "arm"), result
        assert client.get("/emg/sources/arm").get_json()["model"] == "good"
    finally:
        client.delete("/emg/sources/arm")


def test_a_model_that_is_not_better_for_sure_is_used_only_where_somebody_says_so(client: FlaskClient) -> None:
    """What learned from the same recordings cannot be judged on them."""
    over(client, train(client, "first"))
    declare(client, "leg", model="first")
    again = over(client, train(client, "again", use="if-better", source="leg"))["result"]
    assert (again["used"], client.get("/emg/sources/leg").get_json()["model"]) == (False, "first")
    assert "first was taught with these recordings" in again["why_not_used"]
    client.delete("/emg/sources/leg")
    declare(client, "leg", model="first")  # without samples it goes after a while
    forced = over(client, train(client, "forced", use="yes", source="leg"))["result"]
    assert (forced["used"], client.get("/emg/sources/leg").get_json()["model"]) == (True, "forced")
    client.delete("/emg/sources/leg")


def test_a_model_that_was_not_judged_is_not_better(client: FlaskClient) -> None:
    declare(client, "bea")
    try:
        result = over(client, train(client, "unjudged", "once", use="if-better", source="bea"))["result"]
        assert "one repetition of each gesture" in result["why_not_used"]
        assert client.get("/emg/sources/bea").get_json()["model"] == "own"
    finally:
        client.delete("/emg/sources/bea")


def test_a_model_is_kept_where_there_is_no_source_to_use_it(client: FlaskClient) -> None:
    result = over(client, train(client, "homeless", use="yes"))["result"]
    assert (result["used"], "there is no source yet" in result["why_not_used"]) == (False, True)
    assert client.get("/models/homeless").status_code == 200


def test_a_full_disk_fails_the_job_in_one_line_and_leaves_nothing(
    client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelf.artefact, "install", full)
    last = over(client, train(client, "full"))
    assert (last["state"], last["error"]) == ("failed", "the model cannot be kept: No space left on device")
    assert client.get("/models/full").status_code == 404
    assert [path.name for path in (instance / "models").glob(".*")] == []


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: Runtime) -> Iterator[None]:
    """Trainings that begin, say a stage and then wait for ever, as a large one would."""
    (tmp_path / "slow_training.py").write_text(
        "import ctypes, json, signal, sys, time\n"
        "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
        "order = json.loads(sys.stdin.readline())\n"
        "open(order['aside'] + '/half', 'w').write('half')\n"
        "print(json.dumps({'stage': 'learning'}), flush=True)\n"
        f"time.sleep(600)  # {PROCESS}\n"
    )
    monkeypatch.setattr(child, "PROCESS", "slow_training")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runtime.trainings.nursery.rest()
    yield
    runtime.trainings.nursery.rest()


def slow() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "slow_training" in one.cmdline()]


def learning(client: FlaskClient, job: Json) -> bool:
    return bool(client.get(f"/jobs/{job['id']}").get_json()["stage"] == "learning")


@pytest.mark.usefixtures("held")
def test_a_job_is_cancelled_in_the_middle_and_nothing_is_left(
    client: FlaskClient, instance: Path, until: Until
) -> None:
    job, waits = train(client, "ended"), train(client, "waits")
    until(lambda: learning(client, job))
    (process,) = slow()
    assert client.get(f"/jobs/{waits['id']}").get_json()["state"] == "queued"
    answer = client.delete(f"/jobs/{job['id']}")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "cancelled")
    assert not process.is_running()
    assert client.get("/models/ended").status_code == 404
    assert not (instance / "jobs" / ".ended-1.work").exists()
    assert client.delete(f"/jobs/{waits['id']}").get_json()["state"] == "cancelled"
    assert client.delete(f"/jobs/{job['id']}").get_json() == answer.get_json()


@pytest.mark.usefixtures("held")
def test_a_process_that_is_killed_fails_its_job_alone(client: FlaskClient, until: Until) -> None:
    job = train(client, "killed")
    until(lambda: learning(client, job))
    os.kill(slow()[0].pid, signal.SIGKILL)
    last = over(client, job)
    assert (last["state"], "or was killed" in last["error"]) == ("failed", True)


@pytest.mark.usefixtures("held")
def test_as_many_wait_as_may_and_then_429(client: FlaskClient) -> None:
    made = [train(client, f"many{k}") for k in range(5)]
    answer = client.post("/trainings", json={"recordings": ["anna"], "name": "toomany"})
    problem = expect_problem(answer, 429)
    assert "as many as may" in problem["detail"]
    assert problem["failure"] == {"code": "queue_full", "values": {}}
    assert int(answer.headers["Retry-After"]) > 0
    double = client.post("/trainings", json={"recordings": ["anna"], "name": "many0"})
    assert "makes a model many0 already" in expect_problem(double, 409)["detail"]
    for job in reversed(made):
        assert client.delete(f"/jobs/{job['id']}").get_json()["state"] == "cancelled"


@pytest.mark.usefixtures("held")
def test_another_worker_cancels_over_a_file(client: FlaskClient, runtime: Runtime, until: Until) -> None:
    job = train(client, "foreign")
    until(lambda: learning(client, job))
    other = trainings.Trainings(
        lambda: runtime.settings,
        runtime.models.shelf,
        runtime.pipelines,
        runtime.source_models,
        runtime.worker_group,
    )
    try:
        until(lambda: other.find(job["id"]).stage == "learning")  # the worker knows it before the disk does
        assert other.cancel(job["id"]).state == "cancelled"
    finally:
        other.close()
    assert client.get(f"/jobs/{job['id']}").get_json()["state"] == "cancelled"


@pytest.fixture
def workers(runtime: Runtime) -> Iterator[list[trainings.Trainings]]:
    """Two workers of a server."""
    memory = board_for(2)
    parts = (runtime.models.shelf, runtime.pipelines, runtime.source_models)
    found = [
        trainings.Trainings(
            lambda: runtime.settings, *parts, WorkerGroup("a run of two", memory, slot, workers=2)
        )
        for slot in (0, 1)
    ]
    yield found
    for one in found:
        one.close()
    fail_jobs(runtime.settings.instance, "a run of two")


ANNA = trainings.TrainingRequest(recordings=("anna",), name="left", use="no", classes={"point": "index"})


@pytest.mark.usefixtures("held")
def test_a_job_of_a_worker_that_ends_is_taken_up_by_another(
    workers: list[trainings.Trainings], until: Until
) -> None:
    one, other = workers
    other.tick()
    job = one.start(ANNA)
    until(lambda: one.find(job.id).stage == "learning")
    (process,) = slow()
    one.close()
    assert not process.is_running()

    other._tidied = 0.0  # a second has gone by
    other.tick()

    until(lambda: other.find(job.id).stage == "learning")
    assert len(slow()) == 1
    assert other.cancel(job.id).state == "cancelled"


def test_a_job_that_is_looked_at_after_its_worker_has_gone_is_done(
    workers: list[trainings.Trainings], instance: Path, client: FlaskClient, until: Until
) -> None:
    one, other = workers
    job = one.start(ANNA)
    one.close()
    until(lambda: other.find(job.id).over)
    found = other.find(job.id)
    assert (found.state, found.error) == ("done", None)
    assert client.get("/models/left").get_json()["classes"] == ["rest", "fist", "open", "index"]

    left = replace(found, owner="", state="running", stage="keeping")  # killed before it could say so
    (instance / "jobs" / f"{job.id}.json").write_bytes(encode(left))
    until(lambda: other.find(job.id).over)
    assert other.find(job.id).state == "done"

    (instance / "jobs" / f"{job.id}.json").write_bytes(encode(replace(left, taken_up=2)))
    last = other.find(job.id)
    assert (last.state, last.error) == ("failed", "the worker that did it has died 3 times")
    assert client.delete("/models/left").status_code == 204


@pytest.mark.usefixtures("held")
def test_jobs_end_with_the_server(runtime: Runtime, client: FlaskClient, until: Until) -> None:
    other = trainings.Trainings(
        lambda: runtime.settings,
        runtime.models.shelf,
        runtime.pipelines,
        runtime.source_models,
        runtime.worker_group,
    )
    job = other.start(trainings.TrainingRequest(recordings=("anna",), name="closed"))
    until(lambda: other.find(job.id).stage == "learning")
    (process,) = slow()
    watcher = threading.Thread(target=lambda: list(other.watch(job.id, lambda: False)))
    watcher.start()
    other.close()
    watcher.join(20)
    assert not watcher.is_alive()
    assert not process.is_running()
    found = client.get(f"/jobs/{job.id}").get_json()
    assert (found["state"], found["error"]) == ("failed", RESTARTED)


def test_there_must_be_such_a_job(client: FlaskClient) -> None:
    for answer in (client.get("/jobs/x-1"), client.get("/jobs/x-1/events"), client.delete("/jobs/x-1")):
        assert "no job 'x-1'" in expect_problem(answer, 404)["detail"]
    assert client.get("/jobs/..%2f..%2fx").status_code == 404
