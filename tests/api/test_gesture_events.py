"""What a stream may ask of gestures as events, what a model says where it asks nothing, and what comes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app import create_app
from app.emg.source import Chunk
from app.inference.gestures.events import GestureRules, rule_set
from app.serving.runtime import Runtime
from tests.api import conftest
from tests.api.conftest import running
from tests.fakes import LiveSource
from tests.inference.artefacts import make_artefact

AT_ONCE = {"enter": 0, "leave": 0, "shortest_s": 0, "evidence_s": 0, "refractory_s": 0, "hold_s": 0.1}
KEYS = [
    *("gesture", "phase", "id", "variant", "class", "sample_index", "began_at", "refined_by", "strength"),
    *("confidence", "held_s"),
]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """Of a model whose rest is the class that it hardly ever predicts, and with rules of its own."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    own = rule_set({"enter": 0.97, "classes": {"a": {"long_s": 2}}})
    runtime = running(make_artefact(folder, gesture_rules=own))
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> FlaskClient:
    return create_app(runtime).test_client()


def events(client: FlaskClient, **asked: Any) -> Iterator[dict[str, Any]]:
    answer = client.post("/infer/stream", json={"fps": 20, "duration_seconds": 1.0, **asked})
    assert answer.status_code == 200, answer.json
    for part in answer.response:
        text = part.decode() if isinstance(part, bytes) else part
        yield from (json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: "))


def asked_of(
    runtime: Runtime, client: FlaskClient, query: str
) -> tuple[GestureRules, dict[str, GestureRules]]:
    """The rules by which gestures are told to a stream with that query."""
    answer = client.get(f"/infer/stream?{query}")
    assert answer.status_code == 200, answer.json
    next(iter(answer.response))
    ((use, options, _),) = list(runtime.pipelines.default.groups())
    answer.close()
    found = options.rules_with(use.manifest)
    return found.rules, found.overrides


def test_frames_are_as_ever_and_events_come_between_them(client: FlaskClient) -> None:
    found = list(events(client, events=True, gesture_rules=AT_ONCE))
    told = [event for event in found if "gesture" in event]
    assert [event["phase"] for event in told[:1]] == ["onset"]
    assert list(told[0]) == [*KEYS, "timestamp", "frame", "dropped"]
    assert list(told[-1]) == [*KEYS, "reason", "timestamp", "frame", "dropped"]
    assert found[-1]["status"] == "completed"
    assert found[-2] == told[-1]  # what is held is released before the last word
    assert (told[-1]["phase"], told[-1]["reason"]) == ("release", "completed")
    assert [event for event in found if "prediction" in event]
    balance = list(
        itertools.accumulate({"onset": 1, "hold": 0, "release": -1}[event["phase"]] for event in told)
    )
    assert set(balance) <= {0, 1}


def test_without_events_there_are_none(client: FlaskClient) -> None:
    assert not [event for event in events(client) if "gesture" in event]


def test_the_model_s_own_rules_hold_where_none_are_asked_for(runtime: Runtime, client: FlaskClient) -> None:
    shared = GestureRules(enter=0.97)
    assert asked_of(runtime, client, "events=true") == (shared, {"a": GestureRules(enter=0.97, long_s=2)})


def test_a_query_says_rules_as_json(runtime: Runtime, client: FlaskClient) -> None:
    query = 'events=true&gesture_rules={"enter":0.9,"classes":{"a":{"hold_s":0}}}'
    assert asked_of(runtime, client, query) == (
        GestureRules(enter=0.9),
        {"a": GestureRules(enter=0.9, hold_s=0)},
    )


def test_the_groups_say_whether_they_tell_events(client: FlaskClient) -> None:
    answer = client.post("/infer/stream", json={"fps": 20, "events": True})
    next(iter(answer.response))
    groups = client.get("/infer/stream/stats").get_json()["groups"]
    answer.close()
    assert [group["events"] for group in groups] == [True]


@pytest.mark.parametrize("text", ['{"enter": NaN}', '{"enter": 1e400}', "{'enter': 0.9}", "{", "[" * 2000])
def test_rules_in_a_query_that_are_no_json_are_said_to_be_none(client: FlaskClient, text: str) -> None:
    answer = client.get("/infer/stream", query_string={"events": "true", "gesture_rules": text})
    assert answer.status_code == 422
    (said,) = answer.get_json()["errors"]["gesture_rules"]
    assert said.endswith("which is no JSON")
    assert len(said) < 250


@pytest.mark.parametrize(
    ("asked", "field", "why"),
    [
        ({"events": 1}, "events", "must be true or false, got 1"),
        ({"gesture_rules": {"enter": 0.9}}, "gesture_rules", "goes with events: true"),
        (
            {"events": True, "gesture_rules": {"enter": 2}},
            "gesture_rules",
            "enter must be from 0 to 1, got 2",
        ),
        (
            {"events": True, "gesture_rules": {"entry": 2}},
            "gesture_rules",
            "has 'entry'; it takes enter, leave",
        ),
        ({"events": True, "gesture_rules": "fist"}, "gesture_rules", "must be an object with any of enter"),
        (
            {"events": True, "gesture_rules": {"classes": {"jump": {}}}},
            "gesture_rules",
            "classes has 'jump'; the model's are rest, a, b",
        ),
    ],
    ids=["no flag", "without events", "out of range", "no rule", "no object", "no class"],
)
@pytest.mark.parametrize("by", ["body", "query"])
def test_what_cannot_be_is_refused_by_its_field(
    client: FlaskClient, by: str, asked: dict[str, Any], field: str, why: str
) -> None:
    if by == "body":
        answer = client.post("/infer/stream", json=asked)
    else:
        said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
        answer = client.get("/infer/stream", query_string=said)
    assert answer.status_code == 422
    assert why in answer.json["errors"][field][0]


def test_the_description_has_the_fields_that_an_event_has(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json["components"]["schemas"]["GestureEvent"]["properties"]
    assert set(described) == {*KEYS, "reason", "timestamp", "frame", "dropped"}


class Resting(LiveSource):
    """The same noise, labelled rest."""

    def read(self) -> Chunk | None:
        chunk = super().read()
        return None if chunk is None else replace(chunk, labels=np.zeros(len(chunk.samples), np.int16))


def test_what_gestures_are_worth_is_said_where_somebody_knows_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "LiveSource", Resting)
    runtime = running(make_artefact(tmp_path / "tiny"))
    client = create_app(runtime).test_client()

    def figures(fps: float, **asked: Any) -> Any:
        for event in events(client, duration_seconds=None, fps=fps, **asked):
            groups = client.get("/infer/stream/stats").get_json()["groups"]
            (found,) = [group["gestures"] for group in groups if group["fps"] == fps]
            if not asked or (found is not None and found["rest_seconds"] > 0.5):
                return found
            assert event.get("frame", 0) < 400
        return None

    try:
        assert figures(21.0) is None
        found = figures(22.0, events=True, gesture_rules=AT_ONCE)
        assert (found["gestures"], found["missed"], found["onset_p50_s"]) == (0, 0, None)
        rate = 3600 * found["false_activations"] / found["rest_seconds"]
        assert found["false_activations_per_hour"] == pytest.approx(rate, rel=0.1)
    finally:
        runtime.close()
