"""`/emg/recordings`: the routes, what they refuse, and that nothing outside of the folder can be reached."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.api.sse import events as sse
from app.config import Settings
from app.emg.files.recordings import load
from app.emg.recording import folder as folders
from app.emg.recording.header import RecordingHeader, encode
from app.serving.engine.opening import make_engine
from app.serving.models.open_models import OpenModel
from app.serving.recordings.session import RecordingSession
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import open_path
from tests.api.conftest import CHANNELS
from tests.api.test_bad_input import expect_problem
from tests.emg.written import HEADER, chunk, written
from tests.fakes import LiveSource
from tests.inference.artefacts import make_artefact, make_manifest

Until = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The usual one, with an instance folder of its own."""
    folder = tmp_path_factory.mktemp("instance")
    artefact = make_artefact(folder / "models" / "tiny")
    chosen = Settings(backends=("pytorch",), mains_hz=None, instance=folder)
    source = LiveSource(artefact.manifest.channels, artefact.manifest.sampling_rate)
    runtime = Runtime(
        settings=chosen,
        artefact=artefact,
        engine=make_engine(chosen, artefact),
        acquisition=Acquisition(source, open_path(chosen, artefact.manifest)),
        encode=sse.encode,
    )
    runtime.start()
    yield runtime
    runtime.close()


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    client = app.test_client()
    yield client
    for one in client.get("/emg/recordings").get_json()["recordings"]:
        client.post(f"/emg/recordings/{one['name']}/stop")
        assert client.delete(f"/emg/recordings/{one['name']}").status_code == 204


