"""What a row of the table says is to be sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from app.serving.outputs.actions.pattern import Pattern


class Action(Protocol):
    """One message with places in it."""

    def fill(self, fields: Mapping[str, Any], /) -> Any:
        """Return the message, in the form that its way out sends.

        Raises:
            KeyError: it has a place for what these fields have not.
            ValueError: filled in, it is no message of that way.
        """


class Asked(NamedTuple):
    """What a row's text is read with."""

    text: str  # behind the way's name
    pattern: Pattern  # which events it is for
    places: Collection[str] | None  # names that placeholders may have; None: any


ParseAction = Callable[[Asked], Action]  # raises ConfigError: what is wrong, and what is allowed


@dataclass(frozen=True, slots=True)
class Row:
    """One message of the table."""

    number: int  # from 0, of all messages
    where: str  # the file, the line and the key, for whoever must find it
    pattern: Pattern
    way: str
    action: Action
