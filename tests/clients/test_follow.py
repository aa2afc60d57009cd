"""`client.follow`: a cursor that is told as it moves, a model of values, and what is left where it goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from myostream_client import Cursor, Taught, TeachingCancelledError, TeachingError
from myostream_client.followed_recording import cursor_at
from tests.clients.conftest import ClientOf
from tests.clients.lesson_server import LessonServer, job, teaching

VALUES = ["wrist", "hand"]
WAVE = [0.0, 0.1, 0.2, 0.3, 0.4]


def look(position: float | None, state: str = "recording", **more: Any) -> dict[str, Any]:
    cursor = None
    if position is not None:
        ahead = {"hand": [-value for value in WAVE], "wrist": WAVE}
        cursor = {"position_seconds": position, "seconds": 20.0, "step_seconds": 0.05, "ahead": ahead}
    over = {"state": state, "error": None, "recovered": False, "prompt": None, "repetitions": []}
    return {**over, "cursor": cursor, "seconds": 20.0, "lost_samples": 0, **more}


WHOLE = (look(None), look(4.0), look(18.5), look(None, "complete"))


@pytest.fixture
def follow(client_of: ClientOf) -> Any:
    def run(server: LessonServer, **more: Any) -> Taught:
        with teaching(server) as url:
            return client_of(url).follow("me", VALUES, **{"seconds": 20, **more})

    return run


def test_the_cursor_is_told_as_it_moves_and_what_came_of_it_is_returned(follow: Any) -> None:
    server = LessonServer(WHOLE)
    told: list[Cursor] = []
    taught = follow(server, on_cursor=told.append, one_way=["hand"], person="S01")

    assert (taught.model, taught.used, taught.profile) == ("me", True, "me")
    assert len(told) >= 6
    assert list(told[0].values) == VALUES
    assert told[0].values == {"wrist": pytest.approx(0, abs=0.2), "hand": pytest.approx(0, abs=0.2)}
    assert all(one.values["wrist"] == -one.values["hand"] for one in told)
    assert told[0].seconds_left <= 16.0
    assert told[0].seconds == 20.0
    [begun] = server.bodies("POST", "/emg/recordings")
    assert begun["follow"] == {"values": VALUES, "one_way": ["hand"], "seconds": 20, "seed": 0}
    assert begun["subject"] == "S01"
    [asked] = server.bodies("POST", "/trainings")
    assert (asked["values"], asked["use"], asked["base"]) == ("trajectory", "yes", None)


@pytest.mark.parametrize(
    ("since", "wrist", "left"), [(0.0, 0.0, 16.0), (0.025, 0.05, 15.975), (0.1, 0.2, 15.9), (9.0, 0.4, 7.0)]
)
def test_between_two_looks_the_cursor_moves_on_and_beyond_what_is_known_it_waits(
    since: float, wrist: float, left: float
) -> None:
    now = cursor_at(VALUES, look(4.0)["cursor"], since)
    assert now.values["wrist"] == pytest.approx(wrist)
    assert now.values["hand"] == pytest.approx(-wrist)
    assert now.seconds_left == pytest.approx(left)
    assert len(now.ahead["wrist"]) >= 1


def test_who_wants_no_more_of_it_leaves_nothing(follow: Any) -> None:
    server = LessonServer((look(4.0),))
    with pytest.raises(TeachingCancelledError):
        follow(server, on_cursor=lambda _: "cancel")
    assert [(how, path) for how, path, _ in server.asked if server.name in path][-2:] == [
        ("POST", f"/emg/recordings/{server.name}/stop"),
        ("DELETE", f"/emg/recordings/{server.name}"),
    ]


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        ((look(4.0), look(None, "failed", error="the disk is full")), "the disk is full"),
        ((look(4.0), look(None, "complete")), "stopped before the cursor's end"),
        ((look(18.5), look(None, "complete", recovered=True)), "stopped before the cursor's end"),
    ],
    ids=["failed", "stopped", "restarted"],
)
def test_a_recording_that_did_not_come_to_its_end_teaches_nothing(follow: Any, looks: Any, says: str) -> None:
    server = LessonServer(looks)
    with pytest.raises(TeachingError, match=says):
        follow(server)
    assert server.bodies("POST", "/trainings") == []


def test_what_teaches_nothing_says_why(follow: Any) -> None:
    failed = job("failed", error="R2 0.02 on stretches left out is next to nothing")
    with pytest.raises(TeachingError, match="next to nothing"):
        follow(LessonServer(WHOLE, (failed,)))


def test_a_text_is_no_list_of_values(client_of: ClientOf) -> None:
    with pytest.raises(ValueError, match="values must be a list of names"):
        client_of("http://127.0.0.1:9").follow("me", "wrist")