def start(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/emg/recordings", json=body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    state: dict[str, Any] = answer.get_json()
    return state


def look(client: FlaskClient, name: str) -> dict[str, Any]:
    state: dict[str, Any] = client.get(f"/emg/recordings/{name}").get_json()
    return state


def record(client: FlaskClient, until: Until, name: str = "one", **body: Any) -> dict[str, Any]:
    start(client, name=name, **body)
    until(lambda: look(client, name)["samples"] >= 40 and look(client, name)["predictions"] >= 2)
    state: dict[str, Any] = client.post(f"/emg/recordings/{name}/stop").get_json()
    return state


def download(client: FlaskClient, path: str) -> tuple[TestResponse, bytes]:
    with client.get(path) as answer:  # closed, as a server closes it: the file goes with it
        return answer, answer.data


def test_a_recording_begins_runs_and_ends(client: FlaskClient, until: Until) -> None:
    state = start(client, name="one", subject="S01")
    assert (state["name"], state["state"], state["source"], state["subject"]) == (
        "one",
        "recording",
        "live",
        "S01",
    )
    assert (state["prompt"], state["error"], state["recovered"]) == (None, None, False)
    assert state["model"]["name"] == "tiny"
    assert len(state["model"]["sha256"]) == 64
    until(lambda: look(client, "one")["samples"] >= 40)
    ended = client.post("/emg/recordings/one/stop").get_json()
    assert ended["state"] == "complete"
    assert ended["seconds"] == round(ended["samples"] / 200, 3)
    assert ended["bytes"] > ended["samples"] * 4 * CHANNELS
    assert look(client, "one") == ended
    listed = {**ended, "repetitions": None}  # which a list of all is spared
    assert client.get("/emg/recordings").get_json() == {"recordings": [listed]}


def test_without_a_body_name_and_source_are_the_servers_choice(client: FlaskClient) -> None:
    answer = client.post("/emg/recordings")
    assert answer.status_code == 201
    assert answer.get_json()["name"].endswith("-live")


def test_the_npz_is_what_the_source_delivered(client: FlaskClient, until: Until, tmp_path: Path) -> None:
    state = record(client, until, subject="S01")
    answer, content = download(client, "/emg/recordings/one/download")
    assert answer.status_code == 200
    assert answer.content_length == len(content)
    assert answer.headers["Content-Disposition"] == "attachment; filename=one.npz"
    (tmp_path / "one.npz").write_bytes(content)
    found = load(tmp_path / "one.npz")
    assert (len(found.emg), found.fs, found.subject) == (state["samples"], 200.0, "S01")
    assert found.gesture_names == ("rest", "a", "b")
    assert set(found.label.tolist()) == {1}
    with np.load(io.BytesIO(content)) as arrays:
        assert len(arrays["prediction"]) == state["predictions"] > 0
        assert np.array_equal(np.diff(arrays["sample_index"]), np.ones(state["samples"] - 1))
        assert (arrays["prediction_sample_index"] <= arrays["sample_index"][-1] + 1).all()
        assert str(arrays["model_sha256"]) == state["model"]["sha256"]


def test_the_bdf_comes_as_a_zip(client: FlaskClient, until: Until) -> None:
    import edfio

    state = record(client, until)
    answer, content = download(client, "/emg/recordings/one/download?format=bdf")
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        (bdf,) = (name for name in file.namelist() if name.endswith(".bdf"))
        assert edfio.read_bdf(file.read(bdf)).num_signals == CHANNELS
    assert state["state"] == "complete"


def test_a_plan_prompts_and_ends_by_itself(client: FlaskClient, until: Until) -> None:
    plan = {"gestures": ["a", "b"], "repetitions": 1, "seconds": 0.2, "rest_seconds": 0.1}
    state = start(client, name="one", plan={**plan, "countdown_seconds": 0.3})
    assert state["prompt"] == {
        "label": None,
        "next_label": "a",
        "seconds_left": pytest.approx(0.3, abs=0.2),
        "seconds": 0.3,
        "step": 0,
        "steps": 3,
        "repetition": 1,
        "repetitions": 1,
        "paused": False,
        "total_seconds_left": pytest.approx(0.8, abs=0.2),
    }
    seen = set()

    def over() -> bool:
        state = look(client, "one")
        seen.add(state["prompt"]["label"] if state["prompt"] else "-")
        return state["state"] == "complete"

    until(over)
    assert {"a", "b"} <= seen
    _, content = download(client, "/emg/recordings/one/download")
    with np.load(io.BytesIO(content)) as arrays:
        names = arrays["gesture_names"].tolist()
        held = {names[k]: int((arrays["label"] == k).sum()) for k in range(len(names))}
    assert held == {"rest": 20, "a": 40, "b": 40}


def test_a_cursor_is_followed_and_kept_beside_the_signal(
    client: FlaskClient, until: Until, tmp_path: Path
) -> None:
    follow = {"values": ["wrist", "grip"], "one_way": ["grip"], "seconds": 20}
    assert start(client, name="one", follow=follow)["prompt"] is None
    until(lambda: look(client, "one")["cursor"])
    cursor = look(client, "one")["cursor"]
    assert cursor["seconds"] == 20.0
    assert cursor["position_seconds"] < 20
    assert {name: len(values) for name, values in cursor["ahead"].items()} == {"wrist": 41, "grip": 41}
    until(lambda: look(client, "one")["samples"] >= 40)
    assert client.post("/emg/recordings/one/stop").get_json()["cursor"] is None
    _, content = download(client, "/emg/recordings/one/download")
    (tmp_path / "one.npz").write_bytes(content)
    with np.load(tmp_path / "one.npz") as found:
        assert found["aux_trajectory_channels"].tolist() == ["wrist", "grip"]
        assert len(found["aux_trajectory"]) >= 10


@pytest.mark.parametrize(
    ("follow", "says"),
    [
        ({"values": []}, "Length must be between 1 and 6"),
        ({"values": ["wrist", "wrist"]}, "names that differ"),
        ({"values": ["wrist"], "one_way": ["grip"]}, "'grip' is none of the values"),
        ({"values": ["wrist"], "seconds": 5}, "20 to 1800 s, got 5"),
        ({"values": ["wrist"], "seed": -1}, "seed"),
        ({"values": ["wrist"], "speed": 2}, "speed"),
        ({}, "values"),
    ],
)
def test_a_cursor_that_cannot_be_is_refused_by_its_field(
    client: FlaskClient, follow: dict[str, Any], says: str
) -> None:
    problem = expect_problem(client.post("/emg/recordings", json={"name": "one", "follow": follow}), 422)
    assert list(problem["errors"]) == ["follow"]
    assert says in json.dumps(problem)


def test_a_cursor_takes_the_place_of_a_plan(client: FlaskClient) -> None:
    body = {"plan": {"gestures": ["a"]}, "follow": {"values": ["wrist"]}}
    problem = expect_problem(client.post("/emg/recordings", json=body), 422)
    assert "goes in place of a plan" in problem["detail"]


def test_prompts_are_paused_resumed_redone_and_skipped(client: FlaskClient, until: Until) -> None:
    plan = {
        "gestures": ["a", "b"],
        "repetitions": 1,
        "seconds": 0.3,
        "rest_seconds": 0.1,
        "countdown_seconds": 0.2,
    }
    start(client, name="one", plan=plan)

    def act(action: str, **more: int) -> TestResponse:
        return client.post("/emg/recordings/one/prompt", json={"action": action, **more})

    assert "not paused" in expect_problem(act("resume"), 409)["detail"]
    until(lambda: look(client, "one")["repetitions"])
    paused = act("pause").get_json()
    assert paused["prompt"]["paused"] is True
    assert (paused["prompt"]["label"], paused["prompt"]["seconds_left"]) == (None, 0.0)
    assert (paused["repetitions"][0]["label"], paused["repetitions"][0]["state"]) == ("a", "done")
    assert act("redo", index=0).get_json()["prompt"]["next_label"] == "a"
    resumed = act("resume").get_json()
    assert (resumed["prompt"]["paused"], resumed["prompt"]["next_label"]) == (False, "a")
    assert act("skip").status_code == 200
    until(lambda: look(client, "one")["state"] == "complete")
    states = [(one["label"], one["state"]) for one in look(client, "one")["repetitions"]]
    assert states[0] == ("a", "redone")
    assert ("a", "skipped") in states
    assert states[-1] == ("b", "done")
    assert "is over" in expect_problem(act("pause"), 409)["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "explode"}, "action"),
        ({"action": "pause", "index": 1}, "index"),
        ({"action": "redo", "index": -1}, "index"),
        ({"action": "redo", "index": 0.5}, "index"),
        ({"action": "pause", "at": 1}, "at"),
    ],
    ids=str,
)
def test_an_action_that_is_none_is_refused_by_field(
    client: FlaskClient, body: dict[str, Any], field: str
) -> None:
    problem = expect_problem(client.post("/emg/recordings/one/prompt", json=body), 422)
    assert problem["errors"].keys() == {field}


