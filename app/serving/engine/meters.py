"""Who wants to know what the engine has done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Meter(Protocol):
    """Who wants to know of each call of a backend. Called on the thread that ran it."""

    def served(self, backend: str, windows: int, latency_s: float, waits_s: Sequence[float]) -> None:
        """One call, of so many windows, for requests that had waited so long."""

    def failed(self, backend: str) -> None:
        """Count a call that raised."""


class ModelMeter(Protocol):
    """Who wants to know of each call of one model. Called on the thread that ran it."""

    def served(self, windows: int, latency_s: float) -> None:
        """One call that so many of its windows took part in."""

    def failed(self) -> None:
        """Count a call that raised."""
