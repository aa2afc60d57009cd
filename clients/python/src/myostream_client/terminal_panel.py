"""A stream as a panel that changes in place. Needs rich."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from .events import Event, Frame, ModelChange, SignalFrame, ValueFrame
from .terminal_view import line_of

BAR = 32  # characters of the longest bar
LIVE = "live"
RECENT = 120  # frames that the frame rate is taken from


class PanelView:
    """The gesture, the share of every class, and how fresh all that is."""

    def __init__(self, classes: Callable[[], Sequence[str]]) -> None:
        """`classes` asks the server; anew where a frame has another number of them, as after a change of the source.

        After a change of the model the stream itself tells them.
        """
        self._ask, self._classes = classes, classes()
        self._frame: Frame | None = None
        self._state = "connecting"
        self._stamps: deque[float] = deque(maxlen=RECENT)
        self._live = Live(self.panel(), auto_refresh=False)

    def __enter__(self) -> PanelView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        if isinstance(event, Frame):
            if len(event.probabilities) != len(self._classes):
                self._classes = _as_many(self._ask(), len(event.probabilities))
            self._frame, self._state = event, LIVE
            self._stamps.append(event.timestamp)
        elif isinstance(event, ModelChange):  # the frame that is shown is of the model before
            self._classes, self._frame, self._state = event.classes, None, line_of(event)
        elif isinstance(event, (SignalFrame, ValueFrame)):  # what a model of classes said before is past
            self._frame, self._state = None, line_of(event)
        else:
            self._state = line_of(event)
        self._live.update(self.panel(), refresh=True)

    def panel(self) -> RenderableType:
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
        rows: list[RenderableType] = []
        live = self._state == LIVE  # what is past must not look as if it were now
        for index, (name, share) in enumerate(zip(self._classes, frame.probabilities, strict=True)):
            style = ("green" if index == frame.decision else "white") if live else "dim"
            rows.append(Text.assemble((f"{name:<18.17}", style), (bar(share), style), f" {share:4.0%}"))
        style = "cyan" if live else "dim"
        rows.append(Text.assemble((f"{'intensity':<18}", style), (bar(frame.intensity), style)))
        return rows

    def _figures(self, frame: Frame) -> RenderableType:
        span = self._stamps[-1] - self._stamps[0]
        fps = (len(self._stamps) - 1) / span if span > 0 else 0.0
        return Text(
            f"{fps:.1f} fps   {frame.backend} {frame.latency_ms:.2f} ms   age {frame.age_ms:.1f} ms   "
            f"dropped {frame.dropped}",
            style="dim",
        )


def _as_many(names: Sequence[str], count: int) -> list[str]:
    """Return `count` names; those that are missing are numbers."""
    return [*names, *(f"class {k}" for k in range(len(names), count))][:count]


def bar(share: float) -> str:
    """`share` of BAR characters, in eighths."""
    eighths = round(max(0.0, min(share, 1.0)) * BAR * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()).ljust(BAR)
