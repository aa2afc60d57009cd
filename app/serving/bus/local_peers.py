"""What one worker wants of the others of its machine: it asks them, and hears what they own and publish."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from app.serving.bus import link as wire
from app.serving.bus.answers import PendingCalls, gone
from app.serving.bus.bus import Ownership, Published
from app.serving.bus.hearing import Hearing, Hears
from app.serving.bus.link import Link, Message, encoded
from app.serving.bus.owners import OwnerTable

LOOK_S = 0.1  # between two looks for workers that have come
READY_S = 1.0  # at the start, for those that are there to say what they have


class LocalPeers:
    """Keeps a connection with each of `addresses` where somebody is."""

    def __init__(
        self, addresses: dict[int, str], owners: OwnerTable, pending: PendingCalls, hearing: Hearing
    ) -> None:
        self._addresses, self._owners, self._pending, self._hearing = addresses, owners, pending, hearing
        self._links: dict[int, Link] = {}
        self._nodes: dict[str, Link] = {}  # the same by name
        self._ready: dict[int, threading.Event] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()

    @property
    def nodes(self) -> list[str]:
        """Those who are there."""
        return list(self._nodes)

    def start(self) -> None:
        """Connect, and wait a little until those who are there have said what they own."""
        self._look()
        ready = list(self._ready.values())
        threading.Thread(target=self._look_often, name="bus looks", daemon=True).start()
        ends = time.monotonic() + READY_S
        for one in ready:
            one.wait(max(0.0, ends - time.monotonic()))

    def ask(self, node: str, number: int, kind: str, payload: bytes) -> None:
        """Have it answer under that number.

        Raises:
            NodeGoneError: it is not there.
        """
        link = self._nodes.get(node)
        if link is None or not link.send(encoded(wire.CALL, payload, number=number, kind=kind)):
            raise gone()

    def hear(self, number: int, hears: Hears) -> None:
        """Have all who are there publish that here too; those who come are told when they come."""
        self._tell(_hear(number, hears))

    def forget(self, number: int) -> None:
        """Have it published here no more."""
        self._tell(encoded(wire.FORGET, number=number))

    def close(self) -> None:
        """Safe to call twice."""
        self._closed.set()
        with self._lock:
            links = list(self._links.values())
        for link in links:
            link.close()

    def _tell(self, message: bytes) -> None:
        with self._lock:
            for link in self._links.values():
                link.send(message)

    def _look_often(self) -> None:
        while not self._closed.wait(LOOK_S):
            self._look()
            self._owners.tidy()

    def _look(self) -> None:
        for place, address in self._addresses.items():
            if place not in self._links and (sock := _connected(address)) is not None:
                self._meet(place, Link(sock, f"client {place}"))

    def _meet(self, place: int, link: Link) -> None:
        with self._lock:
            self._links[place], self._ready[place] = link, threading.Event()
            for number, hears in self._hearing.all():
                link.send(_hear(number, hears))
        threading.Thread(target=self._hear, args=(place, link), name="bus client", daemon=True).start()

    def _hear(self, place: int, link: Link) -> None:
        node = ""
        try:
            for message in link.messages():
                if message.kind == wire.HELLO:
                    node = message.fields["node"]
                    self._nodes[node] = link
                else:
                    self._told(place, message)
        finally:
            link.close()
            with self._lock:
                self._links.pop(place, None)
            self._nodes.pop(node, None)
            self._ready[place].set()
            self._pending.gone(node)
            self._owners.died(node)

    def _told(self, place: int, message: Message) -> None:
        fields = message.fields
        if message.kind == wire.EVENT:
            one = Published(fields["token"], fields["sequence"], message.payload)
            self._hearing.tell((fields["source"], fields["topic"]), one)
        elif message.kind == wire.ANSWER:
            self._pending.answered(fields["number"], message.payload)
        elif message.kind == wire.OWNER:
            self._owners.note(Ownership(**fields, declaration=message.payload))
        elif message.kind == wire.OVER:
            self._owners.over(fields["source"], fields["token"])
        elif message.kind == wire.READY:
            self._ready[place].set()


def _connected(address: str) -> socket.socket | None:
    """Return a connection with whoever is there, as the same user; None where nobody is."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(OSError):
        sock.connect(address)
        if wire.is_ours(sock):
            return sock
    sock.close()
    return None


def _hear(number: int, hears: Hears) -> bytes:
    source, topic = hears.key
    return encoded(wire.HEAR, number=number, source=source, topic=topic, after=hears.last)