def test_pauses_are_called_as_the_model_calls_rest(client: FlaskClient, runtime: Runtime) -> None:
    """Whichever reads the source now."""
    pipeline = runtime.pipelines.named("live")
    before = pipeline.use
    model = before.model
    assert model is not None
    idle = make_manifest(classes=("idle", "a", "b"))
    other = OpenModel(replace(model.artefact, manifest=idle), model.engine)
    pipeline.use = replace(before, model=other, manifest=idle)
    try:
        start(client, name="one", plan={"gestures": ["a", "b"]})
        plan = runtime.recorder._sessions["one"].header.plan
    finally:
        pipeline.use = before
    assert plan is not None
    assert [step.label for step in plan.steps][:3] == ["a", "idle", "b"]


def test_a_second_recording_of_the_source_is_a_conflict(client: FlaskClient) -> None:
    start(client, name="one")
    body = expect_problem(client.post("/emg/recordings", json={"name": "two"}), 409)
    assert "the source live is being recorded as one" in body["detail"]
    for method, path in (("get", "/emg/recordings/one/download"), ("delete", "/emg/recordings/one")):
        body = expect_problem(getattr(client, method)(path), 409)
        assert "stop it first" in body["detail"]


def test_a_name_that_is_taken_is_a_conflict(client: FlaskClient, until: Until) -> None:
    record(client, until)
    body = expect_problem(client.post("/emg/recordings", json={"name": "one"}), 409)
    assert "choose another name" in body["detail"]


