"""A client that sends too fast is read more slowly, so that its connection fills, and refused where that goes on."""

from __future__ import annotations

from app.errors import OverloadedError, TooFastError

SLOWED_S = 5.0  # for which it is slowed
CALM_S = 1.0  # without having been, after which that is forgotten; also the longest pause
LEAST_S = 0.02  # a pause


class Slowing:
    """How long that has been going on for one client."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last_at = 0.0

    def pause_s(self, error: TooFastError | OverloadedError, now: float) -> float | None:
        """Return for how long nothing is to be read of it; None: it is to be refused."""
        if self._since is None or now - self._last_at > CALM_S + SLOWED_S:
            self._since = now
        self._last_at = now
        if now - self._since > SLOWED_S:
            return None
        asked_s = error.retry_s if isinstance(error, TooFastError) else CALM_S
        return min(max(asked_s, LEAST_S), CALM_S)

    def took(self, now: float) -> None:
        """Note that a message was taken."""
        if now - self._last_at > CALM_S:
            self._since = None
