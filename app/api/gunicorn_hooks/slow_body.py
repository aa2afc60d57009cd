"""A body that comes in drops is let go; read at its own pace, it would hold a place for hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from werkzeug.exceptions import RequestTimeout

PIECE = 64 * 1024  # bytes


class Timer(Protocol):
    """A time that runs."""

    def close(self) -> None: ...


class InTime:
    """A body of which every 64 KiB must arrive in time; else the request is answered 408 and the connection closed.

    Stands where gunicorn's own body does. `start` has an exception raised in this greenlet after so many seconds.
    """

    def __init__(self, body: Any, seconds: float, start: Callable[[float, Exception], Timer]) -> None:
        self._body, self._seconds, self._start = body, seconds, start
        self._late: RequestTimeout | None = None

    @property
    def failed(self) -> bool:
        """gunicorn asks whether the connection can be used again."""
        return self._late is not None or self._body.failed

    def read(self, size: int | None = None) -> bytes:
        if size is not None and 0 <= size <= PIECE:
            return self._timed(self._body.read, size)
        found, left = [], float("inf") if size is None or size < 0 else size
        while left > 0 and (piece := self._timed(self._body.read, int(min(left, PIECE)))):
            found.append(piece)
            left -= len(piece)
        return b"".join(found)

    def readline(self, size: int | None = None) -> bytes:
        return self._timed(self._body.readline, size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _timed(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        if self._late is None:
            late = RequestTimeout(
                f"each {PIECE // 1024} KiB of a body must arrive within EMG_BODY_TIMEOUT, {self._seconds:g} s"
            )
            timer = self._start(self._seconds, late)
            try:
                return read(size)
            except RequestTimeout:
                self._late = late
            finally:
                timer.close()
        raise self._late
