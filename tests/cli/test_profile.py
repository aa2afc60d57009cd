from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import cli
from app.cli.options import BAD_DATA
from app.inference.decision_rule import DecisionRule
from app.inference.gestures.events import GestureRules, GestureRuleSet
from app.serving.profiles.profile import Profile
from app.serving.profiles.store import ProfileStore
from tests.inference.artefacts import make_artefact

Run = Callable[..., Result]


@pytest.fixture
def instance(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a model tiny of 4 channels."""
    monkeypatch.setenv("EMG_INSTANCE", str(tmp_path / "instance"))
    make_artefact(tmp_path / "instance" / "models" / "tiny")
    return tmp_path / "instance"


@pytest.fixture
def run(instance: Path) -> Run:
    app = Flask("commands")
    cli.register(app)

    def invoke(*words: object) -> Result:
        return app.test_cli_runner().invoke(args=["profile", *map(str, words)])

    return invoke


def failed(result: Result, reason: str, status: int = 1) -> None:
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert reason in line


def test_the_rules_of_gestures_are_set_and_taken_back(run: Run, instance: Path) -> None:
    made = run("set", "anna", "--gesture-rules", '{"enter": 0.9}')
    assert made.exit_code == 0, made.output
    assert '"enter": 0.9' in made.stdout
    assert ProfileStore(instance).find("anna").gesture_rules == GestureRuleSet(rules=GestureRules(enter=0.9))
    assert run("set", "anna", "--gesture-rules", "").exit_code == 0
    assert ProfileStore(instance).find("anna").gesture_rules is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "--gesture-rules is no JSON"),
        ("[]", "--gesture-rules must be a JSON object such as"),
        ('{"entry": 1}', "gesture_rules has 'entry'; it takes enter, leave"),
    ],
)
def test_rules_of_gestures_that_are_none_are_refused(run: Run, text: str, why: str) -> None:
    failed(run("set", "anna", "--gesture-rules", text), why, BAD_DATA)


def test_a_profile_is_set_shown_changed_and_deleted(run: Run, instance: Path) -> None:
    made = run("set", "anna", "--person", "S01", "--model", "tiny", "--montage", "4-1", "--votes", 5)
    assert made.exit_code == 0, made.output
    assert made.stdout == (
        "name: anna\nperson: S01\nmodel: tiny\nmontage: 4-1\ndecision: votes 5, min_confidence 0\n"
    )
    assert run("list").stdout == "anna  S01  tiny  channels 4-1  votes 5\n"

    run("set", "anna", "--montage", "", "--min-confidence", 0.5, "--notes", "left")

    assert ProfileStore(instance).find("anna") == Profile(
        name="anna", person="S01", model="tiny", rule=DecisionRule(votes=5, min_confidence=0.5), notes="left"
    )
    assert run("set", "anna", "--model-rule").exit_code == 0
    shown = json.loads(run("show", "anna", "--json").stdout)
    assert (shown["decision"], shown["notes"], shown["trouble"]) == (None, "left", None)
    assert json.loads(run("delete", "anna", "--json").stdout) == {"deleted": "anna"}
    assert json.loads(run("list", "--json").stdout) == {"profiles": [], "damaged": []}


def test_all_that_is_wrong_is_one_line(run: Run, instance: Path) -> None:
    failed(run("show", "anna"), "no profile 'anna'")
    failed(run("delete", "anna"), "no profile 'anna'")
    failed(run("set", "../anna"), "name: must be 1 to 64 letters")
    failed(run("set", "anna", "--model", "other"), "model: no model 'other'")
    failed(run("set", "anna", "--montage", "1-x"), "montage: montage=1-x")
    failed(
        run("set", "anna", "--model", "tiny", "--montage", "1-3"),
        "chooses 3 channels; the model tiny reads 4",
    )
    failed(run("set", "anna", "--votes", 0), "decision.votes must be from 1 to 1000")
    failed(run("set", "anna", "--votes", 3, "--model-rule"), "--model-rule contradicts --votes")
    assert ProfileStore(instance).names() == []


def test_a_damaged_one_hides_no_other(run: Run, instance: Path) -> None:
    run("set", "anna")
    (instance / "profiles" / "ben.json").write_text("{")

    listed = run("list")

    assert (listed.exit_code, listed.stdout) == (1, "anna  -  the server's model\n")
    assert listed.stderr.startswith("error: the profile ben is damaged: ")
    failed(run("show", "ben"), "the profile ben is damaged")
    assert run("delete", "ben").exit_code == 0
