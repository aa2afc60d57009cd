"""Samples over a source's live socket, through cut connections: what is on its way is kept, and sent again."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from ..errors import ClientError, RefusedError, ServerUnreachableError
from ..events import Interrupted
from ..patience import Patience
from ..receipt import Receipt
from ..server_http import Server
from .live_socket import Json, LiveSocket, restarts
from .messages import KEPT_S
from .websocket import IDLE_S, NoWebSocketError, SocketClosedError
from .websocket_frames import NORMAL

NOT_FOUND = 404
WAIT_S = 0.1  # for news that another thread reads
MOST_WAITING = 1000  # messages that nobody has asked for yet
LOOK_S = 1.0  # longest wait for a message

Said = Json | bytes | Interrupted


class _Sent(NamedTuple):
    end: int  # index of the sample after its last
    message: bytes


class LiveSender:
    """The connections of one source. One thread may send while another takes what comes."""

    def __init__(
        self,
        server: Server,
        name: str,
        declaration: Mapping[str, Any],
        wanted: Mapping[str, Any],
        *,
        give_up_s: float,
        waits: bool = True,
        sleep: Callable[[float], None] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        """Open the first connection.

        `wanted`: what comes back (`send`, `format`, fields of a stream), and `scale`. `waits`: `send` waits while
        there is no connection, as long as `give_up_s`; else it keeps the newest `KEPT_S`.

        Raises:
            NoWebSocketError: there is none.
            RefusedError: the server takes no such source.
            ServerUnreachableError: it cannot be reached.
        """
        self._waits = waits
        self._server, self._path = server, f"/emg/sources/{quote(name, safe='')}/live"
        self._query = {**_flat(declaration), **wanted}
        self._keeps = round(KEPT_S * declaration["sampling_rate_hz"])  # samples
        self._patience, self._idle_s = Patience(give_up_s), idle_s
        self._closed = threading.Event()
        self._sleep: Callable[[float], object] = sleep or self._closed.wait
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._reading = threading.Lock()
        self._kept: deque[_Sent] = deque()
        self._next = 0  # that the server waits for
        self._sent = 0  # the end of what was sent
        self._receipt = [0, 0, 0]  # accepted, duplicates, lost; since the last receipt
        self._refusal: ClientError | None = None  # of something that was sent
        self._refused = False  # the first message that the server has not taken is not to be sent again
        self._said: deque[Said] = deque()
        self._listened = not waits  # else whatever comes is about the samples
        self._over = False  # the server has ended it in good order
        self._due = 0.0  # when another connection is to be tried, where there is none
        self._live: LiveSocket | None = LiveSocket.open(server, self._path, self._query, idle_s)
        self.greeting: Json = self._live.greeting

    def begin(self) -> int:
        """Return the sample that the server waits for; 0 where the source is new."""
        self._next = self._sent = self.greeting.get("next_sample") or 0
        return self._next

    def send(self, end: int, message: bytes) -> None:
        """Send one message, whose samples end before `end`; waits while more than `KEPT_S` are on their way.

        While there is no connection it waits for one, or where it `waits` not, keeps the message.

        Raises:
            RefusedError: the server refused what was sent before; this has not been sent.
            ServerUnreachableError: it was away for too long.
        """
        self._raise_refusal()
        with self._lock:
            self._sent = max(self._sent, end)
            self._kept.append(_Sent(end, message))
            self._forget()
            if self._over:  # it was ended, or forgotten: declare it again
                self._over, self._due = False, 0.0
            live = self._live
        if live is not None:
            self._write(live, message)
        self.take(0.0, unless_said=False)
        self._wait_while(lambda: self._waits and self._sent - self._next > self._keeps)
        self._wait_while(lambda: self._waits and self._live is None)

    def flush(self, timeout_s: float = math.inf) -> None:
        """Wait until the server has taken, or given up, all that was sent; at most so long.

        Raises:
            RefusedError: the server refused some of it.
            ServerUnreachableError: it was away for too long.
        """
        ends = time.monotonic() + timeout_s
        self._wait_while(lambda: self._sent > self._next and time.monotonic() < ends)
        self._raise_refusal()

    def take(self, timeout_s: float | None, *, unless_said: bool = True) -> bool:
        """Take what has come, waiting for some of it at most so long; False once it is over.

        `unless_said`: there is nothing to wait for while `said` has something to give.

        Raises:
            ClientError: there is no connection, and it is of no use to try again.
        """
        if not self._reading.acquire(blocking=False):
            if timeout_s != 0.0:
                with self._news:
                    self._news.wait(WAIT_S if timeout_s is None else min(timeout_s, WAIT_S))
            return not self._ended
        try:
            if unless_said and self._said:
                return not self._ended
            live = self._live
            if live is None:
                self._come_back(timeout_s)
                return not self._ended
            try:
                for said in live.received(timeout_s):
                    self._take(said)
            except ClientError as error:
                self._failed(live, error)
        finally:
            self._reading.release()
        return not self._ended

    def said(self) -> Said | None:
        """Return the oldest message that has been taken and not been asked for; None: there is none."""
        with self._lock:
            return self._said.popleft() if self._said else None

    def receipt(self) -> Receipt:
        """Return what the server has done with samples since the receipt before."""
        with self._lock:
            (accepted, duplicates, lost), self._receipt = self._receipt, [0, 0, 0]
            return Receipt(
                accepted=accepted, duplicates=duplicates, lost_samples=lost, next_sample=self._next
            )

    def close(self) -> None:
        """Say goodbye. Nothing is raised."""
        self._closed.set()
        if self._live is not None:
            self._live.socket.close()

    def abort(self) -> None:
        """End it at once; may be called from any thread."""
        self._closed.set()
        if self._live is not None:
            self._live.socket.abort()

    @property
    def _ended(self) -> bool:
        return self._over or self._closed.is_set()

    def _write(self, live: LiveSocket, message: bytes) -> None:
        try:
            live.socket.send(message)
        except SocketClosedError as error:
            self.take(0.0, unless_said=False)  # the server may have said why
            self._failed(live, error)

    def _wait_while(self, pending: Callable[[], bool]) -> None:
        while pending() and self._refusal is None and not self._ended:
            self.take(LOOK_S, unless_said=False)

    def _take(self, said: Json | bytes) -> None:
        with self._news:
            self._patience.succeeded()
            kind = said.get("type") if isinstance(said, dict) else "record"
            if kind == "ack":
                assert isinstance(said, dict)
                self._next = self._next if said["next_sample"] is None else said["next_sample"]
                for place, name in enumerate(("received", "duplicates", "lost")):
                    self._receipt[place] += said[name]
                self._forget()
            elif not restarts(said):  # the close that follows says so
                self._keep(said)
            self._news.notify_all()

    def _keep(self, said: Said) -> None:
        """Keep it until somebody asks; where nobody does for long, frames are let go, and never a state."""
        if not self._listened:
            return
        self._said.append(said)
        if len(self._said) > MOST_WAITING:
            oldest = next((place for place, one in enumerate(self._said) if _is_frame(one)), 0)
            del self._said[oldest]

    def _raise_refusal(self) -> None:
        with self._lock:
            refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _forget(self) -> None:
        """Let go of what lies further back than `KEPT_S`; of what was not taken only where nobody waits for that."""
        oldest = self._sent - self._keeps
        if self._waits:
            oldest = min(self._next, oldest)
        while self._kept and self._kept[0].end <= oldest:
            self._kept.popleft()

    def _failed(self, live: LiveSocket | None, error: ClientError) -> None:
        """Have another connection tried in the place of that one, unless another thread has seen to it.

        Raises:
            ClientError: the server would refuse again, or has been away for too long.
        """
        with self._news:
            if self._live is not live or self._closed.is_set():
                return
            if live is not None:
                live.socket.abort()
            self._live = None
            self._news.notify_all()
            if isinstance(error, SocketClosedError) and error.code == NORMAL:
                if not self._waits or self._sent <= self._next:
                    self._over = True
                    return
                error = ServerUnreachableError(
                    "the server ended the source"
                )  # and knows not what was on its way
            if live is not None and not error.passing and not _forgotten(error):
                self._refusal, self._refused, self._due = error, True, 0.0
                self._keep(Interrupted(reason=str(error), attempt=1, delay_s=0.0))
                return
            if _forgotten(error):
                error = ServerUnreachableError(str(error))  # declared again, it is there
            try:
                delay_s = self._patience.delay_after(error)
            except ClientError:
                self._patience.succeeded()  # who tries all the same gets as long again
                raise
            attempt = self._patience.failures
            self._due = time.monotonic() + delay_s
            self._keep(Interrupted(reason=str(error), attempt=attempt, delay_s=delay_s))

    def _come_back(self, timeout_s: float | None) -> None:
        """Open another connection, when that is due within the time."""
        left = self._due - time.monotonic()
        if timeout_s is not None and left > timeout_s:
            self._sleep(timeout_s)
            self._due -= max(
                0.0, self._due - time.monotonic() - (left - timeout_s)
            )  # a test's sleep takes no time
            return
        if left > 0:
            self._sleep(left)
        if self._ended:
            return
        try:
            self._open_again()
        except NoWebSocketError as error:  # a proxy answers in the place of a server that restarts
            self._failed(None, ServerUnreachableError(str(error)))
        except ClientError as error:
            self._failed(None, error)

    def _open_again(self) -> None:
        live = LiveSocket.open(self._server, self._path, self._query, self._idle_s)
        waits_for = live.greeting.get("next_sample")
        with self._news:
            if waits_for is None:  # it knows nothing of the source any more: what was taken before is past
                waits_for = self._next
            self._receipt[0] += max(0, waits_for - self._next)  # its acknowledgement was lost
            if self._refused:
                first = next((place for place, sent in enumerate(self._kept) if sent.end > waits_for), None)
                if first is not None:
                    del self._kept[first]
                self._refused = False
            again = [sent for sent in self._kept if sent.end > waits_for]
            self._sent = max([waits_for, *(sent.end for sent in again)])
            self._next = min(waits_for, self._sent)
            try:
                for sent in again:
                    live.socket.send(sent.message)
            except SocketClosedError:
                live.socket.abort()
                raise
            self._live, self.greeting = live, live.greeting
            self._news.notify_all()


def _forgotten(error: ClientError) -> bool:
    """Say whether the server has no such source any more."""
    return isinstance(error, RefusedError) and error.status == NOT_FOUND


def _is_frame(said: Said) -> bool:
    return isinstance(said, bytes) or (isinstance(said, dict) and said.get("type") == "frame")


def _flat(declaration: Mapping[str, Any]) -> Json:
    """Return it as a query has it."""
    flat = dict(declaration)
    if flat.get("aux") is not None:
        flat["aux"] = json.dumps(flat["aux"], separators=(",", ":"))
    return flat
