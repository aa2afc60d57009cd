"""Gesture events as JSON, one a datagram."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import JSON, Template
from app.serving.outputs.datagrams import MOST, Datagrams


@dataclass(frozen=True, slots=True)
class TextAction:
    """A text with places in it; `{json}` where nothing is said."""

    text: Template

    def fill(self, fields: Mapping[str, Any]) -> str:
        return self.text.fill(fields)


def parse_datagram(asked: Asked) -> TextAction:
    """Return what a row for UDP says: the text of a datagram.

    Raises:
        ConfigError: it has a place that there is not, or is too long.
    """
    if len(asked.text.encode()) > MOST:
        raise ConfigError(f"a datagram of {len(asked.text.encode())} bytes; at most {MOST} are allowed")
    return parse_text(asked)


def parse_text(asked: Asked) -> TextAction:
    """Return what a row says whose message is a text.

    Raises:
        ConfigError: it has a place that there is not.
    """
    return TextAction(Template.parse(asked.text or f"{{{JSON}}}", asked.places))


def of_event(event: GestureEvent) -> str:
    """Return an event as streams have it."""
    return json.dumps(event.fields)


def of_values(values: Mapping[str, float], timestamp: float) -> str:
    """Return a frame of values as JSON."""
    return json.dumps({"values": dict(values), "timestamp": timestamp})


class TextDatagrams:
    """Sends texts, one a datagram."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._to = Datagrams("EMG_UDP_JSON", *address)

    def send(self, text: str) -> None:
        """Send one.

        Raises:
            OSError: the network does not take it.
        """
        self._to.send(text.encode())

    def close(self) -> None:
        self._to.close()
