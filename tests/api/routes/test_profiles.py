"""`/profiles`: kept where they can be used, told apart where they are damaged, and in the way of what they name."""

# ruff: noqa: F811  fixtures of another file

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.emg.recording.writer import RecordingWriter
from app.inference.artefact import Artefact, remove, save_child
from app.inference.gestures.events import GestureRules, GestureRuleSet
from app.keys import make
from app.serving.jobs.job import CANCELLED
from app.serving.jobs.store import JobStore
from app.serving.profiles import store as stores
from tests.api.routes.test_models import app, client, here, instance, refused, shipped  # noqa: F401  fixtures
from tests.api.test_bad_input import expect_problem
from tests.emg.written import HEADER, chunk, written
from tests.inference.artefacts import make_artefact
from tests.serving.jobs.test_store import made

RULE = {"votes": 5, "min_confidence": 0.6, "enter": None, "leave": None, "change": None}
ANNA: dict[str, Any] = {
    "person": "S01",
    "model": "tiny",
    "montage": "4-1",
    "decision": RULE,
    "gesture_rules": GestureRuleSet(rules=GestureRules(enter=0.9)).fields,
    "notes": "left forearm",
}
TOLD = {**ANNA, "name": "anna", "trouble": None}


def test_a_profile_is_kept_changed_and_deleted(client: FlaskClient, instance: Path) -> None:
    made = client.put("/profiles/anna", json=ANNA)

    assert (made.status_code, made.json) == (201, TOLD)
    assert client.get("/profiles/anna").json == TOLD
    assert client.get("/profiles").json == {"profiles": [TOLD], "damaged": [], "elsewhere": []}
    assert (instance / "profiles" / "anna.json").stat().st_mode & 0o777 == 0o600

    changed = client.put("/profiles/anna", json={"decision": {"votes": 3}})

    plain = {**TOLD, "person": None, "model": None, "montage": None, "gesture_rules": None, "notes": ""}
    assert (changed.status_code, changed.json) == (
        200,
        {**plain, "decision": {**RULE, "votes": 3, "min_confidence": 0.0}},
    )
    assert client.delete("/profiles/anna").status_code == 204
    refused(client.get("/profiles/anna"), 404, "no profile 'anna'; GET /profiles has those there are")
    assert client.delete("/profiles/anna").status_code == 404


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"model": "none-such"}, "model", "no model 'none-such'"),
        ({"model": "../tiny"}, "model", "letters, digits"),
        ({"montage": "1-x"}, "montage", "neither a channel nor a range"),
        ({"montage": "1-3"}, "montage", "1-3 chooses 3 channels; the model tiny reads 4"),
        ({"montage": ""}, "montage", "between 1 and 1000"),
        ({"person": ""}, "person", "between 1 and 64"),
        ({"person": "a\nb"}, "person", "one printable line"),
        ({"notes": "x" * 4001}, "notes", "between 0 and 4000"),
        ({"notes": "\u0000"}, "notes", "must be a text"),
        ({"decision": {"votes": 0}}, "decision", "from 1 to 1000"),
        ({"decision": {"enter": 0.4, "leave": 0.5}}, "decision", "must be below enter"),
        ({"gesture_rules": {"enter": 2}}, "gesture_rules", "enter must be from 0 to 1, got 2"),
        (
            {"gesture_rules": {"classes": {"jump": {}}}},
            "gesture_rules",
            "'jump'; those of the model tiny are",
        ),
        ({"gesture_rules": 1}, "gesture_rules", "must be an object with any of enter"),
        ({"votes": 3}, "votes", "[Uu]nknown field"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(
    client: FlaskClient, changes: dict[str, Any], field: str, says: str
) -> None:
    answer = client.put("/profiles/anna", json={**ANNA, **changes})

    refused(answer, 422, says)
    assert list(answer.json["errors"]) == [field]
    assert client.get("/profiles").json["profiles"] == []


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "x" * 65, "%2e%2e"])
def test_a_name_that_no_profile_may_have(client: FlaskClient, name: str) -> None:
    assert client.put(f"/profiles/{name}", json={}).status_code in (404, 422)
    assert client.get(f"/profiles/{name}").status_code == 404
    assert client.delete(f"/profiles/{name}").status_code == 404


