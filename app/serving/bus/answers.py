"""Calls that wait for their answers, and what a handler has raised as bytes: at the caller the same is raised."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app import errors
from app.errors import BackendUnavailableError, MyostreamError, NodeGoneError, OverloadedError, TooFastError
from app.serving.bus.bus import Handler

log = logging.getLogger(__name__)

GOOD, REFUSED = b"+", b"-"  # what an answer begins with
MOST_AT_ONCE = 128  # calls that a node answers at a time


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
    """The handlers of one node. Each call has a thread of its own: some wait for an engine, or for a disk."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)

    def serve(self, kind: str, handler: Handler) -> None:
        self._handlers[kind] = handler

    def answer(self, kind: str, payload: bytes, tell: Callable[[bytes], None]) -> None:
        """Have `tell` given the answer, soon."""
        if not self._room.acquire(blocking=False):
            busy = OverloadedError(
                f"the worker that was asked answers {MOST_AT_ONCE} calls already; try again"
            )
            tell(refused(busy))
            return

        def work() -> None:
            try:
                tell(answer_to(self._handlers.get(kind), kind, payload))
            finally:
                self._room.release()

        threading.Thread(target=work, name=f"answers {kind}", daemon=True).start()


def gone() -> NodeGoneError:
    """Return what is said of a node that is gone."""
    return NodeGoneError("the worker that had the source is gone; try again")
