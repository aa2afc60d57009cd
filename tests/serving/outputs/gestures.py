"""Gesture events, and whoever hears of them, for tests of the ways out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.inference.gestures.events import GestureEvent
from app.inference.manifest import Manifest
from app.serving.counters.output_row import OutputRow
from app.serving.outputs.actions.table import NO_ROWS, ActionTable, parse_table
from app.serving.outputs.event_sender import EventSender
from app.serving.outputs.forms import FORMS
from app.serving.outputs.mailbox import Letter
from tests.inference.artefacts import make_manifest

MANIFEST: Manifest = make_manifest(classes=("rest", "fist", "open hand"), rest_class="rest")


def event(phase: str = "onset", gesture: str = "fist", **changes: Any) -> GestureEvent:
    said: dict[str, Any] = {
        "gesture": gesture,
        "phase": phase,
        "id": 7,
        "variant": "single",
        "index": 1,
        "sample_index": 2400,
        "began_at": 2000,
        "refined_by": 100,
        "strength": 0.625,
        "confidence": 0.9,
        "held_s": 0.0,
        "reason": "rest" if phase == "release" else None,
        "timestamp": 1764000000.25,
    }
    return GestureEvent(**{**said, **changes})


def table(text: str) -> ActionTable:
    return parse_table(text.encode(), FORMS)


def new_row() -> OutputRow:
    return OutputRow(memoryview(bytearray(8 * 11)).cast("d"))


class Kept:
    """A Carrier that keeps the letters."""

    trouble: str | None = None

    def __init__(self) -> None:
        self.letters: list[Letter[Any]] = []
        self.overs = self.closed = 0

    def put(self, letter: Letter[Any]) -> None:
        self.letters.append(letter)

    def over(self) -> None:
        self.overs += 1

    def close(self) -> None:
        self.closed += 1

    @property
    def messages(self) -> list[Any]:
        return [letter.message for letter in self.letters]


def sender_of(
    way: str,
    carrier: Any,
    default: Any,
    rows: ActionTable = NO_ROWS,
    row: OutputRow | None = None,
    manifest: Manifest = MANIFEST,
    default_values: Any = None,
) -> EventSender[Any]:
    return EventSender(way, manifest, lambda: rows, carrier, row or new_row(), default, default_values)


def phases(events: Sequence[GestureEvent]) -> list[str]:
    return [one.phase for one in events]