def test_a_damaged_one_is_told_apart_and_can_be_replaced_and_deleted(
    client: FlaskClient, instance: Path
) -> None:
    client.put("/profiles/anna", json=ANNA)
    for name in ("ben", "carl"):
        (instance / "profiles" / f"{name}.json").write_text('{"person": 3}')

    listed = client.get("/profiles").json

    assert [one["name"] for one in listed["profiles"]] == ["anna"]
    assert [one["name"] for one in listed["damaged"]] == ["ben", "carl"]
    assert "person must be a text" in listed["damaged"][0]["reason"]
    refused(client.get("/profiles/ben"), 503, "the profile ben is damaged: person must be a text")
    assert client.put("/profiles/ben", json={}).status_code == 200
    assert client.delete("/profiles/carl").status_code == 204
    assert client.get("/profiles").json["damaged"] == []


def test_a_model_that_a_profile_names_is_not_deleted(client: FlaskClient, instance: Path) -> None:
    make_artefact(instance / "models" / "other", name="other")
    client.put("/profiles/anna", json={**ANNA, "model": "other"})

    refused(client.delete("/models/other"), 409, "not deleted: the profile anna would lack it")

    client.put("/profiles/anna", json={})
    assert client.delete("/models/other").status_code == 204


def test_one_whose_model_is_gone_says_so(client: FlaskClient, instance: Path) -> None:
    made = make_artefact(instance / "models" / "other", name="other")
    client.put("/profiles/anna", json={**ANNA, "model": "other"})
    remove(made.path)

    assert client.get("/profiles/anna").json["trouble"].startswith("model: no model 'other'")
    assert client.get("/profiles").json["profiles"][0]["trouble"] is not None


def test_that_of_the_servers_own_source_stays(client: FlaskClient) -> None:
    client.put("/profiles/anna", json=ANNA)
    runtime = client.application.extensions["runtime"]()
    object.__setattr__(runtime.settings, "profile", "anna")

    refused(client.delete("/profiles/anna"), 409, "this server starts with it; name another in EMG_PROFILE")


