"""Which messages go which way, and that a receiver is left holding nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.inference.gestures.events import GestureEvent
from app.serving.counters.output_row import HeldGesture
from app.serving.outputs.osc import OscMessage
from tests.inference.value_models import regression
from tests.serving.outputs.gestures import Kept, event, new_row, sender_of, table
from tests.serving.outputs.test_values import frame
from tests.serving.station import make_frame


def form(one: GestureEvent) -> str:
    return f"{one.gesture}.{one.phase}.{one.reason}"


def test_without_a_table_every_event_has_the_default_form() -> None:
    kept = Kept()
    sender = sender_of("osc", kept, form)
    for phase in ("onset", "hold", "release"):
        sender.gesture(event(phase))
    assert kept.messages == ["fist.onset.None", "fist.hold.None", "fist.release.rest"]
    assert [letter.kind for letter in kept.letters] == ["onset", "hold", "release"]
    assert kept.overs == 1


def test_a_way_that_rows_name_sends_what_they_say_and_no_other() -> None:
    kept = Kept()
    sender = sender_of("osc", kept, form, table('"fist.onset" = "osc /grip {strength}"'))
    for phase in ("onset", "hold", "release"):
        sender.gesture(event(phase))
    assert kept.messages == [OscMessage("/grip", (0.625,))]
    assert kept.overs == 1, "a device lets go although no row is for the release"


def test_a_way_that_no_row_names_has_its_default_form() -> None:
    kept = Kept()
    sender = sender_of("osc", kept, form, table('"fist.onset" = "mqtt a b"'))
    sender.gesture(event())
    assert kept.messages == ["fist.onset.None"]


def test_rest_releases_what_is_held_once() -> None:
    kept = Kept()
    sender = sender_of("osc", kept, form)
    sender.gesture(event())
    sender.rest("stalled")
    sender.rest("stalled")
    sender.gesture(event("release"))  # of the stream, which has noticed later
    assert kept.messages == ["fist.onset.None", "fist.release.stalled"]


def test_what_is_held_stands_where_other_workers_look() -> None:
    row = new_row()
    sender = sender_of("osc", Kept(), form, row=row)
    sender.gesture(event(variant="double"))
    assert row.held == HeldGesture(7, 1, 2400, 2000, 100, 1)
    sender.rest("shutdown")
    assert row.held is None


def test_what_a_dead_worker_held_is_released_by_the_next() -> None:
    row, kept = new_row(), Kept()
    sender_of("osc", Kept(), form, row=row).gesture(event(id=0))  # killed with it
    other = sender_of("osc", kept, form)
    other.release_orphans([new_row(), row])
    assert kept.messages == ["fist.release.shutdown"]
    assert row.held is None
    other.release_orphans([row])
    assert len(kept.messages) == 1


def test_a_class_that_this_model_has_not_is_not_released() -> None:
    row, kept = new_row(), Kept()
    row.holds(HeldGesture(1, 99, 0, 0, 0, 0))
    sender_of("osc", kept, form).release_orphans([row])
    assert kept.messages == []


def test_frames_of_classes_are_nothing_to_it() -> None:
    kept, row = Kept(), new_row()
    sender_of("osc", kept, form, row=row).frame(make_frame(10))
    assert (kept.messages, row.frames) == ([], 0)


def values_form(values: object, _timestamp: float) -> object:
    return values


def test_frames_of_values_go_out_and_their_rest_is_the_last_word(tmp_path: Path) -> None:
    kept, row = Kept(), new_row()
    manifest = regression(tmp_path).manifest
    sender = sender_of("osc", kept, form, row=row, manifest=manifest, default_values=values_form)
    sender.frame(frame(grip=0.5))
    sender.rest("shutdown")
    assert kept.messages == [
        {"wrist_flexion": -12.5, "grip": 0.5, "elbow": 90.0},
        {"wrist_flexion": 0.0, "grip": 0.0, "elbow": 30.0},
    ]
    assert row.frames == 1


def test_rows_of_values_say_which_and_one_that_the_model_has_not_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kept, row = Kept(), new_row()
    rows = table('"values" = ["osc /grip {grip}", "osc /thumb {thumb}"]')
    sender = sender_of("osc", kept, form, rows, row, regression(tmp_path).manifest, values_form)
    for _ in range(3):
        sender.frame(frame(grip=0.5))
    assert kept.messages == [OscMessage("/grip", (0.5,))] * 3
    assert row.drops == 3
    assert len(caplog.records) == 1
    assert "line 1: \"values\": a message by osc was not sent: there is no value 'thumb'" in caplog.text


def test_closing_closes_the_carrier() -> None:
    kept = Kept()
    sender_of("osc", kept, form).close()
    assert kept.closed == 1