def test_what_is_not_there_is_a_404(client: FlaskClient) -> None:
    for method, path in (
        ("get", "/emg/recordings/nothing"),
        ("post", "/emg/recordings/nothing/stop"),
        ("post", "/emg/recordings/nothing/prompt"),
        ("get", "/emg/recordings/nothing/download"),
        ("get", "/emg/recordings/nothing/download?format=bdf"),
        ("delete", "/emg/recordings/nothing"),
    ):
        said = {"json": {"action": "pause"}} if path.endswith("/prompt") else {}
        body = expect_problem(getattr(client, method)(path, **said), 404)
        assert body["detail"] == "there is no recording nothing"


def header(**changes: Any) -> bytes:
    """A header whose fields are changed, as somebody's editor may do."""
    return json.dumps({**json.loads(encode(HEADER)), **changes}).encode()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no header": (lambda at: (at / "recording.json").unlink(), "recording.json is missing"),
    "no log": (lambda at: (at / "log.bin").unlink(), "log.bin is missing"),
    "no end": (lambda at: (at / "end.json").unlink(), "end.json is missing"),
    "a folder": (
        lambda at: ((at / "end.json").unlink(), (at / "end.json").mkdir()),
        "end.json is missing, or no plain file",
    ),
    "a log of zeros": (
        lambda at: ((at / "log.bin").write_bytes(bytes(999)), (at / "end.json").write_text("")),
        "does not begin as a log",
    ),
    **{
        str(changes): (
            lambda at, changes=changes: (at / "recording.json").write_bytes(header(**changes)),
            next(iter(changes)),
        )
        for changes in (
            {"started_at": "yesterday"},
            {"started_at": 1e300},
            {"sampling_rate": "200"},
            {"sampling_rate": 0},
            {"channels": -1},
            {"channels": True},
            {"source": ["live"]},
            {"gesture_names": "rest"},
            {"gesture_names": [1]},
            {"mains_hz": "50"},
            {"model": {"name": 1}},
            {"model": {**json.loads(encode(HEADER))["model"], "fps": None}},
            {"plan": {"steps": [["rest", "three", 1]], "countdown_seconds": 1.0, "rest": "rest"}},
            {"plan": {"steps": [["rest"]], "countdown_seconds": 1.0, "rest": "rest"}},
            {"plan": []},
            {"name": 7},
        )
    },
    "another's header": (lambda at: (at / "recording.json").write_bytes(header(name="two")), "another"),
    "nested": (lambda at: (at / "recording.json").write_text("[" * 100_000), "nested"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_recording_is_listed_as_such_and_is_alone_in_it(
    client: FlaskClient, runtime: Runtime, damage: str
) -> None:
    """One with a text for a number made the whole list a 500, and the next start fail; others were not listed."""
    harm, reason = DAMAGE[damage]
    written(runtime.recorder.root, [chunk(0)], name="sound")
    folder = written(runtime.recorder.root, [chunk(0)])
    harm(folder)
    runtime.recorder.open()  # the next start
    listed = {one["name"]: one for one in client.get("/emg/recordings").get_json()["recordings"]}
    assert (listed["sound"]["state"], listed["sound"]["error"]) == ("complete", None)
    assert listed["one"]["state"] == "damaged"
    assert reason in listed["one"]["error"]
    for method, end in (("get", ""), ("post", "/stop")):
        body = expect_problem(getattr(client, method)(f"/emg/recordings/one{end}"), 422)
        assert body["detail"] == listed["one"]["error"]
    expect_problem(client.post("/emg/recordings", json={"name": "one"}), 409)
    if damage == "a folder":
        expect_problem(client.delete("/emg/recordings/one"), 503)  # it is nothing that we have made
        assert (folder / "log.bin").is_file()
        (folder / "end.json").rmdir()


def test_one_on_a_bad_sector_does_not_hide_the_others(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(runtime.recorder.root, [chunk(0)], name="sound")
    written(runtime.recorder.root, [chunk(0)])
    usual = folders.read_header

    def failing(root: Path, name: str) -> RecordingHeader:
        if name == "one":
            raise OSError(errno.EIO, "Input/output error")
        return usual(root, name)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "read_header", failing)
        listed = {one["name"]: one for one in client.get("/emg/recordings").get_json()["recordings"]}
        expect_problem(client.get("/emg/recordings/one"), 422)
    assert listed["sound"]["state"] == "complete"
    assert listed["one"]["error"] == "the recording one cannot be read: Input/output error"


@pytest.mark.parametrize("said", ['{"state": "complete"}', '{"state": 3}', "[]", "9" * 900, "[" * 900])
def test_an_end_that_makes_no_sense_is_found_again_in_the_log(
    client: FlaskClient, runtime: Runtime, said: str
) -> None:
    folder = written(runtime.recorder.root, [chunk(0), chunk(10)])
    (folder / "end.json").write_text(said)
    runtime.recorder.open()
    found = look(client, "one")
    assert (found["state"], found["recovered"], found["samples"]) == ("complete", True, 20)


def test_a_log_without_its_beginning_is_not_cut_off(runtime: Runtime, client: FlaskClient) -> None:
    folder = written(runtime.recorder.root, [chunk(0)], end=None)
    content = b"X" + (folder / "log.bin").read_bytes()[1:]
    (folder / "log.bin").write_bytes(content)
    runtime.recorder.open()
    assert (folder / "log.bin").read_bytes() == content


def test_a_recording_that_is_begun_at_this_moment_is_not_taken_for_a_damaged_one(
    client: FlaskClient, runtime: Runtime
) -> None:
    folder = written(runtime.recorder.root, [chunk(0)])
    with (folder / "log.bin").open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # as its writer has it
        (folder / "recording.json").rename(folder / "later")
        assert client.get("/emg/recordings").get_json()["recordings"] == []
        (folder / "later").rename(folder / "recording.json")


def test_an_empty_recording_has_nothing_to_download(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecordingSession, "_tap", lambda *_: None)  # no chunk comes before it is stopped
    start(client, name="one")
    assert client.post("/emg/recordings/one/stop").get_json()["samples"] == 0
    body = expect_problem(client.get("/emg/recordings/one/download"), 422)
    assert body["detail"] == "the recording one holds no sample"


BAD: list[tuple[dict[str, Any], str, str]] = [
    *(
        ({"name": name}, "name", "1 to 64 letters")
        for name in (
            "",
            ".",
            "..",
            "../x",
            "../../etc/passwd",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a\0",
            "é",
            "a b",
        )
    ),
    *(
        ({"name": name}, "name", "1 to 64 letters")
        for name in ("x" * 65, "x" * 100_000, "a\n", "\u202ea", "-x")
    ),
    *(({"name": name}, "name", "Not a valid string") for name in (1, True, [], {}, 1.5)),
    ({"source": "nobody"}, "source", "no source 'nobody'"),
    ({"source": ""}, "source", ""),
    ({"source": 3}, "source", ""),
    *(({"subject": s}, "subject", "1 to 32 letters") for s in ("", "a b", "../x", "x" * 33, "Åsa", "a\n")),
    ({"nam": "x"}, "nam", "unknown field; there are name, source, subject, plan"),
    ({"plan": {}}, "plan", "required"),
    ({"plan": []}, "plan", ""),
    ({"plan": "rest:3"}, "plan", ""),
    ({"plan": {"gestures": []}}, "plan", ""),
    ({"plan": {"gestures": "fist"}}, "plan", ""),
    ({"plan": {"gestures": [1]}}, "plan", ""),
    ({"plan": {"gestures": [""]}}, "plan", "printable text"),
    ({"plan": {"gestures": ["a", "a"]}}, "plan", "must differ"),
    ({"plan": {"gestures": ["x" * 65]}}, "plan", "1 to 64 characters"),
    ({"plan": {"gestures": ["a\nb"]}}, "plan", "printable text"),
    ({"plan": {"gestures": [str(k) for k in range(65)]}}, "plan", ""),
    ({"plan": {"gestures": ["a"], "second": 1}}, "plan", "unknown field; there are gestures"),
    *(
        ({"plan": {"gestures": ["a"], "repetitions": v}}, "plan", "whole number")
        for v in (0, -1, 1.5, "3", True, 10**9)
    ),
    *(({"plan": {"gestures": ["a"], "seconds": v}}, "plan", "") for v in (0, -1, 1e9, "3", True, None)),
    *(({"plan": {"gestures": ["a"], "rest_seconds": v}}, "plan", "") for v in (-1, 1e300, "3")),
    *(({"plan": {"gestures": ["a"], "countdown_seconds": v}}, "plan", "") for v in (-0.1, 4000, [])),
    ({"plan": {"gestures": ["a"], "seconds": 3600, "repetitions": 1000}}, "plan", "up to 4 h"),
    ({"plan": {"gestures": [*"abcdefghijk"], "seconds": 0.1, "repetitions": 1000}}, "plan", "10000 steps"),
]


@pytest.mark.parametrize(
    ("body", "field", "says"), BAD, ids=lambda value: str(value)[:40].encode().hex()[:60]
)
def test_a_body_that_cannot_be_says_what_is_right(
    client: FlaskClient, body: dict[str, Any], field: str, says: str
) -> None:
    found = expect_problem(client.post("/emg/recordings", json=body), 422)
    assert list(found["errors"]) == [field]
    assert says in json.dumps(found["errors"], ensure_ascii=False)
    assert client.get("/emg/recordings").get_json()["recordings"] == []


@pytest.mark.parametrize(
    "name",
    ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%00", "%c3%a9", "x" * 65, ".hidden", "a%20b", "-x"],
)
@pytest.mark.parametrize("action", ["get ", "get /download", "post /stop", "delete "])
def test_a_path_that_names_no_recording_reaches_nothing(client: FlaskClient, name: str, action: str) -> None:
    method, _, end = action.partition(" ")
    answer = getattr(client, method)(f"/emg/recordings/{name}{end}")
    assert answer.status_code in (404, 405, 422)
    expect_problem(answer, answer.status_code)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80))
