"""Channels as people write them: `1-8`, `3,1,2`, `1-4,9-12`."""

from __future__ import annotations

import re

from app.errors import DataError

MOST = 1024  # channels of any model; a slip such as 1-100000 ends in a line and not in a list

_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


def parse_channels(text: str, of: int | None = None, named: str = "EMG_CHANNELS") -> tuple[int, ...]:
    """Return the columns that `text` chooses, counted from 0, in its order; `8-1` is the eight turned round.

    `of` is how many channels the source has; None where nobody knows yet. `named` is what errors call it.

    Raises:
        DataError: it is empty, no such list, names a channel twice, or one that the source has not.
    """
    said = f"{named}={text}"
    if not text.strip():
        raise DataError(f"{named} is empty: say which channels, such as 1-8 or 3,1,2")
    chosen: list[int] = []
    for part in text.split(","):
        chosen += _numbers(part, said, of)
    again = next((number for number in chosen if chosen.count(number) > 1), None)
    if again is not None:
        raise DataError(f"{said}: channel {again} is there twice")
    return tuple(number - 1 for number in chosen)


def written(columns: tuple[int, ...]) -> str:
    """Return the text that chooses those columns: (0, 1, 2, 8) is `1-3,9`."""
    runs: list[list[int]] = []
    for number in (column + 1 for column in columns):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _numbers(part: str, said: str, of: int | None) -> list[int]:
    found = _PART.fullmatch(part)
    if found is None:
        raise DataError(
            f"{said}: {part.strip()!r} is neither a channel nor a range; say it as in 1-8 or 3,1,2"
        )
    first, last = int(found[1]), int(found[2] or found[1])
    if not first or not last:
        raise DataError(f"{said}: channels are counted from 1, there is no channel 0")
    most = MOST if of is None else of
    if max(first, last) > most:
        has = f"a source has at most {MOST}" if of is None else f"the source has {of}"
        raise DataError(f"{said}: there is no channel {max(first, last)}, {has}")
    step = 1 if first <= last else -1
    return list(range(first, last + step, step))
