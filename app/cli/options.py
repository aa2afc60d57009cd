"""What several commands share: their common options, and one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from app.errors import ArtefactError, DataError, MyostreamError

P = ParamSpec("P")
R = TypeVar("R")

BAD_DATA, BAD_ARTEFACT = 1, 2  # exit status
LEFT_OUT = {"torch": "PyTorch", "onnxscript": "onnxscript"}  # where there is no room for them

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
force = click.option("--force", is_flag=True, help="Replace what is there already.")


def names_of(_context: click.Context, _option: click.Parameter, text: str | None) -> list[str] | None:
    """Return the names in a list with commas between; None where there is none."""
    names = None if text is None else [name.strip() for name in text.split(",")]
    if names is not None and (not all(names) or len(set(names)) != len(names)):
        raise click.BadParameter("names with commas between, each once, such as rest,fist,point")
    return names


def as_pairs(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return (old, new) of each OLD=NEW."""
    pairs = []
    for text in texts:
        old, given, new = (part.strip() for part in text.partition("="))
        if not (old and given and new):
            raise click.BadParameter("OLD=NEW, such as fist=grasp")
        pairs.append((old, new))
    return tuple(pairs)


as_renamed = click.option(
    "--rename",
    multiple=True,
    callback=as_pairs,
    help="OLD=NEW: what the model calls a gesture of the recordings; several.",
)
as_gestures = click.option(
    "--gestures",
    callback=names_of,
    help="What labels 0, 1, ... are, where a file names none: rest,fist,point.",
)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Say what went wrong in one line on stderr; exit status 2 for the artefact, 1 for the data and all else."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except MyostreamError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(BAD_ARTEFACT if isinstance(error, ArtefactError) else BAD_DATA)
        except ModuleNotFoundError as error:
            if error.name not in LEFT_OUT:
                raise
            click.echo(
                f"error: this needs {LEFT_OUT[error.name]}, which requirements-edge.txt leaves out: "
                "pip install -r requirements.txt",
                err=True,
            )
            sys.exit(BAD_DATA)

    return guarded


def expect_free_file(path: Path | None, force: bool) -> None:
    """Refuse to write over a file that is there.

    Raises:
        DataError: it is, and nobody said that it may be replaced.
    """
    if path is not None and path.exists() and not force:
        raise DataError(f"{path} exists; choose another name, or replace it with --force")


def progress(items: Iterable[int], total: int, what: str) -> Iterable[int]:
    """Yield the items under a progress bar, which is drawn only where stderr is a terminal."""
    from tqdm import tqdm

    # disable=None: only where stderr is a terminal
    bar: Iterable[int] = tqdm(items, total=total, desc=what, file=sys.stderr, leave=False, disable=None)
    return bar


def say(as_json: bool, report: dict[str, Any], text: str) -> None:
    """Print a result: as JSON, or as text for people."""
    click.echo(json.dumps(report) if as_json else text)