def test_any_name_is_refused_or_stays_inside(client: FlaskClient, runtime: Runtime, name: str) -> None:
    answer = client.post("/emg/recordings", json={"name": name})
    if answer.status_code == 201:
        assert (runtime.recorder.root / name).resolve().parent == runtime.recorder.root.resolve()
        client.post(f"/emg/recordings/{name}/stop")
        assert client.delete(f"/emg/recordings/{name}").status_code == 204
    else:
        expect_problem(answer, 422)


def test_a_link_in_the_folder_leads_nowhere(client: FlaskClient, runtime: Runtime, tmp_path: Path) -> None:
    root = runtime.recorder.root
    root.mkdir(exist_ok=True)
    (tmp_path / "recording.json").write_text("secret")
    (root / "link").symlink_to(tmp_path)
    try:
        for method, end in (("get", ""), ("get", "/download"), ("post", "/stop"), ("delete", "")):
            expect_problem(getattr(client, method)(f"/emg/recordings/link{end}"), 404)
        body = expect_problem(client.post("/emg/recordings", json={"name": "link"}), 409)
        assert "link already" in body["detail"]
    finally:
        (root / "link").unlink()
    assert (tmp_path / "recording.json").read_text() == "secret"


@pytest.mark.parametrize("form", ["edf", "NPZ", "", "../x", "1"])
def test_another_format_is_told_which_there_are(client: FlaskClient, until: Until, form: str) -> None:
    record(client, until)
    body = expect_problem(client.get("/emg/recordings/one/download", query_string={"format": form}), 422)
    assert "npz" in body["errors"]["format"][0] or "string" in body["errors"]["format"][0]


def test_the_openapi_describes_both_forms_of_a_download(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    content = paths["/emg/recordings/{name}/download"]["get"]["responses"]["200"]["content"]
    assert content.keys() == {"application/octet-stream", "application/zip"}
    assert {"201", "409", "422", "503"} <= paths["/emg/recordings"]["post"]["responses"].keys()
