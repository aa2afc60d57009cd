"""The report of events: rules chosen on the people of other folds, and figures of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.event_tables import events_table
from app.learning.events.report import ENTERS, report_of_events
from app.learning.events.streams import PersonStreams
from app.learning.plotting import events_png
from app.learning.replays.replay import Replay
from tests.inference.artefacts import make_manifest
from tests.learning.events.test_scoring import CLASSES, stream


def quietly(items: Iterable[int], length: int, what: str) -> Iterable[int]:
    del length, what
    return items


def unsure(share: float) -> Replay:
    """Three seconds of rest, a fist that is so likely, and rest in which nothing is told."""
    one = stream(((0, 30), (1, 30), (0, 30)))
    probabilities = np.array(one.probabilities)
    probabilities[30:60] = [1 - share, share, 0.0]
    return replace(one, probabilities=probabilities)


def person(name: str, fold: str, one: Replay) -> PersonStreams:
    return PersonStreams(name, fold, (one,), (one,), (one,))


def report(*people: PersonStreams) -> dict[str, Any]:
    return report_of_events(make_manifest(classes=CLASSES, rest_class="rest"), people, 1, quietly)


def test_each_fold_is_judged_at_the_threshold_that_suits_the_others() -> None:
    """The others of fold b are sure of their gestures, so any will do; those of fold a need the lowest."""
    found = report(person("A", "a", unsure(0.99)), person("B", "b", unsure(0.53)))
    assert found["chosen"]["enter"] == {"a": min(ENTERS), "b": max(ENTERS)}


def test_the_same_streams_are_worth_the_same_by_whomever_they_are() -> None:
    found = report(person("A", "a", unsure(0.99)), person("B", "b", unsure(0.99)))
    assert [one["person"] for one in found["people"]] == ["A", "B"]
    assert found["found"] == found["shuffled"]["found"] == 1.0
    assert found["false_an_hour"] == 0.0
    assert found["found_interval"] == (1.0, 1.0)
    assert [one["enter"] for one in found["curve"]] == list(ENTERS)
    assert found["curve"] == found["lda"]["curve"]


def test_a_picture_of_the_curve_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    events_png(tmp_path / "curve.png", report(person("A", "a", unsure(0.99)), person("B", "b", unsure(0.99))))
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_has_a_line_for_each_person_and_for_all() -> None:
    lines = events_table(report(person("A", "a", unsure(0.99)), person("B", "b", unsure(0.6)))).splitlines()
    assert [line.split()[0] for line in lines[2:8]] == ["A", "B", "all", "chosen", "LDA", "shuffled"]
