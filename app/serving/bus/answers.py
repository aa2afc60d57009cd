"""Calls that wait for their answers, and what a handler has raised as bytes: at the caller the same is raised."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app import errors
from app.errors import BackendUnavailableError, MyostreamError, NodeGoneError, OverloadedError, TooFastError
from app.serving.bus.bus import Handler

log = logging.getLogger(__name__)

GOOD, REFUSED = b"+", b"-"  # what an answer begins with
MOST_AT_ONCE = 128  # calls that a node answers at a time
IDLE_S = 10.0  # for which a thread waits for the next


def answer_to(handler: Handler | None, kind: str, payload: bytes) -> bytes:
    """Return what a handler answers, or what it raises."""
    if handler is None:
        return refused(NodeGoneError(f"the worker that was asked knows no {kind}: it is another version"))
    try:
        return GOOD + handler(payload)
    except MyostreamError as error:
        return refused(error)
    except Exception:
        log.exception("a call of another worker failed: %s", kind)
        return refused(MyostreamError("the worker that was asked failed; its log has the reason"))


def read_answer(answer: bytes) -> bytes:
    """Return what the handler has returned.

    Raises:
        MyostreamError: what it has raised.
    """
    if answer[:1] == GOOD:
        return answer[1:]
    raise _raised(json.loads(answer[1:]))


def refused(error: MyostreamError) -> bytes:
    """Return the answer that has it raised at the caller."""
    known = {
        name: value
        for name in ("retry_s", "backend", "reason", "cure")
        if (value := getattr(error, name, None))
    }
    return REFUSED + json.dumps({"kind": type(error).__name__, "message": str(error), **known}).encode()


def _raised(said: Mapping[str, Any]) -> MyostreamError:
    kind = getattr(errors, str(said["kind"]), MyostreamError)
    if not (isinstance(kind, type) and issubclass(kind, MyostreamError)):
        kind = MyostreamError
    if issubclass(kind, TooFastError):
        return kind(said["message"], said.get("retry_s", 0.0))
    if issubclass(kind, BackendUnavailableError):
        return kind(said["backend"], said["reason"], said["cure"])
    return kind(said["message"])


@dataclass(eq=False)
class _Waiting:
    node: str
    there: threading.Event = field(default_factory=threading.Event)
    answer: bytes | None = None  # None: the node is gone


class PendingCalls:
    """Those of one node that have no answer yet."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}

    def ask(self, node: str, timeout_s: float, send: Callable[[int], None]) -> bytes:
        """Have `send` ask under a number, and return the answer that comes under it.

        Raises:
            NodeGoneError: the node is gone, or has not answered in time.
            MyostreamError: what its handler has raised.
        """
        number, waiting = next(self._numbers), _Waiting(node)
        self._waiting[number] = waiting
        try:
            send(number)
            if not waiting.there.wait(timeout_s):
                raise NodeGoneError(
                    f"the worker that has the source has not answered within {timeout_s:g} s; try again"
                )
        finally:
            del self._waiting[number]
        if waiting.answer is None:
            raise gone()
        return read_answer(waiting.answer)

    def answered(self, number: int, answer: bytes | None) -> None:
        """Hand an answer to whoever waits for it; None: its node is gone. One that came too late is dropped."""
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.answer = answer
            waiting.there.set()

    def gone(self, node: str) -> None:
        """Have nobody wait for a node that is gone."""
        for number, waiting in list(self._waiting.items()):
            if waiting.node == node:
                self.answered(number, None)


class Answering:
    """The handlers of one node. Each call has a thread for itself: some wait for an engine, or for a disk.

    Threads are kept for a while: to start one is to wait until it runs, and whoever hears the calls hears all of them.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = self._busy = 0  # those that there are; and calls that wait or are answered
        self._news = threading.Condition()

    def serve(self, kind: str, handler: Handler) -> None:
        self._handlers[kind] = handler

    def answer(self, kind: str, payload: bytes, tell: Callable[[bytes], None]) -> None:
        """Have `tell` given the answer, soon."""
        with self._news:
            room = self._busy < MOST_AT_ONCE
            if room:
                self._busy += 1
                self._waiting.append(lambda: tell(answer_to(self._handlers.get(kind), kind, payload)))
                start = self._busy > self._threads
                self._threads += start
                self._news.notify()
        if not room:
            why = f"the worker that was asked answers {MOST_AT_ONCE} calls already; try again"
            tell(refused(OverloadedError(why)))
        elif start:
            threading.Thread(target=self._run, name="bus answers", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._waiting and not self._news.wait_for(lambda: self._waiting, IDLE_S):
                    self._threads -= 1
                    return
                work = self._waiting.popleft()
            try:
                work()
            except Exception:
                log.exception("an answer was not sent")
            finally:
                with self._news:
                    self._busy -= 1


def gone() -> NodeGoneError:
    """Return what is said of a node that is gone."""
    return NodeGoneError("the worker that had the source is gone; try again")
