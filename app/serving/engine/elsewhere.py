"""Backends that are not on this machine: they are asked where the question is put, and may come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from app.inference.backend import Backend, Batch

if TYPE_CHECKING:  # who asks no fleet pays for none
    from app.inference.remote.backend import RemoteAnswer


@runtime_checkable
class Elsewhere(Backend, Protocol):
    """A backend that is reached over a network. `ask` waits where it is called, and batches by itself."""

    @property
    def trouble(self) -> str | None:
        """Why it cannot be asked now; None where it can."""

    @property
    def cure(self) -> str:
        """What would help."""

    @property
    def opened(self) -> int:
        """How often it was found to be in trouble, having been in none."""

    def ask(self, batch: Batch, steps: int | None = None) -> RemoteAnswer:
        """Map normalised windows to logits; raises BackendUnavailableError where it cannot."""

    def tick(self) -> None:
        """Try it, beside, where it is in trouble and the time has come. Does not wait."""


class FleetMeter(Protocol):
    """Who wants to know what becomes of questions to a fleet."""

    def late(self) -> None:
        """Count a question that was not answered in time."""

    def passed_on(self) -> None:
        """Count one that another backend is asked in its place, whether it was put or not."""


def after(chain: str) -> str:
    """Return the backends behind the first of several with commas between; empty where there is none."""
    return chain.partition(",")[2]


def first(chain: str) -> str:
    """Return the first of several with commas between."""
    return chain.partition(",")[0]
