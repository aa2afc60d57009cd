"""One budget for all request bodies that a worker holds: limits of one body each say nothing of a thousand."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import OverloadedError

LARGE = 2**20  # bytes; what a body of more leaves free below glibc's highest block is given back


class BodyBudget:
    """Counts the bytes that have come of bodies whose requests are not yet answered; for the hub's thread only.

    `give_back` returns free memory to the system, which takes milliseconds; `tidy` is to be called now and then.
    """

    def __init__(self, most: int, give_back: Callable[[], object]) -> None:
        self.most, self.held = most, 0  # bytes
        self._give_back, self._untidy = give_back, False

    def take(self, size: int) -> None:
        """Count so many bytes more.

        Raises:
            OverloadedError: they would be more than EMG_BODY_BUDGET; none is counted.
        """
        self.expect_room(size)
        self.held += size

    def expect_room(self, size: int) -> None:
        """See that there is room for so many bytes; they are not counted.

        Raises:
            OverloadedError: there is none now.
        """
        if self.held + size > self.most:
            raise OverloadedError(
                f"request bodies hold as much memory as EMG_BODY_BUDGET, {self.most >> 20} MiB; try again"
            )

    def give(self, size: int) -> None:
        """Count them as gone."""
        self.held -= size
        self._untidy |= size >= LARGE

    def tidy(self) -> None:
        """Give memory back to the system where large bodies have gone since the last time."""
        if self._untidy:
            self._untidy = False
            self._give_back()
