"""A body that comes in drops is let go; read at its own pace, it would hold a place for hours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Protocol

from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import BadRequest, RequestTimeout

from app.api.gunicorn_hooks.body_budget import BodyBudget
from app.errors import OverloadedError

PIECE = 64 * 1024  # bytes
MOST_REASON = 200  # characters of what is wrong with the chunks


class Timer(Protocol):
    """A time that runs."""

    def close(self) -> None: ...


class InTime:
    """A body of which every 64 KiB must arrive in time, and that fits into what all bodies may hold together.

    Stands where gunicorn's own body does. Too late, the request is answered 408; beyond the budget, 503; with malformed
    chunks, 400; after each the connection is closed. `start` has an exception raised in this greenlet after so many
    seconds. A body is counted as it comes; one whose `length` says that there is no room for it now is not begun. Up to
    64 KiB it is not counted: small requests are answered beside large ones, whatever those hold.
    """

    def __init__(
        self,
        body: Any,
        seconds: float,
        start: Callable[[float, Exception], Timer],
        budget: BodyBudget,
        length: int | None = None,
    ) -> None:
        self._body, self._seconds, self._start = body, seconds, start
        self._budget, self._length = budget, length
        self._came = self._counted = 0  # bytes
        self._answered = False
        # made anew each time: one that was raised keeps its frames
        self._refusal: tuple[type[Exception], str] | None = None

    @property
    def failed(self) -> bool:
        """gunicorn asks whether the connection can be used again."""
        return self._refusal is not None or self._body.failed

    def read(self, size: int | None = None) -> bytes:
        if size is not None and 0 <= size <= PIECE:
            return self._passed_over() if self._answered else self._checked(self._body.read, size)
        found, left = [], float("inf") if size is None or size < 0 else size
        while left > 0 and (piece := self._checked(self._body.read, int(min(left, PIECE)))):
            found.append(piece)
            left -= len(piece)
        return b"".join(found)

    def readline(self, size: int | None = None) -> bytes:
        return self._checked(self._body.readline, size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    @property
    def budget(self) -> BodyBudget:
        """What all bodies may hold together; also for whoever takes the connection over."""
        return self._budget

    def forget(self) -> None:
        """Count what has come no more: it has been worked off, and more follows."""
        self._budget.give(self._counted)
        self._counted = self._came = 0
        self._length = None  # there need never be room for all of it

    def came_ahead(self) -> bytes:
        """Return what the client has sent behind its request already, for whoever takes the connection over."""
        unreader = self._body.reader.unreader
        ahead: bytes = unreader.buf.getvalue()  # gunicorn before 27 has no `take_buffered`
        unreader.buf = BytesIO()
        return ahead

    def done(self) -> None:
        """Give what was counted back: the request is answered, and what still comes is read by nobody."""
        self._budget.give(self._counted)
        self._counted, self._answered = 0, True

    def _checked(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        if self._refusal is not None:
            kind, text = self._refusal
            raise kind(text)
        if not self._came and self._length is not None and self._length > PIECE:
            self._within_budget(self._budget.expect_room, self._length)
        data = self._timed(read, size)
        self._came += len(data)
        if self._came > PIECE:
            self._count(self._came)
            time.sleep(0)  # of a client that sends fast all is there at once, and nothing would wait for it
        return data

    def _passed_over(self) -> bytes:
        """Return some of what nobody wanted, which gunicorn reads so that another request may follow.

        It asks for 1 KiB at a time and copies all that has arrived for each: 32 MiB that no view had read took a second
        of this processor.
        """
        time.sleep(0)  # it may all be here already: streams come first
        try:
            return self._timed(self._body.read, PIECE)
        except Exception:  # late, or no body at all: there is nobody to tell
            raise StopIteration from None  # with which gunicorn closes the connection

    def _timed(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        late = f"each {PIECE // 1024} KiB of a body must arrive within EMG_BODY_TIMEOUT, {self._seconds:g} s"
        timer = self._start(self._seconds, RequestTimeout(late))
        try:
            return read(size)
        except RequestTimeout:
            self._refusal = RequestTimeout, late
            raise
        except (ParseException, NoMoreData) as error:
            self._refusal = BadRequest, f"the body's chunks are malformed: {error}"[:MOST_REASON]
        finally:
            timer.close()
            del timer  # it holds the error, which holds this frame: together they would wait for a collection
        kind, text = self._refusal
        raise kind(text)

    def _count(self, size: int) -> None:
        """Have so many bytes counted in all."""
        if not self._answered:
            self._within_budget(self._budget.take, size - self._counted)
            self._counted = size

    def _within_budget(self, ask: Callable[[int], None], size: int) -> None:
        try:
            ask(size)
        except OverloadedError as error:
            self._refusal = OverloadedError, str(error)
            raise
