"""Fields that take JSON's own types and nothing that merely looks like them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from marshmallow import ValidationError, fields
from marshmallow.validate import OneOf, Range

from app.api.codec.json_numbers import as_array
from app.emg.files.option_words import as_parameters
from app.emg.source import Samples


def about(text: str, **more: Any) -> dict[str, Any]:
    """Return a field's metadata for `/openapi.json`."""
    return {"metadata": {"description": text, **more}}


class Number(fields.Float):
    """A finite number. A text or a boolean is not one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValidationError(f"must be a number, got {_shown(value)}")
        return float(value)


class Whole(fields.Integer):
    """A whole number between `least` and `most`."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(validate=Range(least, most), **kwargs)
        self._words = f"must be a whole number from {least} to {most}"
        self._bounds = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(f"{self._words}, got {_shown(value)}")
        if not self._bounds[0] <= value <= self._bounds[1]:
            raise ValidationError(f"{self._words}, got {_shown(value)}")
        return value


class Flag(fields.Boolean):
    """true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, got {_shown(value)}")
        return value


class Choice(fields.String):
    """One of a few texts."""

    def __init__(self, *choices: str, **kwargs: Any) -> None:
        words = f"must be one of {', '.join(choices)}"
        super().__init__(validate=OneOf(choices, error=words), **kwargs)


class Choices(fields.String):
    """Some of a few texts, with commas between them, as a tuple."""

    def __init__(self, *choices: str, metadata: dict[str, Any], **kwargs: Any) -> None:
        one = "|".join(choices)
        super().__init__(metadata={**metadata, "pattern": f"^({one})(,({one}))*$"}, **kwargs)
        self._choices = choices

    # its description is a text's, what it becomes is not
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:  # type: ignore[override]
        names = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else ()
        if not names or not set(names) <= set(self._choices):
            raise ValidationError(
                f"must be some of {', '.join(self._choices)}, with commas between, got {_shown(value)}"
            )
        return names


class Emg(fields.Field[Samples]):
    """Nested lists of numbers as a float32 array of two dimensions or more; `shape` is what errors call them.

    Decoded by numpy in one go: a List of Lists of Floats takes a hundred times as long.
    """

    def __init__(self, shape: str = "(length, channels), or a batch of those", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words = f"must be nested lists of numbers: {shape}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Samples:
        if not isinstance(value, list):
            raise ValidationError(self._words)
        try:
            numbers = as_array(value)
        except ValueError:
            raise ValidationError("rows must be equally long lists of numbers") from None
        if numbers is None:
            raise ValidationError("must hold numbers only, in rows of equal length")
        if numbers.ndim < 2:
            raise ValidationError(self._words)
        with np.errstate(
            over="ignore"
        ):  # what does not fit float32 becomes inf, which is refused with the rest
            return numbers.astype(np.float32)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class Said(fields.String):
    """What was said of files, with options as the parameters that they are here."""

    def _serialize(self, value: Any, *args: Any, **more: Any) -> Any:
        text = super()._serialize(value, *args, **more)
        return text if text is None else as_parameters(text)
