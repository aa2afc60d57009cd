"""What can go wrong between a program and the server, in words that can be shown to its user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Anything that the client can say about a call that did not work."""

    retry_after_s: float | None = None
    passing = False  # whether the same call may work later


class ServerUnreachableError(ClientError):
    """No connection, or it broke or fell silent."""

    passing = True


class NotMyostreamError(ClientError):
    """The answer is none that such a server gives: another server is at that URL, or a proxy answered."""


class RefusedError(ClientError):
    """The server said no (RFC 9457 problem+json), and why.

    `errors` names the wrong fields of a body; `problem` is all of the answer.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status, self.problem, self.retry_after_s = status, problem, retry_after_s
        self.title = str(problem.get("title") or f"HTTP {status}")
        self.detail = str(problem.get("detail") or "the server gave no reason")
        self.errors: Mapping[str, Any] = problem.get("errors") or {}
        # the server is starting, full or going, rather than of another opinion
        self.passing = status in (408, 425, 429, 500, 502, 504) or (status == 503 and not problem.get("cure"))
        super().__init__(f"{status} {self.title}: {self.detail}")


class KeyRefusedError(RefusedError):
    """401: no API key was sent; 403: it is wrong, or not allowed to do this."""


class TeachingError(ClientError):
    """The recording ended before its plan, or nothing could be learned from it: says which, and why."""


class TeachingCancelledError(ClientError):
    """Somebody wanted no more of it."""


def refused(status: int, body: bytes, retry_after: str | None) -> RefusedError:
    """Return the exception for an answer that is an error, whoever gave it."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None  # a proxy's error page
    if not isinstance(problem, dict):
        problem = {"detail": f"not answered by the server itself: {body[:80].decode('utf-8', 'replace')!r}"}
    kind = KeyRefusedError if status in (401, 403) else RefusedError
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return kind(status, problem, seconds)
