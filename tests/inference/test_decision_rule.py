"""A model's own rule of decisions and its score of none of the classes: in the manifest, and out of it unharmed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import ArtefactError
from app.inference.decision_rule import DecisionRule
from app.inference.manifest_json import encode, parse
from tests.inference.artefacts import make_manifest


def edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(make_manifest())), **changes}).encode()


def test_a_model_that_says_nothing_decides_as_the_contract_says() -> None:
    manifest = parse(encode(make_manifest()))

    assert manifest.decision is None
    assert manifest.rule == DecisionRule(votes=1, min_confidence=0.0, enter=None, leave=None)
    assert manifest.reject_below is None
    assert not {"decision", "reject_below"} & set(json.loads(encode(manifest)))


def test_the_rule_and_the_threshold_come_back_as_they_were_written() -> None:
    rule = DecisionRule(votes=3, min_confidence=0.25, enter=0.7, leave=0.1, change=0.5)

    manifest = parse(encode(make_manifest(decision=rule, reject_below=-41.5)))

    assert manifest.rule == rule
    assert manifest.reject_below == -41.5


def test_what_a_rule_leaves_out_is_the_contract_s() -> None:
    manifest = parse(edited(decision={"enter": 0.7, "leave": 0.1}))

    assert manifest.rule == DecisionRule(votes=1, min_confidence=0.0, enter=0.7, leave=0.1)


@pytest.mark.parametrize(
    ("decision", "named"),
    [
        ({"votes": 0}, "decision.votes"),
        ({"votes": 1001}, "decision.votes"),
        ({"votes": 1.5}, "decision.votes"),
        ({"votes": True}, "decision.votes"),
        ({"votes": None}, "decision.votes"),
        ({"min_confidence": -0.1}, "decision.min_confidence"),
        ({"min_confidence": None}, "decision.min_confidence"),
        ({"enter": 1.1}, "decision.enter"),
        ({"enter": "0.7"}, "decision.enter"),
        ({"leave": -1}, "decision.leave"),
        ({"enter": 0.5, "leave": 0.5}, "decision.leave"),
        ({"enter": 0.2, "leave": 0.5}, "decision.leave"),
        ({"change": 2}, "decision.change"),
        ({"entre": 0.7}, "entre"),
        ([], "decision"),
        ("votes", "decision"),
    ],
    ids=str,
)
def test_a_rule_that_is_none_is_refused(decision: object, named: str) -> None:
    with pytest.raises(ArtefactError, match=named):
        parse(edited(decision=decision))


@pytest.mark.parametrize("threshold", ["-3", True, [], {}], ids=str)
def test_a_threshold_that_is_no_number_is_refused(threshold: object) -> None:
    with pytest.raises(ArtefactError, match="reject_below"):
        parse(edited(reject_below=threshold))


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")], ids=str)
def test_a_threshold_that_is_not_finite_is_refused(threshold: float) -> None:
    with pytest.raises(ArtefactError, match="reject_below must be a finite number"):
        make_manifest(reject_below=threshold)
