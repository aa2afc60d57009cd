"""`client.teach`: what it asks of a server and tells a program, and what is left of a lesson that goes wrong."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from myostream_client import (
    Progress,
    Prompt,
    RefusedError,
    Repetition,
    ServerUnreachableError,
    Taught,
    TeachingCancelledError,
    TeachingError,
)
from tests.clients.conftest import ClientOf
from tests.clients.lesson_server import (
    BUSY,
    CUT,
    RESULT,
    WHOLE,
    LessonServer,
    job,
    prompt,
    recording,
    repetition,
    teaching,
)
from tests.clients.small_server import Answer, problem

GESTURES = ["rest", "fist"]


@pytest.fixture
def teach(client_of: ClientOf) -> Any:
    def run(server: LessonServer, **more: Any) -> Taught:
        with teaching(server) as url:
            return client_of(url).teach("me", GESTURES, **{"repetitions": 1, **more})

    return run


def test_a_lesson_is_told_as_it_goes_and_what_came_of_it_is_returned(teach: Any) -> None:
    server = LessonServer()
    prompts: list[Prompt] = []
    repetitions: list[Repetition] = []
    told: list[Progress] = []
    taught = teach(
        server, on_prompt=prompts.append, on_repetition=repetitions.append, on_progress=told.append
    )
    assert [(one.label, one.begins) for one in prompts] == [
        (None, True),
        ("rest", True),
        ("rest", False),
        ("fist", True),
    ]
    assert [(one.index, one.label, one.verdict) for one in repetitions] == [
        (0, "rest", "good"),
        (1, "fist", "good"),
    ]
    assert [one.state for one in told] == ["queued", "running", "done"]
    assert (taught.model, taught.accuracy, taught.interval) == ("me", 0.93, (0.88, 0.97))
    assert (taught.used, taught.from_sample, taught.previous) == (True, 48210, "old")
    assert (taught.recording, taught.job, taught.profile) == (server.name, "me-1", "me")


def test_it_asks_the_server_for_what_the_lesson_says(teach: Any) -> None:
    server = LessonServer()
    server.profile = {
        "person": "S01",
        "model": "old",
        "decision": {"votes": 5},
        "montage": "1-8",
        "notes": "left",
    }
    teach(server, source="arm", seconds=2.0, base="shipped", use="yes")
    (began,) = server.bodies("POST", "/emg/recordings")
    assert (began["source"], began["subject"]) == ("arm", "me")
    assert began["plan"] == {
        "gestures": GESTURES,
        "repetitions": 1,
        "seconds": 2.0,
        "rest_seconds": 2.0,
        "countdown_seconds": 3.0,
    }
    (trained,) = server.bodies("POST", "/trainings")
    assert trained == {
        "recordings": [server.name],
        "name": "me",
        "person": "me",
        "base": "shipped",
        "use": "yes",
        "source": "arm",
    }
    # a montage is of the model before: this one reads the channels as they were recorded
    kept = {"person": "S01", "model": "me", "decision": {"votes": 5}, "notes": "left"}
    assert server.bodies("PUT", "/profiles/me") == [kept]
    assert server.asked[0][:2] == ("GET", "/models/shipped")


def test_what_is_put_on_again_needs_a_model_to_be_put_on(client_of: ClientOf) -> None:
    server = LessonServer()
    server.profile = {"person": "me", "model": None}
    with teaching(server) as url, pytest.raises(TeachingError, match="no model"):
        client_of(url).put_on_again("me")
    assert server.bodies("POST", "/emg/recordings") == []
    with teaching(LessonServer()) as url, pytest.raises(RefusedError, match="there is none"):
        client_of(url).put_on_again("me")


def test_a_model_that_is_not_used_is_not_the_persons(teach: Any) -> None:
    not_used = {**RESULT, "used": False, "why_not_used": "it is not better"}
    server = LessonServer(jobs=(job(result=not_used),))
    taught = teach(server)
    assert (taught.used, taught.why_not_used, taught.profile) == (False, "it is not better", None)
    assert server.bodies("PUT", "/profiles/me") == []


def test_what_a_callback_returns_is_done_and_what_makes_no_sense_is_left(teach: Any) -> None:
    server = LessonServer(
        (
            recording(prompt(1, "rest")),
            recording(prompt(2, "fist"), repetition("rest", "restless")),
            recording(prompt(2, "fist"), repetition("rest", "restless", state="redone")),
            *WHOLE[-1:],
        )
    )
    server.before["POST /emg/recordings/<name>/prompt"] = [BUSY]
    first: list[Repetition] = []

    def on_repetition(one: Repetition) -> Any:
        first.append(one)
        return None if one.good else "redo"

    words = iter(["pause", None, "skip"])
    teach(server, on_prompt=lambda _: next(words), on_repetition=on_repetition)
    assert server.bodies("POST", "/prompt") == [
        {"action": "pause"},
        {"action": "redo", "index": 0},  # this one, whatever is under way when it is judged
        {"action": "skip"},
    ]
    assert [one.index for one in first] == [0, 1]


def test_a_repetition_that_is_returned_is_done_again_later_too(teach: Any) -> None:
    server = LessonServer()
    heard: list[Repetition] = []
    teach(server, on_prompt=lambda _: heard.pop() if heard else None, on_repetition=heard.append)
    assert server.bodies("POST", "/prompt") == []  # the last look has no prompt any more
    server = LessonServer((*WHOLE[:4], WHOLE[3], WHOLE[5]))
    teach(server, on_prompt=lambda _: heard.pop() if heard else None, on_repetition=heard.append)
    assert {"action": "redo", "index": 0} in server.bodies("POST", "/prompt")


def test_a_cut_connection_is_asked_again_wherever_it_is_cut(teach: Any) -> None:
    server = LessonServer()
    server.before = {
        "POST /emg/recordings": [CUT, BUSY],  # the first had begun it
        "GET /emg/recordings/<name>": [CUT],
        "POST /trainings": [CUT, BUSY],  # the first had ordered it
        "GET /jobs/me-1": [CUT],
        "PUT /profiles/me": [CUT],
    }
    assert teach(server).job == "me-1"
    assert server.bodies("DELETE", server.name) == []


def test_a_server_that_stays_away_is_an_error_in_the_end(teach: Any) -> None:
    server = LessonServer()
    server.before["GET /emg/recordings/<name>"] = [CUT] * 100
    with pytest.raises(ServerUnreachableError):
        teach(server, give_up_s=0.2)


def test_a_name_that_is_taken_gets_a_number(teach: Any) -> None:
    server = LessonServer()
    server.before["POST /trainings"] = [BUSY, BUSY]
    server.before["GET /jobs"] = [_jobs_of_others(), _jobs_of_others()]
    teach(server)
    assert [body["name"] for body in server.bodies("POST", "/trainings")] == ["me", "me-2", "me-3"]


def _jobs_of_others() -> Answer:
    return Answer(200, {"jobs": [job(recordings=["other"])]})


def test_who_cancels_while_it_records_leaves_nothing(teach: Any) -> None:
    server, cancel = LessonServer((WHOLE[1],)), threading.Event()
    server.on_ask = lambda method, path: cancel.set() if (method, path[-2:]) != ("POST", "gs") else None
    with pytest.raises(TeachingCancelledError):
        teach(server, cancel=cancel)
    assert [call[:2] for call in server.asked[-2:]] == [
        ("POST", f"/emg/recordings/{server.name}/stop"),
        ("DELETE", f"/emg/recordings/{server.name}"),
    ]
    with pytest.raises(TeachingCancelledError):
        teach(LessonServer((WHOLE[1],)), on_prompt=lambda _: "cancel")


def test_who_cancels_while_it_learns_keeps_the_recording_and_no_job(teach: Any) -> None:
    server = LessonServer(jobs=(job("running"),))
    with pytest.raises(TeachingCancelledError, match="is kept"):
        teach(server, on_progress=lambda _: "cancel")
    assert [path for method, path, _ in server.asked if method == "DELETE"] == ["/jobs/me-1"]


def test_what_a_callback_raises_comes_through_and_leaves_nothing(teach: Any) -> None:
    def fail(_: Prompt) -> None:
        raise ZeroDivisionError

    server = LessonServer()
    with pytest.raises(ZeroDivisionError):
        teach(server, on_prompt=fail)
    assert ("DELETE", f"/emg/recordings/{server.name}") in [call[:2] for call in server.asked]


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (recording(None, repetition("rest"), state="failed", error="the disk is full"), "the disk is full"),
        (recording(None, repetition("rest"), recovered=True), "was restarted"),
        (recording(None, repetition("rest"), repetition("fist", state="redone")), "stopped before its plan"),
    ],
)
def test_a_recording_that_ends_before_its_plan_teaches_nothing_and_is_kept(
    teach: Any, last: dict[str, Any], why: str
) -> None:
    server = LessonServer((*WHOLE[:2], last))
    with pytest.raises(TeachingError, match=why):
        teach(server)
    assert server.bodies("POST", "/trainings") == []
    assert [call for call in server.asked if call[0] == "DELETE"] == []


def test_a_training_that_fails_says_why(teach: Any) -> None:
    with pytest.raises(TeachingError, match="no better than guessing"):
        teach(LessonServer(jobs=(job("failed", error="it is no better than guessing"),)))


def test_what_is_refused_has_the_servers_words(teach: Any) -> None:
    server = LessonServer()
    server.before["POST /emg/recordings"] = [problem(422, "No", "gestures must differ")]
    with pytest.raises(RefusedError, match="gestures must differ"):
        teach(server)


@pytest.mark.parametrize(
    "wrong", [{"name": "a b"}, {"gestures": ["fist"]}, {"gestures": "fist"}, {"use": "maybe"}]
)
def test_what_would_be_refused_in_the_end_is_refused_before_it_begins(
    client_of: ClientOf, wrong: dict[str, Any]
) -> None:
    client = client_of("http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"must be|at least two"):
        client.teach(**{"name": "me", "gestures": GESTURES, **wrong})
