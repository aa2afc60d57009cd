"""What a worker may ask of the bus, whichever way its messages go.

A source that is pushed has one owner, the node that reads it. The others know who that is, have it do what they are
asked about the source (`call`), and hear the events that it publishes of it (`subscribe`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who has a source: `node` reads it, or has read it and is gone."""

    source: str
    node: str
    token: int  # grows from each owner of the source to the next
    declaration: bytes  # JSON of what its client declared, as `claim` was given it
    alive: bool = True  # False: the owner has died, and whoever is pushed to next may claim the source


@dataclass(frozen=True, slots=True)
class Published:
    """One thing that an owner has published. Greater (token, sequence) are later, whoever the owner was."""

    token: int
    sequence: int  # as the owner numbered it within the topic
    payload: bytes


class Lease(Protocol):
    """The right to publish of a source, and the duty to read it. It renews itself until it is released or lost."""

    source: str
    token: int

    @property
    def lost(self) -> bool:
        """Whether another has the source by now: nothing is published any more."""

    def declare(self, declaration: bytes) -> None:
        """Say anew what the source is, such as which model reads it."""

    def release(self, *, ended: bool = True) -> None:
        """Give the source up. Safe to call twice.

        `ended`: it is over, and its declaration is forgotten. Else another node may claim it, as after a death.
        """


class Subscription(Protocol):
    """Something that is told until it is closed."""

    def close(self) -> None:
        """Have nothing more told; what is being told just now is told. Safe to call twice."""


Heard = Callable[[Published], None]  # on a thread of the bus, in order: neither waits nor raises
Handler = Callable[
    [bytes], bytes
]  # on a thread of its own; a MyostreamError that it raises is raised by `call`
Watcher = Callable[[str, "Ownership | None"], None]  # a source, and who has it now; None: it is over


class Bus(Protocol):
    """One node's part. Every method may be called from any thread."""

    @property
    def node(self) -> str:
        """Return the name of this worker; no other has it, before or after."""

    @property
    def run(self) -> str:
        """Return what names this start of all nodes together; known once it is started."""

    @property
    def trouble(self) -> bool:
        """Whether something of it does not work now; the log says what."""

    def nodes(self) -> list[str]:
        """Return all nodes that live, this one included, as far as is known here."""

    def start(self) -> None:
        """Join; called once, before all else."""

    def owner(self, source: str) -> Ownership | None:
        """Return who has a source, as far as this node has heard; None where nobody has. Cheap, and never waits."""

    def look(self, source: str) -> Ownership | None:
        """Return the same, but where this node has heard of nobody, ask first: it may be new. It may wait a little.

        Raises:
            NotReadyError: there is nobody known, and the bus cannot be reached, so nobody knows.
        """

    def sources(self) -> dict[str, Ownership]:
        """Return all sources of all nodes by name, the oldest first, those of this node and of dead ones included."""

    def claim(self, source: str, declaration: bytes, lost: Callable[[], None] = ...) -> Lease | None:
        """Become the owner of a source that nobody has, or whose owner is dead; None where a living node has it.

        `lost` is called once, on a thread of its own, when the lease was lost and not released.

        Raises:
            NotReadyError: the bus cannot be reached, so nobody knows.
        """

    def call(self, node: str, kind: str, payload: bytes, timeout_s: float) -> bytes:
        """Have a node's handler of that kind answer.

        Raises:
            NodeGoneError: that node is gone, or has not answered in time: it may have done it or not.
            MyostreamError: what the handler has raised; of one of `app.errors`, the same.
        """

    def serve(self, kind: str, handler: Handler) -> None:
        """Answer calls of that kind from now on."""

    def publish(self, lease: Lease, topic: str, sequence: int, payload: bytes) -> None:
        """Have all hear it who subscribe to that topic of the source. It does not wait; what nobody keeps is lost.

        `sequence` grows within the topic.

        Raises:
            FencedError: the lease is lost. While the bus cannot be reached, what is published is lost without a word.
        """

    def subscribe(
        self, source: str, topic: str, heard: Heard, after: tuple[int, int] | None = None
    ) -> Subscription:
        """Hear what is published of a source under a topic, whoever its owner is, also of those to come.

        `after` is the (token, sequence) heard last: what came since comes first, as far as it is still kept. None: what
        comes from now on.
        """

    def watch(self, told: Watcher) -> Subscription:
        """Be told of every change of an owner; not of those that there are now."""

    def close(self) -> None:
        """Leave: what this node owned is free for others at once. Safe to call twice."""


def oldest_source(bus: Bus) -> Ownership | None:
    """Return the source that is meant where none is named: the oldest that anybody reads, else the oldest."""
    owners = bus.sources().values()
    return next((owner for owner in owners if owner.alive), next(iter(owners), None))
