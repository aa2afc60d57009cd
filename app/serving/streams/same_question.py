"""A question that several come to at the same time, put once: those who come later wait with the first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Question(Generic[T]):
    done: threading.Event = field(default_factory=threading.Event)
    answer: T | None = None
    error: Exception | None = None


class SameQuestion(Generic[T]):
    """Where an answer takes a while, from another thread or another machine."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, _Question[T]] = {}

    def once(self, key: Hashable, ask: Callable[[], T | None]) -> T | None:
        """Return what `ask` returns or raises; where somebody asks the same just now, what comes of that."""
        own = _Question[T]()
        other = self._asked.setdefault(key, own)
        if other is not own:
            other.done.wait()
            if other.error is not None:
                raise other.error
            return other.answer
        try:
            own.answer = ask()
        except Exception as error:
            own.error = error
            raise
        finally:
            del self._asked[key]
            own.done.set()
        return own.answer
