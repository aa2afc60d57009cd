"""What all ways out of events have in common: which messages an event becomes, and that each onset has its release."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.counters.output_row import HeldGesture, OutputRow
from app.serving.outputs.actions.action import Row
from app.serving.outputs.actions.pattern import VARIANTS
from app.serving.outputs.actions.table import ActionTable
from app.serving.outputs.actions.template import JSON
from app.serving.outputs.gesture_gate import GestureGate, Told
from app.serving.outputs.mailbox import Kind, Letter
from app.serving.streams.events import Frame, ValueFrame

log = logging.getLogger(__name__)

M = TypeVar("M")


class Carrier(Protocol[M]):
    """What brings letters to the receiver: a Delivery, or a device of this machine."""

    trouble: str | None

    def put(self, letter: Letter[M], /) -> None: ...

    def over(self) -> None:
        """The gesture is over, whatever the table says of its release."""

    def close(self) -> None: ...


class EventSender(Generic[M]):
    """Sends gesture events, and the frames of a model of values where the way has a form for them. Fits Sender.

    `default` makes the message of an event where no row of the table names this way, and `default_values` that of a
    frame of values (None: it sends none).
    """

    def __init__(
        self,
        way: str,
        manifest: Manifest,
        table: Callable[[], ActionTable],
        carrier: Carrier[M],
        row: OutputRow,
        default: Callable[[GestureEvent], M],
        default_values: Callable[[Mapping[str, float], float], M] | None = None,
    ) -> None:
        self._way, self._manifest, self._table, self._carrier, self._row = way, manifest, table, carrier, row
        self._default, self._default_values = default, default_values
        self._gate = GestureGate()
        self._complained: tuple[ActionTable | None, set[int]] = None, set()  # of which rows of which table

    @property
    def trouble(self) -> str | None:
        """Return why messages are not taken just now."""
        return self._carrier.trouble

    def release_orphans(self, rows: Sequence[OutputRow]) -> None:
        """Release what a worker held that has died; to be called while no other may send this way."""
        for row in rows:
            held, classes = row.held, self._manifest.classes
            row.holds(None)
            if held is not None and 0 <= held.number < len(classes):
                self._tell(Told(0, _release_of(held, classes[held.number])))

    def follow(self, manifest: Manifest) -> bool:
        if self._manifest.gives_values and not manifest.gives_values:
            self._neutral()
        self._manifest = manifest
        return True

    def frame(self, frame: Frame | ValueFrame) -> None:
        if isinstance(frame, ValueFrame):
            self._tell_values(dict(frame.output), frame.timestamp, frame.sample_index)
            self._row.sent()

    def gesture(self, event: GestureEvent) -> None:
        self._tell_all(self._gate.take(event))

    def rest(self, reason: Reason = "stalled") -> None:
        self._tell_all(self._gate.end(reason))
        if self._manifest.gives_values:
            self._neutral()

    def close(self) -> None:
        self._carrier.close()

    def _neutral(self) -> None:
        rest = {value.name: value.neutral for value in self._manifest.outputs.values}
        self._tell_values(rest, time.time(), None)

    def _tell_all(self, told: Sequence[Told]) -> None:
        for one in told:
            self._tell(one)
        if told:
            self._row.holds(_held(self._gate.held))

    def _tell(self, told: Told) -> None:
        serial, event = told
        table = self._table()
        if event.phase == "release":
            self._carrier.over()
        if not table.names(self._way):
            self._carrier.put(Letter(self._default(event), event.phase, serial, -1))
            return
        fields = {"reason": None, **event.fields}
        fields[JSON] = json.dumps(event.fields)
        self._fill(table, table.for_event(self._way, event), fields, event.phase, serial)

    def _tell_values(self, values: dict[str, float], timestamp: float, sample_index: int | None) -> None:
        table = self._table()
        if not table.names(self._way):
            if self._default_values is not None:
                self._carrier.put(Letter(self._default_values(values, timestamp), "values", 0, -1))
            return
        fields = {**values, "timestamp": timestamp, "sample_index": sample_index, JSON: json.dumps(values)}
        self._fill(table, table.for_values(self._way), fields, "values", 0)

    def _fill(
        self, table: ActionTable, rows: Sequence[Row], fields: Mapping[str, Any], kind: Kind, serial: int
    ) -> None:
        for row in rows:
            try:
                message: M = row.action.fill(fields)
            except (
                KeyError,
                ValueError,
            ) as error:  # a value that this model has not, or that no message can have
                self._row.dropped(1)
                self._complain(table, row, error)
                continue
            self._carrier.put(Letter(message, kind, serial, row.number))

    def _complain(self, table: ActionTable, row: Row, error: Exception) -> None:
        """Say once of each row what is wrong."""
        if self._complained[0] is not table:
            self._complained = table, set()
        if row.number not in self._complained[1]:
            self._complained[1].add(row.number)
            why = f"there is no value {error}" if isinstance(error, KeyError) else str(error)
            log.warning("%s: a message by %s was not sent: %s", row.where, self._way, why)


def _held(event: GestureEvent | None) -> HeldGesture | None:
    if event is None:
        return None
    variant = VARIANTS.index(event.variant)
    return HeldGesture(event.id, event.index, event.sample_index, event.began_at, event.refined_by, variant)


def _release_of(held: HeldGesture, gesture: str) -> GestureEvent:
    """Return the release of a gesture of which nothing else is known any more."""
    return GestureEvent(
        gesture=gesture,
        phase="release",
        id=held.id,
        variant=VARIANTS[held.variant],
        index=held.number,
        sample_index=held.sample_index,
        began_at=held.began_at,
        refined_by=held.refined_by,
        strength=0.0,
        confidence=0.0,
        held_s=0.0,
        reason="shutdown",
        timestamp=time.time(),
    )
