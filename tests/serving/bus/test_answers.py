"""Calls are answered on threads that are kept, as many at a time as are allowed."""

from __future__ import annotations

import threading

import pytest

from app.errors import OverloadedError
from app.serving.bus import answers
from app.serving.bus.answers import Answering, read_answer
from tests.serving.station import until


def test_a_call_does_not_wait_for_a_thread_to_start_where_one_is_idle() -> None:
    """Under gevent, who starts a thread waits until it runs: of calls that came together the last waited for all."""
    answering, found, threads = Answering(), [], set()
    answering.serve("who", lambda payload: threads.add(threading.get_ident()) or payload)
    for number in range(20):
        answering.answer("who", b"%d" % number, found.append)
        until(lambda number=number: len(found) == number + 1 and answering._busy == 0)
    assert [read_answer(one) for one in found] == [b"%d" % number for number in range(20)]
    assert len(threads) == 1


def test_no_call_waits_for_one_that_takes_long_and_too_many_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "MOST_AT_ONCE", 3)
    answering, go, found = Answering(), threading.Event(), []

    def slow(_: bytes) -> bytes:
        go.wait(20)
        return b"slow"

    answering.serve("slow", slow)
    answering.serve("quick", lambda _: b"quick")
    for kind in ("slow", "slow", "quick"):
        answering.answer(kind, b"", found.append)
    until(lambda: len(found) == 1 and answering._busy == 2)
    answering.answer("slow", b"", found.append)
    answering.answer("quick", b"", found.append)
    with pytest.raises(OverloadedError, match="3 calls already"):
        read_answer(found[1])
    go.set()
    until(lambda: len(found) == 5)
    assert read_answer(found[0]) == b"quick"


def test_threads_that_nobody_needs_any_more_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "IDLE_S", 0.01)
    answering, found = Answering(), []
    answering.serve("quick", lambda _: b"")
    for number in range(1, 4):
        answering.answer("quick", b"", found.append)
        until(lambda: answering._threads == 0)
        assert len(found) == number
