"""An array of a file that has not been read yet, and how one is found by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

MAX_LISTED = 20


@dataclass(frozen=True, slots=True, eq=False)
class ArrayInfo:
    """An array of a file that has not been read yet. `rows` gives some of it along its axis `axis`, as they are.

    `parts` are the rows of each trial where it is several, one behind the other; `part`: it is one of those.
    """

    name: str
    shape: tuple[int, ...]
    text: bool
    value: Callable[[], Any]  # all of it; of a text, a list of texts
    rows: Callable[[int, int, int], npt.NDArray[Any]]
    parts: tuple[int, ...] = ()
    part: bool = False

    @property
    def short(self) -> str:
        """Its own name, without that of the struct or group that it lies in, and without case."""
        return re.sub(r"\(\d+\)$", "", re.split(r"[./@]", self.name)[-1]).lower()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def length(self) -> int:
        """The number of rows, were it a signal or one number a sample."""
        return max(self.shape, default=0)

    @property
    def flat(self) -> bool:
        return self.size == self.length

    def __str__(self) -> str:
        return f"{self.name} ({'text' if self.text else ' x '.join(map(str, self.shape)) or 'one number'})"


def first_of(arrays: Sequence[ArrayInfo], names: Sequence[str]) -> ArrayInfo | None:
    """Return the array whose own name comes first among the names, whatever case and underscores; None: no one's."""
    plain = {name.replace("_", ""): k for k, name in reversed(list(enumerate(names)))}
    fitting = [array for array in arrays if array.short.replace("_", "") in plain]
    return min(fitting, key=lambda array: plain[array.short.replace("_", "")], default=None)


def named_among(arrays: Sequence[ArrayInfo], said: str | None) -> tuple[ArrayInfo, str | None] | None:
    """Return the array of that name, or `name:channels`; by its own name where that is the only one."""
    if said is None:
        return None
    name, _, part = said.partition(":")
    for called, rest in ((said, None), (name, part or None)):
        exact = [array for array in arrays if array.name == called]
        short = [array for array in arrays if array.short == called.lower()]
        if exact or len(short) == 1:
            return (exact or short)[0], rest
    return None


def listed(arrays: Sequence[ArrayInfo]) -> str:
    """Return some arrays in words."""
    more = f" and {len(arrays) - MAX_LISTED} more" if len(arrays) > MAX_LISTED else ""
    return (", ".join(str(array) for array in arrays[:MAX_LISTED]) or "nothing") + more
