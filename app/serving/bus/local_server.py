"""What the other workers of a machine want of this one: that it answers, says what it owns, and publishes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import defaultdict, deque

from app.serving.bus import link as wire
from app.serving.bus.answers import Answering
from app.serving.bus.bus import Ownership, Published
from app.serving.bus.link import Link, Message, encoded
from app.serving.bus.owners import OwnerTable

KEPT = 500  # events of each topic, for one who comes back
FULL_S = 0.1  # until the next connection is taken, where no descriptor is left

Key = tuple[str, str]  # source and topic


class LocalServer:
    """Listens at an abstract address (unix(7)) of its own."""

    def __init__(self, node: str, owners: OwnerTable, answering: Answering) -> None:
        self._node, self._owners, self._answering = node, owners, answering
        self._asked_by: dict[Link, dict[int, Key]] = {}  # the others, and what they want to hear
        self._kept: dict[Key, deque[Published]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self, address: str) -> None:
        """Be there for the others.

        Raises:
            OSError: another process has the address.
        """
        self._listener.bind(address)
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="bus", daemon=True).start()

    def tell(self, message: bytes) -> None:
        """Have all others told."""
        with self._lock:
            for link in self._asked_by:
                link.send(message)

    def publish(self, key: Key, one: Published) -> None:
        """Have those told who want to hear of it."""
        message: bytes | None = None
        with self._lock:
            self._kept[key].append(one)
            for link, wanted in self._asked_by.items():
                if key in wanted.values():
                    message = message or _event(key, one)
                    link.send(message, droppable=True)

    def kept(self, key: Key) -> list[Published]:
        with self._lock:
            return list(self._kept.get(key, ()))

    def forget(self, source: str) -> None:
        """Keep nothing of a source any more."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == source]:
                del self._kept[key]

    def close(self) -> None:
        """Safe to call twice."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # whoever accepts there is woken
        self._listener.close()
        with self._lock:
            links = list(self._asked_by)
        for link in links:
            link.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                self._closed.wait(FULL_S)
                continue
            if wire.is_ours(sock):
                threading.Thread(target=self._serve, args=(sock,), name="bus server", daemon=True).start()
            else:
                sock.close()

    def _serve(self, sock: socket.socket) -> None:
        link = Link(sock, "server")
        with self._lock:
            link.send(encoded(wire.HELLO, node=self._node))
            for owner in self._owners.all().values():
                if owner.node == self._node or not owner.alive:  # of the others, each says what is its own
                    link.send(owner_message(owner))
            link.send(encoded(wire.READY))
            self._asked_by[link] = {}
        try:
            for message in link.messages():
                self._asked(link, message)
        finally:
            link.close()
            with self._lock:
                del self._asked_by[link]

    def _asked(self, link: Link, message: Message) -> None:
        fields = message.fields
        if message.kind == wire.CALL:
            number = fields["number"]

            def tell(answer: bytes) -> None:
                link.send(encoded(wire.ANSWER, answer, number=number))

            self._answering.answer(fields["kind"], message.payload, tell)
        elif message.kind == wire.HEAR:
            key, after = (fields["source"], fields["topic"]), fields["after"]
            with self._lock:  # what is published from here on comes after what is kept
                for one in self._kept.get(key, ()) if after is not None else ():
                    if [one.token, one.sequence] > after:
                        link.send(_event(key, one), droppable=True)
                self._asked_by[link][fields["number"]] = key
        elif message.kind == wire.FORGET:
            with self._lock:
                self._asked_by[link].pop(fields["number"], None)


def owner_message(owner: Ownership) -> bytes:
    """Return what is told of a source."""
    return encoded(
        wire.OWNER,
        owner.declaration,
        source=owner.source,
        node=owner.node,
        token=owner.token,
        alive=owner.alive,
    )


def _event(key: Key, one: Published) -> bytes:
    source, topic = key
    return encoded(
        wire.EVENT, one.payload, source=source, topic=topic, token=one.token, sequence=one.sequence
    )
