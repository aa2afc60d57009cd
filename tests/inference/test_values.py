"""Models whose outputs are values with names and ranges: what a manifest may say, and what becomes of the outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtefactError, NoNumberError
from app.inference import artefact
from app.inference.description import described
from app.inference.foreign.drafts import completed
from app.inference.openers import openers
from app.inference.prediction import normalise
from app.inference.values import NamedValue, within
from app.inference.verification.verify import verified
from tests.inference import foreign_models as classes
from tests.inference import value_models as made
from tests.inference.value_models import VALUES, draft, golden, graph, regression

ANGLE = NamedValue(name="angle", low=-90, high=90)
FORCE = NamedValue(name="force", low=0.1, high=1)


@pytest.mark.parametrize("layout", ["ntc", "nct"])
@pytest.mark.parametrize("context", [0, 10])
def test_a_regression_is_taken_when_it_answers_as_its_author_says(
    tmp_path: Path, layout: str, context: int
) -> None:
    one = regression(tmp_path, layout, context)

    found = verified(one.path)
    manifest = artefact.load(one.path).manifest
    backend = openers(one, tmp_path)["onnxruntime"]()
    windows = classes.emg(manifest.reads)
    given = backend.infer(normalise(windows, manifest.mean, manifest.std)).logits

    assert (found.by, found.windows) == ("golden vectors", 12)
    assert (manifest.gives_values, manifest.classes, manifest.rest_class) == (True, (), "")
    assert manifest.columns == ("wrist_flexion", "grip", "elbow")
    np.testing.assert_allclose(given, made.answers(windows), rtol=1e-5)


def test_its_manifest_says_nothing_of_classes_and_is_read_again_as_it_was(tmp_path: Path) -> None:
    one = regression(tmp_path)
    written = made.fields(one)

    assert {"classes", "rest_class", "decision", "reject_below"}.isdisjoint(written)
    assert artefact.load(one.path).manifest.outputs == one.manifest.outputs


def test_it_is_described_with_its_ranges_and_what_is_neutral(tmp_path: Path) -> None:
    told = described(regression(tmp_path))

    assert (told["classes"], told["rest_class"]) == ([], None)
    assert told["outputs"] == {
        "kind": "values",
        "values": [
            {"name": "wrist_flexion", "low": -90.0, "high": 90.0, "units": "deg", "rest": 0.0},
            {"name": "grip", "low": 0.0, "high": 1.0, "units": None, "rest": 0.0},
            {"name": "elbow", "low": 10.0, "high": 150.0, "units": "deg", "rest": 30.0},
        ],
    }


def value(**changes: Any) -> tuple[dict[str, Any], ...]:
    return ({**VALUES[0], **changes}, *VALUES[1:])


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (draft(()), "outputs.values must be 1 to 1024 values, got 0"),
        (draft("angle"), "outputs.values must be a list"),
        (draft(("angle",)), r"outputs.values\[\] must be an object"),
        (draft(value(name="grip")), "outputs.values must have names that differ, got 'grip' twice"),
        (draft(value(name=" grip")), r"outputs.values\[\].name must be a short printable text"),
        (draft(value(name="")), r"outputs.values\[\].name must be a short printable text"),
        (draft(value(name=3)), r"outputs.values\[\].name must be a text, got 3"),
        (draft(({"name": "a", "high": 1},)), r"outputs.values\[\].low is missing"),
        (draft(value(low="-90")), r"outputs.values\[\].low must be a number"),
        (draft(value(low=True)), r"outputs.values\[\].low must be a number"),
        (draft(value(low=90)), r"outputs.values\[wrist_flexion\]: low must be below high, got 90 and 90"),
        (draft(value(low=1, high=1 + 1e-12)), r"wrist_flexion\]: low must be below high"),
        (draft(value(high=1e40)), r"outputs.values\[wrist_flexion\].high must be a number up to 1e\+30"),
        (draft(value(units="\n")), r"outputs.values\[wrist_flexion\].units must be a short printable text"),
        (draft(value(rest=91)), r"wrist_flexion\].rest must lie in its range, -90 to 90, got 91"),
        (draft(value(unit="deg")), r"outputs.values\[\] has 'unit'; it takes name, low, high, units, rest"),
        (draft(classes=["rest", "fist"]), "classes must be left out: outputs.kind is values"),
        (draft(rest_class="rest"), "rest_class must be left out: outputs.kind is values"),
        (draft(decision={"votes": 5}), "decision must be left out: outputs.kind is values"),
        (draft(control={"min_cutoff_hz": 0}), r"control.min_cutoff_hz must be from 0.01 to 1000 Hz"),
        (draft(control={"votes": 3}), "control has 'votes'; it takes min_cutoff_hz, beta"),
        (draft(control={"beta": "fast"}), "control.beta must be a number"),
        (classes.draft(control={"beta": 1}), "control must be left out unless outputs.kind is values"),
        (draft(reject_below=-3.0), "reject_below must be left out: outputs.kind is values"),
        (
            classes.draft(outputs={"kind": "logits", "values": list(VALUES)}),
            "outputs.values must be left out unless outputs.kind is values",
        ),
        (
            classes.draft(outputs={"kind": "angles"}),
            "outputs.kind must be one of logits, probabilities, values",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused_by_the_name_of_the_field(
    told: bytes, says: str
) -> None:
    with pytest.raises(ArtefactError, match=says):
        completed(told)


@pytest.mark.parametrize(
    ("changes", "vectors", "says"),
    [
        (VALUES[:2], None, r"must be float32 \(batch, 2\), a column for each value"),
        (VALUES, classes.golden(output=classes.answers(classes.emg())[:, :2]), "a column for each value"),
        (
            VALUES,
            classes.golden(output=made.answers(classes.emg()) + np.array([0, 0.002, 0])),
            "differ from the golden vectors of mine by 0.002 of a value's range",
        ),
        (
            value(low=-1, high=1),
            None,
            r"outputs.values\[wrist_flexion\] is -1 to 1, but .* are they in other units\?",
        ),
    ],
)
def test_a_graph_that_gives_something_else_is_refused(
    tmp_path: Path, changes: tuple[dict[str, Any], ...], vectors: bytes | None, says: str
) -> None:
    one = classes.foreign(tmp_path, graph(), draft(changes), vectors or golden())
    with pytest.raises(ArtefactError, match=says):
        verified(one.path)


def test_answers_that_are_all_alike_prove_nothing(tmp_path: Path) -> None:
    windows = classes.emg(count=1).repeat(4, axis=0)
    vectors = classes.golden(windows, made.answers(windows))
    one = classes.foreign(tmp_path, graph(), draft(), vectors)
    with pytest.raises(ArtefactError, match="the answers to all its windows are the same"):
        verified(one.path)


def test_outputs_are_clipped_into_their_ranges_and_that_is_told() -> None:
    given = np.array([[-100, 0.5], [12.5, 1.0], [0, 0.05]], np.float32)
    found = within(given, (ANGLE, FORCE))

    assert found.rows() == [[-90, 0.5], [12.5, 1.0], [0, 0.1]]
    assert found.clipped.tolist() == [True, False, True]
    assert found[1:].rows() == [[12.5, 1.0], [0, 0.1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_value(bad: float) -> None:
    found = within(np.array([[1, 0.5], [bad, 0.5]], np.float32), (ANGLE, FORCE))

    assert found[:1].expect_numbers().rows() == [[1, 0.5]]
    with pytest.raises(NoNumberError, match="the model's graph gives NaN or infinity"):
        found.expect_numbers()


@pytest.mark.parametrize(
    ("low", "high", "rest", "neutral"),
    [(-1, 1, None, 0), (0.1, 1, None, 0.1), (-5, -2, None, -2), (0, 90, 45, 45)],
)
def test_neutral_is_what_the_author_says_or_what_lies_nearest_to_nothing(
    low: float, high: float, rest: float | None, neutral: float
) -> None:
    assert NamedValue(name="a", low=low, high=high, rest=rest).neutral == neutral
