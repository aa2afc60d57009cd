"""Text with places in it that each event fills."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError

JSON = "json"  # the whole event
OF_EVENTS = (
    "gesture",
    "phase",
    "variant",
    "id",
    "class",
    "strength",
    "confidence",
    "held_s",
    "reason",
    "sample_index",
    "began_at",
    "refined_by",
    "timestamp",
    JSON,
)
# Between braces that are JSON's own there is nothing, or one of "':,[]{}.
_PLACE = re.compile(r"\{(?!\s*\})([^{}\"':,\[\]\n]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """Text such as `grip {strength}`. Braces around what JSON has between its own are text.

    A name may have blanks and signs: values are called as whoever has recorded them called them.
    """

    text: str

    @classmethod
    def parse(cls, text: str, known: Collection[str] | None) -> Template:
        """Return the template; `known` are the names that its places may have, None: any.

        Raises:
            ConfigError: it names another; the message says which there are.
        """
        for name in _PLACE.findall(text):
            if known is not None and name not in known:
                raise ConfigError(f"{{{name}}} is no placeholder; allowed: {_listed(known)}")
        return cls(text)

    def fill(self, fields: Mapping[str, Any]) -> str:
        """Return the text with every place filled; one without a value is empty.

        Raises:
            KeyError: there is no field of that name at all.
        """
        return _PLACE.sub(lambda found: _text(fields[found[1]]), self.text)

    def value(self, fields: Mapping[str, Any]) -> Any:
        """Return the field itself where the whole text is one place, else the filled text."""
        whole = _PLACE.fullmatch(self.text)
        return self.fill(fields) if whole is None else fields[whole[1]]

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(_PLACE.findall(self.text))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
