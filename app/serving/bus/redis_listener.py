"""What other nodes tell this one by Redis's channels: calls, answers, and changes of owners."""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from app.serving.bus.link import FRAME, Message, decoded
from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink, not_ours, pause

log = logging.getLogger(__name__)

LOOK_S = 0.5  # for a message, until the connection is looked at
ASK_S, SILENT_S = 1.0, 2.0  # of silence, until Redis is asked whether it is there, and for its answer
HEARING = "nothing is heard of other workers"


class RedisListener:
    """One thread with a connection of its own, which is made anew where it breaks. `heard` neither waits nor raises.

    `anew` is called when it has begun to listen: what was said before was not heard.
    """

    def __init__(
        self,
        link: RedisLink,
        channels: list[str],
        heard: Callable[[Message], None],
        anew: Callable[[], None],
    ) -> None:
        self._link, self._channels, self._heard, self._anew = link, channels, heard, anew
        self._closed = threading.Event()
        self.ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Hear no more, soon."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            client = self._link.connect(ASK_S + SILENT_S)
            channels = client.pubsub(ignore_subscribe_messages=False)
            try:
                channels.subscribe(*self._channels)
                self._listen(channels)
            except (*NotThereError, RedisError) as error:
                if self._closed.is_set():
                    return
                self._link.trouble(HEARING, error)
                pause()
            finally:
                self.ready.clear()
                with contextlib.suppress(*NotThereError, RedisError):
                    channels.close()
                    client.close()

    def _listen(self, channels: Any) -> None:
        heard_at, asked_at = time.monotonic(), None
        while not self._closed.is_set():
            said = channels.get_message(timeout=LOOK_S)
            if said is None and asked_at is not None and time.monotonic() - asked_at > SILENT_S:
                said = channels.get_message(timeout=0.0)  # perhaps it was this worker that stood still
                if said is None:
                    raise TimeoutError("no answer")
            now = time.monotonic()
            if said is not None:
                heard_at, asked_at = now, None
                if said["type"] == "subscribe":
                    self._link.well(HEARING)
                    self.ready.set()
                    self._anew()
                elif said["type"] == "message":
                    self._take(said["data"])
            elif asked_at is None and now - heard_at > ASK_S:
                asked_at = now
                channels.ping()

    def _take(self, data: bytes) -> None:
        try:
            message = decoded(data[:FRAME], data[FRAME:])
            if message is not None:
                self._heard(message)
        except (KeyError, TypeError, ValueError, struct.error) as error:
            not_ours("among what workers tell one another", error)
        except Exception:
            log.exception("what another worker said was not taken")