def test_there_are_as_many_as_may_be(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST", 1)
    client.put("/profiles/anna", json={})
    refused(client.put("/profiles/ben", json={}), 409, "there are 1 profiles, as many as may be")
    assert client.put("/profiles/anna", json={}).status_code == 200


def test_to_look_takes_read_and_to_change_takes_control(here: Artefact, client: FlaskClient) -> None:
    read, secret = make("viewer", ["read"])
    control, other = make("keeper", ["control"])
    runtime = client.application.extensions["runtime"]()
    guarded = create_app(runtime, replace(runtime.settings, api_keys=(read, control))).test_client()

    def status(method: str, path: str, key: str) -> int:
        return guarded.open(path, method=method, json={}, headers={"X-API-Key": key}).status_code

    assert status("PUT", "/profiles/anna", secret) == 403
    assert status("PUT", "/profiles/anna", other) == 201
    assert status("GET", "/profiles", secret) == 200
    assert status("GET", "/profiles/anna", secret) == 200
    assert status("DELETE", "/profiles/anna", secret) == 403
    expect_problem(guarded.get("/profiles"), 401)


def kept(instance: Path) -> list[str]:
    """The recordings there are."""
    return sorted(entry.name for entry in (instance / "recordings").iterdir() if entry.name[0] != ".")


def test_a_person_goes_with_all_their_recordings_and_nobody_elses(
    client: FlaskClient, here: Artefact, instance: Path
) -> None:
    root = instance / "recordings"
    for name, subject in (("one", "S01"), ("two", "S01"), ("other", "S02"), ("nobodys", None)):
        written(root, [chunk(0)], name=name, subject=subject)
    save_child(
        here,
        instance / "models" / "mine",
        {},
        ["weights.safetensors"],
        name="mine",
        training={"person": "S01"},
    )
    client.put("/profiles/anna", json={**ANNA, "model": "mine"})
    client.put("/profiles/bea", json={**ANNA, "person": "S02"})

    gone = client.delete("/profiles/anna?recordings=true")

    assert (gone.status_code, gone.json) == (
        200,
        {"profile": "anna", "person": "S01", "recordings": ["one", "two"], "models_left": ["mine"]},
    )
    assert kept(instance) == ["nobodys", "other"]
    assert [one["name"] for one in client.get("/profiles").json["profiles"]] == ["bea"]
    assert client.delete("/models/mine").status_code == 204
    assert client.delete("/profiles/bea?recordings=false").status_code == 204
    assert kept(instance) == ["nobodys", "other"]


def test_nothing_goes_while_a_recording_of_the_person_runs(client: FlaskClient, instance: Path) -> None:
    written(instance / "recordings", [chunk(0)], name="done", subject="S01")
    client.put("/profiles/anna", json=ANNA)
    writer = RecordingWriter(instance / "recordings", replace(HEADER, name="running", subject="S01"))
    writer.write([chunk(0)])

    refused(client.delete("/profiles/anna?recordings=true"), 409, "running is still being recorded")

    assert kept(instance) == ["done", "running"]
    assert client.get("/profiles/anna").json == TOLD
    writer.finish("complete")
    assert client.delete("/profiles/anna?recordings=true").json["recordings"] == ["done", "running"]


def test_nothing_goes_while_a_training_of_any_worker_learns_from_it(
    client: FlaskClient, instance: Path
) -> None:
    for name in ("one", "two"):
        written(instance / "recordings", [chunk(0)], name=name, subject="S01")
    client.put("/profiles/anna", json=ANNA)
    other = JobStore(instance, "another")
    job = other.add("mine", lambda job_id: made(job_id, owner="another", recordings=("two",)))

    refused(client.delete("/profiles/anna?recordings=true"), 409, "the training mine-1 learns from them")
    assert (kept(instance), client.get("/profiles/anna").json) == (["one", "two"], TOLD)

    other.put(replace(job, state=CANCELLED))
    assert client.delete("/profiles/anna?recordings=true").status_code == 200
    assert kept(instance) == []


def test_a_profile_that_stays_keeps_its_recordings(client: FlaskClient, instance: Path) -> None:
    written(instance / "recordings", [chunk(0)], name="one", subject="S01")
    client.put("/profiles/anna", json=ANNA)
    client.put("/profiles/nobody", json={})
    runtime = client.application.extensions["runtime"]()
    object.__setattr__(runtime.settings, "profile", "anna")

    refused(client.delete("/profiles/anna?recordings=true"), 409, "this server starts with it")
    answer = client.delete("/profiles/nobody?recordings=true")
    refused(answer, 422, "the profile nobody names no person")
    assert list(answer.json["errors"]) == ["recordings"]
    refused(client.delete("/profiles/nobody?recordings=perhaps"), 422, "Not a valid boolean")
    refused(client.delete("/profiles/none?recordings=true"), 404, "no profile 'none'")
    assert kept(instance) == ["one"]
    assert len(client.get("/profiles").json["profiles"]) == 2


def test_a_disk_that_lets_nothing_go_keeps_the_profile_so_that_one_can_try_again(
    client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(instance / "recordings", [chunk(0)], name="one", subject="S01")
    client.put("/profiles/anna", json=ANNA)

    def stuck(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as full:
        full.setattr("app.emg.recording.folder.remove", stuck)
        refused(client.delete("/profiles/anna?recordings=true"), 503, "one cannot be deleted: Read-only")
    assert client.get("/profiles/anna").json == TOLD
    assert client.delete("/profiles/anna?recordings=true").json["recordings"] == ["one"]
