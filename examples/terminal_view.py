"""What a stream looks like in a terminal: a panel that changes where rich is installed, else a line for each event."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from stream_events import Completed, Event, Frame, Interrupted, SourceChange, Trouble

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

BAR = 32  # characters of the longest bar
LIVE = "live"
RECENT = 120  # frames that the frame rate is taken from


class View(Protocol):
    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def best_view(classes: Callable[[], Sequence[str]]) -> View:
    """A panel when stdout is a terminal and rich is there, and then it asks for the `classes`; else lines."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console  # noqa: PLC0415  optional
        except ImportError:
            pass
        else:
            return PanelView(Console(), classes())
    return LineView()


class LineView:
    """One line for each event."""

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None: ...

    def show(self, event: Event) -> None:
        print(line_of(event), flush=True)


class PanelView:
    """The gesture, the share of every class, and how fresh all that is."""

    def __init__(self, console: Console, classes: Sequence[str]) -> None:
        from rich.live import Live  # noqa: PLC0415  optional

        self._classes = classes
        self._frame: Frame | None = None
        self._state = "connecting"
        self._stamps: deque[float] = deque(maxlen=RECENT)
        self._live = Live(self.panel(), console=console, auto_refresh=False)

    def __enter__(self) -> PanelView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        if isinstance(event, Frame):
            self._frame, self._state = event, LIVE
            self._stamps.append(event.timestamp)
        else:
            self._state = line_of(event)
        self._live.update(self.panel(), refresh=True)

    def panel(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415  optional
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        frame, live = self._frame, self._state == LIVE
        said_well = live or self._state.startswith("completed")
        state = Text(self._state, style="dim" if said_well else "bold yellow")
        if frame is None:
            return Panel(state, title="Myostream", title_align="left", width=64)
        gesture = Text(frame.decision_label, style="bold green" if live else "dim")
        if frame.label != frame.decision_label:
            gesture.append(f"   the model says {frame.label}", style="dim")
        rows = [gesture, Text(""), *self._bars(frame), Text(""), self._figures(frame), state]
        return Panel(Group(*rows), title="Myostream", title_align="left", width=64)

    def _bars(self, frame: Frame) -> list[RenderableType]:
        """One for each class, and one for the strength of the contraction."""
        from rich.text import Text  # noqa: PLC0415  optional

        rows: list[RenderableType] = []
        live = self._state == LIVE  # what is past must not look as if it were now
        for index, (name, share) in enumerate(zip(self._classes, frame.probabilities, strict=True)):
            style = ("green" if index == frame.decision else "white") if live else "dim"
            rows.append(Text.assemble((f"{name:<18.17}", style), (bar(share), style), f" {share:4.0%}"))
        style = "cyan" if live else "dim"
        rows.append(Text.assemble((f"{'intensity':<18}", style), (bar(frame.intensity), style)))
        return rows

    def _figures(self, frame: Frame) -> RenderableType:
        from rich.text import Text  # noqa: PLC0415  optional

        span = self._stamps[-1] - self._stamps[0]
        fps = (len(self._stamps) - 1) / span if span > 0 else 0.0
        return Text(
            f"{fps:.1f} fps   {frame.backend} {frame.latency_ms:.2f} ms   age {frame.age_ms:.1f} ms   "
            f"dropped {frame.dropped}",
            style="dim",
        )


def bar(share: float) -> str:
    """`share` of BAR characters, in eighths."""
    eighths = round(max(0.0, min(share, 1.0)) * BAR * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()).ljust(BAR)


def line_of(event: Event) -> str:
    """The event in one line."""
    if isinstance(event, Frame):
        truth = "" if event.truth is None else f" (truth {event.truth})"
        return (
            f"{event.frame:6d}  {event.decision_label}{truth}  model {event.label} {event.confidence:.2f}  "
            f"intensity {event.intensity:.2f}  {event.latency_ms:.2f} ms  age {event.age_ms:.1f} ms"
        )
    if isinstance(event, SourceChange):
        return f"the source has {event.status}; decision: {event.decision_label}"
    if isinstance(event, Trouble):
        return f"trouble: {event.error}"
    if isinstance(event, Interrupted):
        return f"{event.reason}; trying again in {event.delay_s:.1f} s"
    assert isinstance(event, Completed)
    why = f" ({event.reason})" if event.reason else ""
    return f"completed: {event.total_frames} frames in {event.duration_seconds:.1f} s, {event.avg_fps:.1f} fps{why}"
