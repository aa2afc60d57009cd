"""Numbers of things in messages: 1 gap, 2 gaps."""

from __future__ import annotations


def counted(count: int, noun: str, more: str | None = None) -> str:
    """Return a number and its noun, in the plural (`more`, else with an s) where it is not 1."""
    return f"{count} {noun if count == 1 else more or noun + 's'}"


def verb(count: int, one: str, more: str) -> str:
    """Return the verb that goes with so many things, such as is and are."""
    return one if count == 1 else more
