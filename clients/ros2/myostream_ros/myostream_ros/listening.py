"""Reads a stream on a thread of its own, for a loop that must not wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any

from myostream_client import ClientError, EventStream, StreamingInferenceClient


class Listening:
    """The events of a stream, and of the next where it ends; until `close`, or until the server refuses for good."""

    def __init__(self, url: str, api_key: str | None, options: Mapping[str, Any]) -> None:
        """`options` are those of `POST /infer/stream`."""
        self._client = StreamingInferenceClient(url, api_key=api_key)
        self._options, self._closed = dict(options), threading.Event()
        self._stream: EventStream | None = None
        self._heard: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.failure: ClientError | None = None  # why it is over; None: it is not, or it was closed
        self._thread = threading.Thread(target=self._run, name="myostream", daemon=True)
        self._thread.start()

    def heard(self) -> list[object]:
        """Return what has come since the last call; never waits."""
        found = []
        while not self._heard.empty():
            found.append(self._heard.get())
        return found

    def close(self) -> None:
        self._closed.set()
        if self._stream is not None:
            self._stream.close()
        self._thread.join(5.0)
        self._client.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                # a server that is not there yet is waited for, as one that is gone
                self._client.wait_until_ready(patience_s=1.0)
                self._stream = self._client.stream(events=True, give_up_s=float("inf"), **self._options)
                for event in self._stream:
                    self._heard.put(event)
                    if self._closed.is_set():
                        return
            except ClientError as error:
                if not error.passing:
                    self.failure = error
                    return
            self._closed.wait(0.5)
