"""Calls that are made again while what is wrong can pass, until somebody wants no more of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .errors import ClientError, RefusedError, TeachingCancelledError
from .patience import Patience
from .server_http import Caller

ANSWER_S = 10.0

T = TypeVar("T")


class PatientCaller:
    """A caller that waits `give_up_s` for a server that is away. Not for several threads; any may set `cancel`."""

    def __init__(self, caller: Caller, cancel: threading.Event, give_up_s: float) -> None:
        self._caller, self._cancel, self._give_up_s = caller, cancel, give_up_s

    def once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call, and do not again."""
        return self._caller.call(method, path, body=body, timeout_s=ANSWER_S)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call what does no harm when it is done twice.

        Raises:
            ClientError: it will not pass, or has not passed for `give_up_s`.
            TeachingCancelledError: `cancel` was set.
        """
        return self.persist(lambda: self.once(method, path, body))

    def persist(self, work: Callable[[], T]) -> T:
        """Do something made of calls, from its beginning again while what is wrong can pass."""
        patience = Patience(self._give_up_s)
        while True:
            try:
                return work()
            except ClientError as error:
                self.wait(patience.delay_after(error))

    def found(self, path: str) -> dict[str, Any] | None:
        """Return what is at that path; None where nothing is. It is called once."""
        try:
            return self.once("GET", path)
        except RefusedError as error:
            if error.status != 404:
                raise
            return None

    def wait(self, seconds: float) -> None:
        """Let time go by.

        Raises:
            TeachingCancelledError: `cancel` was set.
        """
        if self._cancel.wait(seconds):
            raise TeachingCancelledError("the teaching was cancelled")
