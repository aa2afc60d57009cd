"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# (numbers, how many, what they count) -> the same numbers, each of them told when it is taken
Progress = Callable[[Iterable[int], int, str], Iterable[int]]


def silently(items: Iterable[int], _total: int, _what: str) -> Iterable[int]:
    """Return the same numbers, and tell nobody."""
    return items
