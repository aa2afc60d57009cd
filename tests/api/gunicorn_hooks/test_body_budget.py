"""What all bodies of a worker may hold together, on plain threads: who is refused, and what is counted back."""

from __future__ import annotations

import gc
import weakref
from io import BytesIO

import pytest
from werkzeug.exceptions import RequestTimeout

from app.api.gunicorn_hooks.body_budget import LARGE, BodyBudget
from app.api.gunicorn_hooks.slow_body import PIECE, InTime
from app.errors import OverloadedError


class Body(BytesIO):
    """As gunicorn has it."""

    failed = False
    asked = 0

    def read(self, size: int | None = -1) -> bytes:
        self.asked += 1
        return super().read(size)


class NoTimer:
    """A time that is never over."""

    def __init__(self, *_: object) -> None: ...

    def close(self) -> None: ...


def budget(most: int) -> tuple[BodyBudget, list[str]]:
    """A budget, and what it has had tidied."""
    tidied: list[str] = []
    return BodyBudget(most, lambda: tidied.append("tidied")), tidied


def test_a_body_of_known_length_is_refused_before_it_is_read() -> None:
    shared, _ = budget(4 * PIECE)
    shared.take(2 * PIECE)
    body = Body(bytes(3 * PIECE))
    guarded = InTime(body, 1.0, NoTimer, shared, 3 * PIECE)
    for _ in range(2):  # the fast path asks, and then Flask
        with pytest.raises(OverloadedError, match="EMG_BODY_BUDGET"):
            guarded.read()
    assert (body.asked, guarded.failed, shared.held) == (0, True, 2 * PIECE)
    guarded.done()
    assert shared.held == 2 * PIECE


def test_a_chunked_body_is_counted_as_it_comes_and_given_back_once() -> None:
    shared, _ = budget(4 * PIECE)
    guarded = InTime(Body(bytes(9 * PIECE)), 1.0, NoTimer, shared)
    assert len(guarded.read(4 * PIECE)) == shared.held == 4 * PIECE
    with pytest.raises(OverloadedError):
        guarded.read(1)
    guarded.done()
    guarded.done()
    assert shared.held == 0


def test_a_small_body_is_read_beside_a_full_budget() -> None:
    shared, _ = budget(1)
    shared.take(1)
    for length in (PIECE, None):
        guarded = InTime(Body(bytes(PIECE)), 1.0, NoTimer, shared, length)
        assert len(guarded.read()) == PIECE
        assert not guarded.failed


def test_memory_is_given_back_once_after_large_bodies_and_not_after_small_ones() -> None:
    shared, tidied = budget(10 * LARGE)
    for size, expected in ((LARGE - 1, 0), (LARGE, 1)):
        shared.take(size)
        shared.give(size)
        shared.tidy()
        shared.tidy()
        assert len(tidied) == expected


class Late(NoTimer):
    """A time that is over at once: the body it guards raises its error."""

    error: Exception

    def __init__(self, _: float, error: Exception) -> None:
        Late.error = error


@pytest.mark.parametrize("why", ["late", "budget"])
def test_a_refusal_keeps_nothing_alive_until_a_collection(why: str) -> None:
    class Slow(Body):
        def read(self, size: int | None = -1) -> bytes:
            if why == "late":
                raise Late.error
            return super().read(size)

    gc.disable()
    try:
        shared, _ = budget(PIECE)
        body = Slow(bytes(2 * PIECE))
        gone = weakref.ref(body)
        guarded = InTime(body, 1.0, Late, shared)
        with pytest.raises((RequestTimeout, OverloadedError)):
            guarded.read()
        Late.error = Exception()
        del body, guarded
        assert gone() is None
    finally:
        gc.enable()


def test_what_comes_after_the_answer_is_not_counted() -> None:
    """Else a body that no route reads, and that gunicorn reads away, would be counted for ever."""
    shared, _ = budget(10 * PIECE)
    guarded = InTime(Body(bytes(3 * PIECE)), 1.0, NoTimer, shared, 3 * PIECE)
    guarded.done()
    assert len(guarded.read()) == 3 * PIECE
    assert shared.held == 0
