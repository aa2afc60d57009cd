"""What a stream looks like in a terminal: a panel that changes where rich is installed, else a line for each event."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from .events import (
    Completed,
    Event,
    Frame,
    GestureEvent,
    Interrupted,
    ModelChange,
    SignalFrame,
    SourceChange,
    Trouble,
    ValueFrame,
)


class View(Protocol):
    """Shows the events of a stream while it runs."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def best_view(classes: Callable[[], Sequence[str]]) -> View:
    """Return a panel when stdout is a terminal and rich is there, and then it asks for the `classes`; else lines."""
    if sys.stdout.isatty():
        try:
            from .terminal_panel import PanelView  # noqa: PLC0415  it needs rich, which is optional
        except ImportError:
            pass
        else:
            return PanelView(classes)
    return LineView()


class LineView:
    """One line for each event."""

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None: ...

    def show(self, event: Event) -> None:
        print(line_of(event), flush=True)


def line_of(event: Event) -> str:
    """Return the event in one line."""
    if isinstance(event, (Frame, SignalFrame, ValueFrame)):
        return _line_of_frame(event)
    if isinstance(event, GestureEvent):
        return _line_of_gesture(event)
    if isinstance(event, SourceChange):
        decision = "" if event.decision_label is None else f"; decision: {event.decision_label}"
        output = "" if event.output is None else f"; output: {_listed(event.output)}"
        return f"the source has {event.status}{decision}{output}"
    if isinstance(event, ModelChange):
        what = "" if event.model is None else f": {_told(event)}"
        return f"{event.model or 'no model'} reads the source from sample {event.from_sample} on{what}"
    if isinstance(event, Trouble):
        return f"trouble: {event.error}"
    return _last_line(event)


def _last_line(event: Interrupted | Completed) -> str:
    if isinstance(event, Interrupted):
        return f"{event.reason}; trying again in {event.delay_s:.1f} s"
    why = f" ({event.reason})" if event.reason else ""
    return f"completed: {event.total_frames} frames in {event.duration_seconds:.1f} s, {event.avg_fps:.1f} fps{why}"


def _line_of_frame(event: Frame | SignalFrame | ValueFrame) -> str:
    if isinstance(event, Frame):
        truth = "" if event.truth is None else f" (truth {event.truth})"
        return (
            f"{event.frame:6d}  {event.decision_label}{truth}  model {event.label} {event.confidence:.2f}  "
            f"intensity {event.intensity:.2f}  {event.latency_ms:.2f} ms  age {event.age_ms:.1f} ms"
        )
    if isinstance(event, ValueFrame):
        held = "" if event.output == event.values else f"  held at {_listed(event.output)}"
        return (
            f"{event.frame:6d}  {_listed(event.values)}{held}  intensity {event.intensity:.2f}  "
            f"{event.latency_ms:.2f} ms  age {event.age_ms:.1f} ms"
        )
    truth = "" if event.truth is None else f"  truth {event.truth}"
    bad = "".join(f"  {problem} {channels}" for problem, channels in (event.quality or {}).items())
    return f"{event.frame:6d}  no model{truth}  sample {event.sample_index}  age {event.age_ms:.1f} ms{bad}"


def _line_of_gesture(event: GestureEvent) -> str:
    variant = "" if event.variant == "single" else f"{event.variant} "
    said = f"{variant}{event.gesture} {event.phase}  strength {event.strength:.2f}  {event.confidence:.2f}"
    if event.phase == "onset":
        return f"{said}  began at sample {event.began_at}"
    return f"{said}  held {event.held_s:.2f} s" + (f" ({event.reason})" if event.reason else "")


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def _told(event: ModelChange) -> str:
    """Return what the model tells apart, or the names of its values."""
    values = (event.outputs or {}).get("values", ())
    return ", ".join(event.classes or [value["name"] for value in values])
