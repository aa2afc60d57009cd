"""What a library says of a damaged file, in one line of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from app.errors import DataError, no_descriptor

log = logging.getLogger(__name__)
Item = TypeVar("Item")


@contextmanager
def in_one_line(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever is raised within into a DataError: parsers raise nearly anything on a damaged file."""
    try:
        yield
    except (DataError, GeneratorExit):
        raise
    except Exception as error:
        if no_descriptor(error):
            raise
        log.debug("%s cannot be read", path, exc_info=True)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path.name}: is damaged or not {kind} ({reason[:200]})") from None


def iterated_in_one_line(
    path: Path, kind: str, items: Callable[[], Iterator[Item]]
) -> Callable[[], Iterator[Item]]:
    """Return `items`, with the same care whenever the next of them is made."""

    def careful() -> Iterator[Item]:
        made = items()
        while True:
            with in_one_line(path, kind):
                try:
                    item = next(made)
                except StopIteration:
                    return
            yield item  # outside: what the reader of the items raises is theirs

    return careful
