"""Labels move from the cue to where the activity changes; what nobody can tell is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.source import UNLABELLED
from app.learning.own.cues import Refinement, refined
from app.learning.own.joined import Joined, join
from app.learning.own.signal_plan import choose, filtered
from tests.learning.own.makers import recording


def cleaned(path: Path, **changes: Any) -> tuple[Joined, Joined, Refinement]:
    joined = join([recording(path, **changes)])
    clean, told = refined(joined, filtered(joined, choose(joined, None), None))
    return joined, clean, told


@pytest.mark.parametrize("delay_s", [-0.3, 0.0, 0.4, 0.9])
def test_edges_are_where_the_person_acted(tmp_path: Path, delay_s: float) -> None:
    joined, clean, told = cleaned(tmp_path / "a.npz", delay_s=delay_s)

    cue, found = (np.flatnonzero(np.diff(one.label)) for one in (joined, clean))
    assert told.edges == len(cue) == len(found)
    np.testing.assert_allclose((found - cue) / joined.rate, delay_s, atol=0.06)
    assert told.moved_s == pytest.approx(abs(delay_s), abs=0.03)
    assert (told.left_out, told.vague) == (0, 0)


@pytest.mark.parametrize("delay_s", [-0.3, 0.0, 0.4, 0.7])
def test_behind_a_get_ready_the_label_begins_where_the_person_does(tmp_path: Path, delay_s: float) -> None:
    """What was done again follows on what has no label: it was taken from its cue on, with the rest that led to it."""
    whole = join([recording(tmp_path / "a.npz", delay_s=delay_s)])
    begins = np.flatnonzero(np.diff(whole.label)) + 1
    before, cue = int(begins[1]), int(begins[2])  # the second rest, which is none here
    label = whole.label.copy()
    label[before:cue] = UNLABELLED
    joined = replace(whole, label=label)
    clean, _ = refined(joined, filtered(joined, choose(joined, None), None))

    found = cue + int(np.argmax(clean.label[cue:] == whole.label[cue]))
    assert (found - cue) / joined.rate == pytest.approx(max(0.0, delay_s), abs=0.06)
    assert (clean.label[cue - 50 : found] == UNLABELLED).all()


def test_an_edge_stays_near_its_cue(tmp_path: Path) -> None:
    """Who acts three seconds late was not following: the edge does not go after them."""
    joined, clean, _ = cleaned(tmp_path / "a.npz", delay_s=2.0, held_s=5.0)

    cue = np.flatnonzero(np.diff(joined.label))
    for edge in np.flatnonzero(np.diff(clean.label)):
        assert np.abs(cue - edge).min() <= 1.35 * joined.rate


def test_a_repetition_that_was_not_made_is_left_out_and_counted(tmp_path: Path) -> None:
    joined, clean, told = cleaned(tmp_path / "a.npz", repetitions=3, missed=[(2, 2)])

    assert (told.left_out, told.left_out_of) == (1, ("ладонь",))
    second = (joined.label == 2) & (joined.repetition == 2)
    assert (clean.label[second] == UNLABELLED).all()
    assert (clean.label[(joined.label == 2) & (joined.repetition == 3)] == 2).any()


def test_a_gesture_that_is_never_seen_is_not_left_out(tmp_path: Path) -> None:
    """It is for the person to drop it: a model that silently lacks a gesture would be worse."""
    _, clean, told = cleaned(tmp_path / "a.npz", weak=[3])

    assert told.left_out == 0
    assert (clean.label == 3).any()
    assert told.unlike[3] < 5 < min(told.unlike[1:3])
    assert told.vague > 0


def test_labels_that_are_not_cues_stay(tmp_path: Path) -> None:
    joined = replace(join([recording(tmp_path / "a.npz", delay_s=0.5)]), cued=False)

    clean, told = refined(joined, filtered(joined, choose(joined, None), None))

    np.testing.assert_array_equal(clean.label, joined.label)
    assert told.edges == 0


def test_on_people_the_edges_are_nearer_to_those_of_the_data_sets_authors(recordings: Path) -> None:
    """myo-readings has both; over its 25 people the cue is 0.34 s away on average, ours 0.09 (median 0.025)."""
    given = load(recordings / "S02.npz")
    joined = join([replace(given, label=given.label_cue)])
    clean, _ = refined(joined, filtered(joined, choose(joined, None), None))

    cue, found, theirs = [], [], []
    for piece in joined.pieces():
        edges = [np.flatnonzero(np.diff(one[piece])) for one in (joined.label, clean.label, given.label)]
        if len(edges[0]) == len(edges[1]) == len(edges[2]):
            for kept, own in zip((cue, found, theirs), edges, strict=True):
                kept.extend(own)

    before, after = (np.abs(np.subtract(one, theirs)).mean() / 200 for one in (cue, found))
    assert before > 0.6
    assert after < 0.08
