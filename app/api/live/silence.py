"""How long nothing has been heard of a client: when it is asked whether it is there, and when it is given up."""

from __future__ import annotations

PING_S, GONE_S = 4.0, 8.0  # of silence, until it is asked whether it is there, and until it is not


class Silence:
    """Of one client, from `now` on."""

    def __init__(self, now: float) -> None:
        self._heard_at = self._pinged_at = now

    def heard(self, now: float) -> None:
        """Note that something came of it, or that nobody has listened until now."""
        self._heard_at = now

    def gone(self, now: float) -> bool:
        """Whether it is to be given up."""
        return now - self._heard_at > GONE_S

    def ping_due(self, now: float) -> bool:
        """Whether it is to be asked; who is answered so asks, and calls `pinged`."""
        return now - self._heard_at > PING_S and now - self._pinged_at > PING_S

    def pinged(self, now: float) -> None:
        """Note that it was asked."""
        self._pinged_at = now
