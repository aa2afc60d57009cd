"""What a stream may ask of decisions, what a model says where it asks nothing, and what is none of the classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.inference.decision_rule import DecisionRule
from tests.api.conftest import CHANNELS, LENGTH, running
from tests.inference.artefacts import make_artefact

OWN = DecisionRule(votes=3, min_confidence=0.1, enter=0.8, leave=0.2, change=0.5)
CONTRACT = {"votes": 1, "min_confidence": 0.0, "enter": None, "leave": None, "change": None}
WINDOW = [[1.0] * CHANNELS] * LENGTH


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Of a model with a rule of its own, for which no window is like any of its classes."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    runtime = running(make_artefact(folder, decision=OWN, reject_below=1e6))
    yield create_app(runtime).test_client()
    runtime.close()


def rules(client: FlaskClient, **options: Any) -> list[dict[str, Any]]:
    """The rules of the groups that run while a stream with those options does."""
    answer = client.post("/infer/stream", json={"fps": 20, **options})
    assert answer.status_code == 200
    parts = iter(answer.response)
    next(parts)
    groups = client.get("/infer/stream/stats").get_json()["groups"]
    answer.close()
    return [{name: group[name] for name in CONTRACT} for group in groups]


def frames(client: FlaskClient, count: int, query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/infer/stream?duration_seconds=5&{query}")
    found: list[dict[str, Any]] = []
    for part in answer.response:
        text = part.decode() if isinstance(part, bytes) else part
        found += [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
        if len(found) >= count:
            break
    answer.close()
    return found[:count]


def test_a_stream_that_asks_for_no_rule_gets_the_model_s(knowing: FlaskClient) -> None:
    assert rules(knowing) == [
        {"votes": 3, "min_confidence": 0.1, "enter": 0.8, "leave": 0.2, "change": 0.5},
    ]


@pytest.mark.parametrize(
    ("asked", "differs"),
    [
        ({"votes": 1}, {}),
        ({"votes": 5, "min_confidence": 0.6}, {"votes": 5, "min_confidence": 0.6}),
        ({"enter": None}, {}),
        ({"enter": 0.7, "leave": 0.1}, {"enter": 0.7, "leave": 0.1}),
        ({"enter": 1, "leave": 0, "change": 0.5}, {"enter": 1.0, "leave": 0.0, "change": 0.5}),
        ({"enter": 0.7}, {"enter": 0.7}),
    ],
    ids=str,
)
def test_a_stream_that_asks_for_a_rule_gets_that_and_nothing_of_the_model_s(
    knowing: FlaskClient, asked: dict[str, Any], differs: dict[str, Any]
) -> None:
    assert rules(knowing, **asked) == [{**CONTRACT, **differs}]


def test_a_model_without_a_rule_decides_as_the_contract_says(client: FlaskClient) -> None:
    assert rules(client) == [CONTRACT]


def test_streams_with_other_thresholds_share_no_computation(client: FlaskClient) -> None:
    first = client.get("/infer/stream?fps=20&enter=0.7&leave=0.1")
    next(iter(first.response))
    found = rules(client, enter=0.7, leave=0.2)
    first.close()
    assert sorted(rule["leave"] for rule in found) == [0.1, 0.2]


@pytest.mark.parametrize("query", ["enter=null&leave=null", "enter=0.7&leave=0.1&change=0.3"])
def test_a_query_says_the_same(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/infer/stream?fps=20&{query}")
    assert answer.status_code == 200
    answer.close()


@pytest.mark.parametrize(
    "options", [{"enter": 0.5, "leave": 0.5}, {"enter": 0.2, "leave": 0.7}], ids=["equal", "above"]
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_leave_must_be_below_enter(client: FlaskClient, options: dict[str, float], method: str) -> None:
    if method == "POST":
        answer = client.post("/infer/stream", json=options)
    else:
        answer = client.get("/infer/stream", query_string=options)

    assert answer.status_code == 422
    assert "below enter" in answer.get_json()["errors"]["leave"][0]


def test_an_unknown_window_says_so_in_its_frame_and_is_rest(knowing: FlaskClient) -> None:
    found = frames(knowing, 3, "fps=20&votes=1")

    assert [frame["unknown"] for frame in found] == [True] * 3
    assert {frame["decision_label"] for frame in found} == {"rest"}
    assert all(frame["label"] in ("rest", "a", "b") for frame in found)  # what it is most like


def test_a_frame_of_a_model_that_cannot_tell_has_no_such_key(client: FlaskClient) -> None:
    assert all("unknown" not in frame for frame in frames(client, 2, "fps=20"))


@pytest.mark.parametrize("more", [{}, {"source": None}], ids=["fast path", "flask"])
def test_an_answer_says_whether_a_window_is_unknown(knowing: FlaskClient, more: dict[str, Any]) -> None:
    one = knowing.post("/infer", json={"emg": WINDOW, **more})
    two = knowing.post("/infer", json={"emg": [WINDOW, WINDOW], **more})

    assert one.get_json()["unknown"] is True
    assert two.get_json()["unknown"] == [True, True]


def test_an_answer_of_a_model_that_cannot_tell_has_no_such_key(client: FlaskClient) -> None:
    assert "unknown" not in client.post("/infer", json={"emg": WINDOW}).get_json()
