"""The cursor that a person follows, on stderr: a track for each value in a terminal, else a line every five seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from app.cli.learn.view import can_draw

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

HALF = 24  # columns from the middle of a track to its end
SOON_S = 1.0  # ahead: where the cursor will be, dim
FLOW_S = 0.06  # between two pictures: a terminal shows no more
SAY_S = 5.0


class CursorView:
    """Shows where the cursor is, from the first time that it is told; leaves nothing behind in a terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._shown_at, self._said_at = clock, -FLOW_S, -SAY_S
        self._draws = can_draw()
        self._live: Live | None = None

    def __enter__(self) -> CursorView:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)
            self._live = None

    def show(
        self,
        values: Mapping[str, float],
        ahead: Mapping[str, Sequence[float]],
        step_seconds: float,
        left: tuple[float, float],
    ) -> None:
        """Show it; `left` are the seconds that are left, and of the whole."""
        now = self._clock()
        if self._draws:
            if now - self._shown_at >= FLOW_S:
                self._shown_at = now
                self._draw(self._picture(values, ahead, step_seconds, left))
        elif now - self._said_at >= SAY_S:
            self._said_at = now
            places = ", ".join(f"{name} {value:+.1f}" for name, value in values.items())
            click.echo(f"follow: {places}; {left[0]:.0f} of {left[1]:.0f} s left", err=True)

    def _draw(self, picture: RenderableType) -> None:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.__enter__()
        self._live.update(picture, refresh=True)

    def _picture(
        self,
        values: Mapping[str, float],
        ahead: Mapping[str, Sequence[float]],
        step_seconds: float,
        left: tuple[float, float],
    ) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        soon = round(SOON_S / step_seconds)
        rows = []
        for name, value in values.items():
            later = ahead[name][min(soon, len(ahead[name]) - 1)]
            row = Text(f"{name[:14]:14}  ")
            for letter in track(value, later):
                row.append(letter, style={"●": "bold green", "○": "dim green"}.get(letter, "dim"))
            rows.append(row.append(f"  {value:+.2f}"))
        keys = Text("Move as far as the green dot; the hollow one is a second ahead. Ctrl-C stops", "dim")
        return Panel(
            Group(Text(" "), *rows, Text(" "), keys), title=f"{left[0]:.0f} seconds left", title_align="left"
        )


def track(value: float, later: float) -> str:
    """Return a track from -1 to 1 with the cursor, and where it will be; the middle is rest."""
    cells = ["─"] * (2 * HALF + 1)
    cells[HALF] = "┼"
    for place, letter in ((later, "○"), (value, "●")):
        cells[HALF + round(HALF * min(max(place, -1.0), 1.0))] = letter
    return "".join(cells)
