"""The thread that hands one way out its messages, so that a receiver who is slow or gone costs nobody a frame."""

from __future__ import annotations

import logging
import threading
import time
from typing import Generic, Protocol, TypeVar

from app.serving.outputs.mailbox import Letter, Mailbox

log = logging.getLogger(__name__)

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)

IDLE_S = 1.0  # how often an idle thread looks up
LAST_WORD_S = 0.6  # for what is owed when the server stops
AGAIN_S = 0.1  # until what could not be delivered is tried again; doubled each time


class Tally(Protocol):
    """Where a way out counts; see OutputRow."""

    def became(self, state: str, /) -> None: ...
    def delivered(self) -> None: ...
    def failed(self) -> None: ...
    def dropped(self, count: int, /) -> None: ...


class Receiver(Protocol[M_contra]):
    """Whoever is at the other end."""

    def send(self, message: M_contra, /) -> None:
        """Send it; may wait for the receiver.

        Raises:
            UndeliveredError, OSError: that took nothing.
        """

    def close(self) -> None: ...


class UndeliveredError(Exception):
    """The message has not been taken. The text says why, without secrets."""

    def __init__(self, why: str, *, again: bool = True, maybe: bool = False, after_s: float = 0.0) -> None:
        """`again`: another try may help, not before `after_s`; `maybe`: it may have arrived all the same."""
        super().__init__(why)
        self.again, self.maybe, self.after_s = again, maybe, after_s


class Delivery(Generic[M]):
    """Delivers in order. Onsets and releases are tried again, holds and values never: what comes next is newer."""

    def __init__(
        self,
        name: str,
        receiver: Receiver[M],
        tally: Tally,
        *,
        stale_s: float = 2.0,
        again_max_s: float = 1.0,
        keep_s: float = 600.0,
    ) -> None:
        """A letter is tried again after `again_max_s` at most, until it is `keep_s` old."""
        self._name, self._receiver, self._tally = name, receiver, tally
        self._again_max_s, self._keep_s = again_max_s, keep_s
        self._box: Mailbox[M] = Mailbox(stale_s, tally.dropped)
        self._pause, self._ends_at = threading.Event(), float("inf")
        self._wait_s = AGAIN_S
        self.trouble: str | None = None  # why the last one was not delivered
        self._thread = threading.Thread(target=self._run, name=f"output {name}", daemon=True)
        self._thread.start()

    def put(self, letter: Letter[M]) -> None:
        """Have it delivered, without a wait."""
        self._box.put(letter)

    def over(self) -> None:
        """Nothing to do: the release is a letter like others."""

    def troubled(self, why: str) -> None:
        """Say that nothing can be delivered just now."""
        if self.trouble is None:
            log.warning("the output %s: %s", self._name, why)
        self.trouble = why
        self._tally.failed()

    def well(self) -> None:
        """Say that messages are taken, and try at once what waits."""
        if self.trouble is not None:
            log.warning("the output %s: messages are taken again", self._name)
        self.trouble = None
        self._tally.became("open")
        self._pause.set()

    def close(self) -> None:
        """Deliver the releases that are owed, as far as the receiver takes them soon, and end."""
        self._ends_at = time.monotonic() + LAST_WORD_S
        self._box.close()
        self._pause.set()
        self._thread.join(LAST_WORD_S)
        self._receiver.close()

    def _run(self) -> None:
        while True:
            letter = self._box.take(IDLE_S)
            if letter is not None:
                self._try(letter)
            elif self._box.closed:
                return
            if time.monotonic() >= self._ends_at:
                return

    def _try(self, letter: Letter[M]) -> None:
        letter.tries += 1
        self._pause.clear()
        try:
            self._receiver.send(letter.message)
        except UndeliveredError as error:
            if error.maybe:
                self._box.left(letter)
            self.troubled(str(error))
            self._again(letter, error)
        except OSError as error:
            self.troubled(f"{error.strerror or error}")
            self._again(letter, UndeliveredError(""))
        except Exception as error:  # of a library: the next message may be another matter
            log.exception("the output %s could not send a message", self._name)
            self.troubled(f"{type(error).__name__}: {error}")
            self._again(letter, UndeliveredError("", again=letter.tries < 3))
        else:
            self._box.left(letter)
            self._tally.delivered()
            self._wait_s = AGAIN_S
            if self.trouble is not None:
                self.well()

    def _again(self, letter: Letter[M], error: UndeliveredError) -> None:
        old = time.monotonic() - letter.put_at >= self._keep_s
        if not error.again or letter.kind in ("hold", "values") or old:
            self._tally.dropped(1)
            return
        self._box.put_back(letter)
        most_s = AGAIN_S if self._box.closed else max(self._ends_at - time.monotonic(), 0.0)
        self._pause.wait(min(max(self._wait_s, error.after_s), most_s))
        self._wait_s = min(2 * self._wait_s, self._again_max_s)
