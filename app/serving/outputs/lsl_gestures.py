"""Gesture events as LSL markers, each with the time of what it tells: an onset with that at which the muscle began."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.emg.lsl.gesture_outlet import GestureOutlet
from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.counters.output_row import OutputRow
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import Template
from app.serving.outputs.mailbox import Letter

DEFAULT = "{gesture}.{phase}"


@dataclass(frozen=True, slots=True)
class Marker:
    """A text, and when what it tells happened (Unix s), as far as the event knows: samples are counted back."""

    text: str
    timestamp: float  # of the decision
    samples_before: int  # from what happened to the window's end that showed it


@dataclass(frozen=True, slots=True)
class MarkerAction:
    """A marker with places in it."""

    text: Template

    def fill(self, fields: Mapping[str, Any]) -> Marker:
        before = fields["sample_index"] - fields["began_at"] if fields["phase"] == "onset" else 0
        return Marker(self.text.fill(fields), fields["timestamp"], before)


def parse_marker(asked: Asked) -> MarkerAction:
    """Return what a row for LSL says: a marker's text; `fist.onset` where there is none.

    Raises:
        ConfigError: it has a place that there is not, or is for values, which have a stream of their own.
    """
    if asked.pattern.of_values:
        raise ConfigError("values are an LSL stream of their own, Myostream; allowed: rows of gestures")
    return MarkerAction(Template.parse(asked.text or DEFAULT, asked.places))


def of_event(event: GestureEvent) -> Marker:
    """Return the default form, such as `fist.onset`."""
    before = event.sample_index - event.began_at if event.phase == "onset" else 0
    return Marker(f"{event.gesture}.{event.phase}", event.timestamp, before)


class GestureMarkers:
    """Pushes markers as they come; liblsl never waits. Fits Carrier."""

    trouble: str | None = None

    def __init__(self, outlet: GestureOutlet, rate_hz: Callable[[], float | None], row: OutputRow) -> None:
        """`rate_hz` is that of the source whose samples events count; None while there is none."""
        self._outlet, self._rate_hz, self._row = outlet, rate_hz, row

    def put(self, letter: Letter[Marker]) -> None:
        marker = letter.message
        rate_hz = self._rate_hz()
        earlier_s = marker.samples_before / rate_hz if rate_hz else 0.0
        self._outlet.mark(marker.text, marker.timestamp - earlier_s)
        self._row.delivered()

    def over(self) -> None:
        """Nothing to do: markers hold nothing."""

    def close(self) -> None:
        self._outlet.close()
