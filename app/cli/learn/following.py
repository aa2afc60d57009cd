"""`emg learn --follow`: a hand follows a cursor in the terminal, and a model of values is learned from that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.learn.cursor_view import CursorView
from app.errors import DataError

if TYPE_CHECKING:
    from myostream_client import Cursor, Progress, StreamingInferenceClient, Taught

SECONDS = 120.0


def follow_cursor(client: StreamingInferenceClient, options: dict[str, Any]) -> Taught:
    """Have a person follow the cursor, and return what came of it.

    Raises:
        DataError: they stopped.
    """
    seconds, told = options["seconds"] or SECONDS, ""
    click.echo(f"follow the cursor for {seconds:.0f} s: {', '.join(options['follow'])}", err=True)

    def learning(progress: Progress) -> None:
        nonlocal told
        if progress.text != told:
            told = progress.text
            click.echo(f"learning: {told}", err=True)

    with CursorView() as view:

        def moved(cursor: Cursor) -> None:
            view.show(cursor.values, cursor.ahead, cursor.step_seconds, (cursor.seconds_left, cursor.seconds))

        def progressed(progress: Progress) -> None:
            view.__exit__()  # the cursor has come to its end; what is said now are lines
            learning(progress)

        try:
            return client.follow(
                options["name"],
                options["follow"],
                one_way=options["one_way"] or (),
                seconds=seconds,
                source=options["source"],
                use=options["use"] or "yes",
                on_cursor=moved,
                on_progress=progressed,
            )
        except KeyboardInterrupt:
            raise DataError("stopped; nothing of it is kept") from None
