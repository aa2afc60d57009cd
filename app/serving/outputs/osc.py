"""Gesture events as messages of Open Sound Control 1.0 over UDP.

https://opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import Template
from app.serving.outputs.datagrams import Datagrams

FORM = 'osc /ADDRESS and values, such as "osc /grip 1", "osc /strength {strength}" or "osc /say \'a text\'"'
_NOT_IN_ADDRESS = re.compile(
    r"[\s#*,?\[\]]"
)  # what the specification keeps for patterns; braces are placeholders
MOST_ARGUMENTS = 64
WHOLE = 2.0**24  # from here on float32 has not even every whole number: a Unix time would be a minute off


@dataclass(frozen=True, slots=True)
class OscMessage:
    """An address and its values: int, float or str."""

    address: str
    values: tuple[int | float | str, ...]


@dataclass(frozen=True, slots=True)
class OscAction:
    """A message with places in it. A value that is one placeholder keeps its type."""

    address: Template
    values: tuple[Template | int | float, ...]

    def fill(self, fields: Mapping[str, Any]) -> OscMessage:
        address = _NOT_IN_ADDRESS.sub("_", self.address.fill(fields))  # a gesture may be called "open hand"
        values = [one.value(fields) if isinstance(one, Template) else one for one in self.values]
        return OscMessage(address, tuple("" if one is None else one for one in values))


def parse_osc(asked: Asked) -> OscAction:
    """Return what `/address value ...` says. Numbers are numbers; quotes make a text of what has blanks.

    Raises:
        ConfigError: it is none.
    """
    try:
        words = shlex.split(asked.text)
    except ValueError as error:
        raise ConfigError(f"{error}; the form is {FORM}") from None
    if not words or not words[0].startswith("/") or len(words[0]) < 2:
        raise ConfigError(f"an OSC address begins with '/'; the form is {FORM}")
    if _NOT_IN_ADDRESS.search(words[0]):
        raise ConfigError(f"{words[0]!r} is no OSC address: '#*,?[]' and blanks are not allowed in it")
    if len(words) - 1 > MOST_ARGUMENTS:
        raise ConfigError(f"{len(words) - 1} values; at most {MOST_ARGUMENTS} are allowed")
    values = tuple(_value(word, asked) for word in words[1:])
    return OscAction(Template.parse(words[0], asked.places), values)


def of_event(event: GestureEvent) -> OscMessage:
    """Return `/myostream/onset "fist" 7 0.62 0.97 0.0`: gesture, id, strength, confidence, seconds held."""
    values = (event.gesture, event.id, float(event.strength), float(event.confidence), float(event.held_s))
    return OscMessage(f"/myostream/{event.phase}", values)


def of_values(values: Mapping[str, float], _timestamp: float) -> OscMessage:
    """Return the default form of a frame of values: `/myostream/values` with all of them."""
    return OscMessage("/myostream/values", tuple(float(value) for value in values.values()))


class OscReceiver:
    """Encodes messages and sends them."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._builder = load_osc()
        self._to = Datagrams("EMG_OSC", *address)

    def send(self, message: OscMessage) -> None:
        """Send one.

        Raises:
            OSError: the network does not take it.
        """
        builder = self._builder(message.address)
        for value in message.values:
            builder.add_arg(value, _type(value))
        self._to.send(builder.build().dgram)

    def close(self) -> None:
        self._to.close()


def load_osc() -> Any:
    """Return the class that builds messages.

    Raises:
        ConfigError: python-osc is not there.
    """
    try:
        from pythonosc.osc_message_builder import OscMessageBuilder
    except ImportError:
        raise ConfigError("EMG_OSC needs python-osc: install requirements-outputs.txt") from None
    return OscMessageBuilder


def _type(value: object) -> str:
    if isinstance(value, str):
        return "s"
    if isinstance(value, float):
        return "f" if abs(value) < WHOLE else "d"
    return "i" if isinstance(value, int) and -(2**31) <= value < 2**31 else "h"


def _value(word: str, asked: Asked) -> Template | int | float:
    with contextlib.suppress(ValueError):
        return int(word)
    with contextlib.suppress(ValueError):
        return float(word)
    return Template.parse(word, asked.places)
