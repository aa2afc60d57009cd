"""Who takes part in a conversation on a live socket, as it needs them."""

from __future__ import annotations

from typing import Any, Protocol

from app.serving.streams.client_stream import Stream


class Connection(Protocol):
    """The way to the client, as the conversation needs it."""

    def pause(self, seconds: float) -> None:
        """Read nothing of the client for so long: TCP slows it."""

    def shut(self) -> None:
        """Send no more, once what was written has gone; what still comes is read and dropped."""

    def abort(self) -> None:
        """End it now."""


class Budget(Protocol):
    """What all messages and bodies may hold together, in bytes."""

    def take(self, size: int) -> None: ...

    def give(self, size: int) -> None: ...


class Talk(Protocol):
    """What a client came for: it pushes a source, sends windows, or only listens."""

    @property
    def stream(self) -> Stream | None:
        """Return what it hears, where it hears anything."""

    def hello(self) -> dict[str, Any]:
        """Return what the client is told first."""

    def take(self, message: bytes, /) -> None:
        """Take one binary message.

        Raises:
            MyostreamError, HTTPException: what was wrong with it.
        """

    def acknowledge(self) -> bytes | None:
        """Return what acknowledges the messages since the last time; None where none came."""

    @property
    def owes(self) -> bool:
        """Whether messages were taken of which nobody can say yet what has become of them."""

    def quality(self) -> dict[str, Any] | None:
        """Return the quality of the signal where it is to be told, and has changed."""

    @property
    def over(self) -> str | None:
        """Why there is nothing to be talked about any more; None while there is."""

    def close(self) -> None:
        """Let go what was held."""


class RefusedError(Exception):
    """The conversation cannot go on; the client has been told why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason
