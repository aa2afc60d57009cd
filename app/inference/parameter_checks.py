"""Checks of what a manifest says of a network's shape; what is wrong is said in one line."""

from __future__ import annotations

from app.errors import ArtefactError
from app.inference.manifest import shown


def expect_whole(value: object, name: str, least: int, most: int) -> None:
    """See that it is an integer between those; raise ArtefactError where it is not."""
    whole = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    require(whole, name, f"an integer from {least} to {most}", value)


def expect_real(value: object, name: str, least: float, most: float) -> None:
    """See that it is a number between those; raise ArtefactError where it is not."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    require(real, name, f"a number from {least:g} to {most:g}", value)


def require(holds: bool, name: str, expected: str, value: object) -> None:
    """Raise ArtefactError, which says what is expected, unless it holds."""
    if not holds:
        raise ArtefactError(f"hyper_parameters: {name} must be {expected}, got {shown(value)}")
