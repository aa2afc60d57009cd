"""A live source where there is no WebSocket: samples by POST, and events by a stream on a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ClientError
from ..event_stream import EventStream
from ..events import Interrupted
from ..push_http import HttpPush
from ..receipt import Receipt
from ..server_http import Server
from ..transport import HTTP
from .messages import AuxBlock, Samples

MOST_WAITING = 1000  # events that nobody has asked for yet; the oldest are let go

Said = Mapping[str, Any] | Interrupted


class HttpLive:
    """The same as a live socket, but for the quality of the signal and for records, which only that has."""

    transport = HTTP

    def __init__(
        self,
        server: Server,
        name: str,
        declaration: Mapping[str, Any],
        options: Mapping[str, Any],
        wanted: Sequence[str],
        form: str,
        scale: float,
        give_up_s: float,
    ) -> None:
        if form != "json":
            raise ValueError("records come by WebSocket, which this server has not")
        self._wanted, self._gestures = frozenset(wanted), bool(options.get("events"))
        self._push = HttpPush(server, name, declaration, scale, give_up_s, time.sleep)
        self._stream = EventStream(server, {**options, "source": name}, give_up_s=give_up_s)
        self._waiting: queue.Queue[Said | ClientError] = queue.Queue()
        self._next: Said | None = None
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, name="myostream live", daemon=True)

    def begin(self) -> int:
        """Declare the source; its stream begins with it.

        Raises:
            RefusedError: the server takes no such source.
        """
        waits_for = self._push.declare() or 0
        if self._wanted or self._gestures:
            self._reader.start()
        return waits_for

    def send(self, first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock]) -> None:
        self._push.send(first_sample, samples, form, aux)

    def flush(self) -> None: ...

    def take(self, timeout_s: float | None) -> bool:
        if self._next is None:
            ends = None if timeout_s is None else time.monotonic() + timeout_s
            while not self._over.is_set() or not self._waiting.empty():
                left = 0.1 if ends is None else min(0.1, max(0.0, ends - time.monotonic()))
                with contextlib.suppress(queue.Empty):
                    found = self._waiting.get(timeout=left) if left else self._waiting.get_nowait()
                    if isinstance(found, ClientError):
                        raise found
                    self._next = found
                    break
                if ends is not None and time.monotonic() >= ends:
                    break
        return self._next is not None or not self._over.is_set()

    def said(self) -> Said | None:
        found, self._next = self._next, None
        if found is None:
            with contextlib.suppress(queue.Empty):
                waiting = self._waiting.get_nowait()
                if isinstance(waiting, ClientError):
                    raise waiting
                found = waiting
        return found

    def receipt(self) -> Receipt:
        return self._push.receipt()

    def close(self) -> None:
        self._stream.close()
        with contextlib.suppress(ClientError):
            self._push.withdraw()
        self._push.close()
        if self._reader.ident is not None:
            self._reader.join(5.0)

    def _read(self) -> None:
        try:
            for said in self._followed():
                if self._waiting.qsize() >= MOST_WAITING:
                    with contextlib.suppress(queue.Empty):
                        self._waiting.get_nowait()
                self._waiting.put(said)
        except ClientError as error:
            self._waiting.put(error)
        finally:
            self._over.set()

    def _followed(self) -> Iterator[Said]:
        """Yield what was asked for of the stream."""
        before, newest = None, {"sample_index": 0, "confidence": 0.0, "age_ms": 0.0}
        for said in self._stream.raw():
            if isinstance(said, Interrupted) or "phase" in said:
                yield said
                continue
            frame = "sample_index" in said
            if frame:
                newest = said
            if "decision" in said and said["decision"] != before and "decisions" in self._wanted:
                before = said["decision"]
                yield {**newest, **said, "type": "decision"}  # rest, where the source has stalled
            if ("frames" if frame else "states") in self._wanted or said.get("status") == "completed":
                yield said
