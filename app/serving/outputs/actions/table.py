"""The table `actions.toml`: which events become which messages.

A row is a key and one message, or several in a list:

    "fist.onset" = "osc /grip 1"
    "fist.release" = ["osc /grip 0", "keyboard tap space"]
    "*.hold" = "mqtt hand/strength {strength}"

The key is GESTURE.PHASE or GESTURE.VARIANT.PHASE (see pattern.py). A message begins with the name of a way out; what
follows is of that way's own form. Every row that is for an event is sent, in the order of the file. A way out that no
row names sends every event in its default form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.inference.manifest import Manifest
from app.serving.outputs.actions.action import Asked, ParseAction, Row
from app.serving.outputs.actions.pattern import ANY, Pattern
from app.serving.outputs.actions.template import OF_EVENTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_ROWS = 1000
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ActionTable:
    """All rows, in the order of the file."""

    rows: tuple[Row, ...]

    def names(self, way: str) -> bool:
        """Whether a row is for that way out."""
        return any(row.way == way for row in self.rows)

    def for_event(self, way: str, event: GestureEvent) -> list[Row]:
        """Return what that way out sends of an event."""
        return [row for row in self.rows if row.way == way and row.pattern.takes(event)]

    def for_values(self, way: str) -> list[Row]:
        """Return what that way out sends of each frame of values."""
        return [row for row in self.rows if row.way == way and row.pattern.of_values]

    @property
    def ways(self) -> list[str]:
        return sorted({row.way for row in self.rows})

    def expect_gestures(self, manifest: Manifest) -> None:
        """See that rows name gestures of a model of classes; rest is no gesture, and never an event.

        Raises:
            ConfigError: one names another.
        """
        gestures = [name for name in manifest.classes if name != manifest.rest_class]
        for row in self.rows if gestures else ():
            gesture = row.pattern.gesture
            if not row.pattern.of_values and gesture not in (ANY, *gestures):
                raise ConfigError(
                    f"{row.where}: {gesture!r} is no gesture of the model {manifest.name}; "
                    f"allowed: {', '.join(gestures)}, or *"
                )


NO_ROWS = ActionTable(())


def parse_table(content: bytes, forms: Mapping[str, ParseAction], path: str = "actions.toml") -> ActionTable:
    """Return the table of a file. `forms` reads the messages of each way out, by its name.

    Raises:
        ConfigError: one line with the row and what is allowed.
    """
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{path} has {len(content)} bytes; at most {MOST_BYTES} are allowed")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from None
    try:
        read = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f'{path} is no TOML: {_one_line(str(error))}; a row is "fist.onset" = "osc /grip 1"'
        ) from None
    rows: list[Row] = []
    for key, told in _flat(read):
        where = f'{path}{_line_of(key, text)}: "{key}"'
        try:
            pattern = Pattern.parse(key)
            for message in _messages(told):
                rows.append(_row(len(rows), where, pattern, message, forms))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    if len(rows) > MOST_ROWS:
        raise ConfigError(f"{path} has {len(rows)} messages; at most {MOST_ROWS} are allowed")
    return ActionTable(tuple(rows))


def _row(number: int, where: str, pattern: Pattern, message: str, forms: Mapping[str, ParseAction]) -> Row:
    way, _, rest = message.strip().partition(" ")
    if way not in forms:
        raise ConfigError(f"{way!r} is no way out; allowed: {', '.join(forms)}")
    places = None if pattern.of_values else OF_EVENTS
    return Row(number, where, pattern, way, forms[way](Asked(rest.strip(), pattern, places)))


def _messages(told: Any) -> list[str]:
    messages = told if isinstance(told, list) else [told]
    if not all(isinstance(one, str) for one in messages):
        raise ConfigError('a row is one text, such as "osc /grip 1", or a list of such texts')
    return messages


def _flat(read: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys and what they say; `fist.onset = ...` without quotes is a table in a table, and the same row."""
    for key, told in read.items():
        if isinstance(told, dict):
            yield from _flat(told, f"{above}{key}.")
        else:
            yield f"{above}{key}", told


def _line_of(key: str, text: str) -> str:
    """Return where that key is written, where it is found as a whole."""
    for number, line in enumerate(text.splitlines(), start=1):
        if (
            line.strip()
            .replace('"', "")
            .replace("'", "")
            .replace(" ", "")
            .startswith(f"{key}=".replace(" ", ""))
        ):
            return f", line {number}"
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
