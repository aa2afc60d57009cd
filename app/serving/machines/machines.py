"""Which other machines there are on the bus. A machine has a node for each of its workers, and one folder for all."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.errors import MyostreamError, NodeGoneError
from app.serving.bus.bus import Bus

log = logging.getLogger(__name__)

WHO = "machines.who"
PATIENCE_S = 1.0  # for a machine's answer


@dataclass(frozen=True, slots=True)
class Machine:
    """One start of a server. `key` is its alone; `name` is for people."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Reached:
    """Another machine, and a node by which it is asked."""

    machine: Machine
    node: str


class Machines:
    """Those that live, as this node knows them."""

    def __init__(self, bus: Bus, own: Machine) -> None:
        self.bus, self.own = bus, own
        self._known: dict[str, Machine] = {}  # by node, which no other is ever named like
        bus.serve(WHO, lambda _: json.dumps(asdict(own)).encode())

    def others(self) -> list[Reached]:
        """Return a node of each other machine, by the machine's name. It may wait, for those not asked before."""
        nodes = self.bus.nodes()
        self._known = {node: self._known[node] for node in nodes if node in self._known}
        found: dict[str, Reached] = {}
        for node in nodes:
            machine = self._machine(node)
            if machine is not None and machine != self.own:
                found.setdefault(machine.key, Reached(machine, node))
        return sorted(found.values(), key=lambda one: (one.machine.name, one.machine.key))

    def ask(self, reached: Reached, kind: str, payload: bytes) -> bytes:
        """Return what a machine answers.

        Raises:
            NodeGoneError: it is gone, or has not answered in time.
            MyostreamError: what its handler has raised.
        """
        return self.bus.call(reached.node, kind, payload, PATIENCE_S)

    def keeper(self, what: str, owner: str) -> Machine | None:
        """Return the machine that is to have what `what` needs, should the node `owner` die; None where it is alone.

        All machines find the same one (rendezvous hashing), and each is that of about as many.
        """
        theirs = self._machine(owner)
        there: Sequence[Machine] = [self.own, *(one.machine for one in self.others())]
        able = [one for one in there if theirs is None or one.key != theirs.key]
        return max(able, key=lambda one: hashlib.sha256(f"{what}\0{one.key}".encode()).digest(), default=None)

    def _machine(self, node: str) -> Machine | None:
        if node == self.bus.node:
            return self.own
        known = self._known.get(node)
        if known is None:
            try:
                known = Machine(**json.loads(self.bus.call(node, WHO, b"", PATIENCE_S)))
            except NodeGoneError:
                return None
            except (MyostreamError, ValueError, TypeError) as error:
                log.debug("the node %s does not say which machine it is of: %s", node, error)
                return None
            self._known[node] = known
        return known


def own_machine(run: str, address: str) -> Machine:
    """Return this machine: `run` names the start of the server, and stays a secret; `address` is EMG_BIND."""
    key = hashlib.sha256(f"machine of {run}".encode()).hexdigest()[:16]
    return Machine(key, f"{socket.gethostname()}:{address.rpartition(':')[2]}")
