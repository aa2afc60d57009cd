"""A body behind gunicorn's own, as gunicorn reads it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from werkzeug.exceptions import RequestTimeout

from app.api.gunicorn_hooks.body_budget import BodyBudget
from app.api.gunicorn_hooks.slow_body import PIECE, InTime

LONG = 8 * PIECE
NEXT = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"


class Arrived:
    """A body that is here whole, and who has asked for how much of it."""

    failed = False

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked: list[int | None] = []

    def read(self, size: int | None = None) -> bytes:
        self.asked.append(size)
        piece = bytes(min(self.left, size or self.left))
        self.left -= len(piece)
        return piece

    def readline(self, size: int | None = None) -> bytes:
        return self.read(size)


class Late(Arrived):
    """One that does not come in time."""

    def read(self, size: int | None = None) -> bytes:
        raise RequestTimeout


def in_time(body: Any) -> InTime:
    timer = SimpleNamespace(close=lambda: None)
    return InTime(body, 1.0, lambda seconds, error: timer, BodyBudget(LONG, lambda: None))


def parser(body: bytes) -> RequestParser:
    """gunicorn's, with a request that has this body and another that follows it."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    return RequestParser(Config(), iter([head + body, NEXT]), ("127.0.0.1", 1))


def test_what_nobody_wanted_of_a_body_is_passed_over_in_large_pieces() -> None:
    """gunicorn asked for it by the KiB, and copied all that had come for each: 32 MiB took a second to pass over."""
    arrived = Arrived(LONG)
    body = in_time(arrived)
    body.done()
    while body.read(1024):
        pass
    assert arrived.asked == [PIECE] * (LONG // PIECE + 1)


def test_before_the_answer_a_reader_gets_no_more_than_it_asked_for() -> None:
    assert len(in_time(Arrived(LONG)).read(1024)) == 1024


def test_another_request_may_follow_a_body_that_nobody_read() -> None:
    requests = parser(bytes(LONG))
    first = next(requests)
    first.body = in_time(first.body)
    first.body.done()
    assert next(requests).path == "/second"


def test_a_body_that_does_not_come_after_its_answer_ends_the_connection_and_nothing_is_said() -> None:
    """A traceback stood in the log, with EMG_BODY_TIMEOUT below gunicorn's keepalive."""
    requests = parser(b"abc")
    first = next(requests)
    first.body = in_time(Late(3))
    first.body.done()
    with pytest.raises(StopIteration):
        next(requests)
