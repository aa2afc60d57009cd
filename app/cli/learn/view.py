"""What `emg learn` shows on stderr: one picture that changes in a terminal, a line for each event elsewhere."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import click

from app.cli.learn.big_letters import big
from app.cli.verdicts import said
from app.counted import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from myostream_client import Progress, Prompt, Repetition

BAR = 40  # characters
KEYS = "p pause   r again   s skip   Ctrl-C stop"
GO_ON = "r again   Enter go on"


class View(Protocol):
    """Shows how a lesson goes."""

    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...

    def prompt(self, prompt: Prompt) -> None: ...

    def repetition(self, repetition: Repetition, *, again: bool) -> None: ...

    def progress(self, progress: Progress) -> None: ...


def best_view(keys: bool) -> View:
    """Return a picture where stderr is a terminal, else lines. `keys`: there is a keyboard."""
    return PanelView(keys) if can_draw() else LineView()


class LineView:
    """One line for each event."""

    def __init__(self) -> None:
        self._text = ""

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None: ...

    def prompt(self, prompt: Prompt) -> None:
        if prompt.begins:
            click.echo(_line_of(prompt), err=True)

    def repetition(self, repetition: Repetition, *, again: bool) -> None:
        click.echo(f"  {said(repetition)}{' Once more.' if again else ''}", err=True)

    def progress(self, progress: Progress) -> None:
        if progress.text != self._text:
            self._text = progress.text
            click.echo(f"learning: {progress.text}", err=True)


class PanelView:
    """The word across the terminal, how long it is still for, what comes next, and what was made of the last."""

    def __init__(self, keys: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        self._keys, self._last, self._bad = keys, "", False
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> PanelView:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def prompt(self, prompt: Prompt) -> None:
        self._live.update(self._picture(prompt), refresh=True)

    def repetition(self, repetition: Repetition, *, again: bool) -> None:  # noqa: ARG002  the prompt says it
        self._last, self._bad = said(repetition), not repetition.good

    def progress(self, progress: Progress) -> None:
        from rich.text import Text

        rows = [Text(progress.text, style="bold"), _bar(progress.progress, "green")]
        self._live.update(self._framed("Learning", rows), refresh=True)

    def _picture(self, prompt: Prompt) -> RenderableType:
        from rich.align import Align
        from rich.text import Text

        style, waits = _style_of(prompt), prompt.paused or _is_over(prompt)
        word = Text("\n".join(big(_word_of(prompt), self._console.width - 4)), style=style, no_wrap=True)
        share = 1.0 - prompt.seconds_left / prompt.seconds if prompt.seconds > 0 else 0.0
        left = Text.assemble(_bar(share, style), f"  {prompt.seconds_left:4.1f} s   {_next_of(prompt)}")
        last = Text(self._last or " ", style="bold yellow" if self._bad else "green")
        keys = Text((GO_ON if waits else KEYS) if self._keys else " ", style="dim")
        gap = Text(" ")  # an empty one has no row
        rows = (gap, word, gap, gap if prompt.paused else left, gap, last, keys)
        title = f"{prompt.step}/{prompt.steps}   {counted(round(prompt.total_seconds_left), 'second')} left in all"
        return self._framed(title, [Align.center(row) for row in rows])

    def _framed(self, title: str, rows: Sequence[RenderableType]) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel

        return Panel(Group(*rows), title=title, title_align="left")


def _bar(share: float, style: str) -> Text:
    from rich.text import Text

    full = round(BAR * min(max(share, 0.0), 1.0))
    return Text.assemble(("█" * full, style), ("░" * (BAR - full), "dim"))


def _style_of(prompt: Prompt) -> str:
    if prompt.paused:
        return "bold yellow"
    return "bold green" if prompt.label else "bold cyan"


def _word_of(prompt: Prompt) -> str:
    if prompt.paused:
        return "paused"
    return prompt.label or ("done" if _is_over(prompt) else "get ready")


def _is_over(prompt: Prompt) -> bool:
    """Whether it waits only for the last to be done again."""
    return prompt.label is None and prompt.next_label is None


def _next_of(prompt: Prompt) -> str:
    return f"then {prompt.next_label}" if prompt.next_label else "then it is done"


def _line_of(prompt: Prompt) -> str:
    if prompt.paused:
        return "paused"
    left = f"{prompt.total_seconds_left:.0f} s left in all"
    if prompt.label is None:
        if _is_over(prompt):
            return "that was all, unless the last is done again"
        return f"get ready for {prompt.next_label}: {prompt.seconds_left:.1f} s; {left}"
    where = f"{prompt.step}/{prompt.steps} {prompt.label.upper()}"
    return f"{where}: {prompt.seconds_left:.1f} s, {_next_of(prompt)}; {left}"


def can_draw() -> bool:
    """Whether stderr is a terminal that has a size, and rich is installed (requirements-edge.txt is without)."""
    try:
        return (
            find_spec("rich") is not None
            and sys.stderr.isatty()
            and os.get_terminal_size(sys.stderr.fileno()).lines > 1
        )
    except (OSError, ValueError):
        return False
