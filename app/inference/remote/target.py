"""Which model of a fleet is asked, and what comes of it when it does not answer."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import BackendUnavailableError
from app.fleet_address import Address

NAME = "remote"  # of the backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model of a fleet.

    `timeout_s` is what each call may take, from the question until its answer is there. `precision` is how near its
    answers have to be, a key of parity.ALLOWED: a GPU may round the factors of a product to 10 bits (TF32).
    """

    address: Address
    model: str
    timeout_s: float
    precision: str = "fp16"
    header: tuple[str, str] | None = None  # goes with every request


class RemoteError(BackendUnavailableError):
    """The fleet has given no answer that may be used.

    `grave`: nor will it for the next question. `late`: perhaps it would have. `lost`: a connection that was kept has
    turned out to be closed.
    """

    def __init__(
        self, reason: str, cure: str, *, grave: bool = False, late: bool = False, lost: bool = False
    ) -> None:
        super().__init__(NAME, reason, cure)
        self.grave, self.late, self.lost = grave, late, lost
