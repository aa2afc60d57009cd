"""Who has which source and which nodes live, as Redis knows it.

Nodes tell one another of every change; what is looked at beside that is bounded, however many sources there are: those
of nodes that are gone at once, and of all others some at a time. Redis answers nobody while it does a script.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from app.serving.bus import redis_scripts as scripts
from app.serving.bus.bus import Ownership
from app.serving.bus.owners import OwnerTable
from app.serving.bus.redis_leases import RedisLeases
from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink, not_ours, unknown

LOOK_S, SOON_S = 0.5, 0.05  # between two looks, and where there is reason to look at once
PAGE = 100  # sources that are looked at in one go
ABSENT_S = 2.0  # after which a source that Redis does not know is over: it may have begun anew
LOOKING = "who has which source is not known"


class RedisTable:
    """Keeps an OwnerTable as Redis has it. `run` names this start of all nodes together."""

    def __init__(
        self, link: RedisLink, owners: OwnerTable, leases: RedisLeases, left: Callable[[str], None]
    ) -> None:
        """`left` is told of each node that is not there any more."""
        self._link, self._owners, self._leases, self._left = link, owners, leases, left
        self.run, self.nodes = secrets.token_hex(8), set[str]()
        self._client = link.connect()
        self._rows = self._client.register_script(scripts.ROWS)
        self._absent: dict[str, float] = {}  # by source: since when
        self._known: Iterator[str] = iter(())  # those that are still to be looked at, in turn
        self._cursor = 0  # the same among those that Redis knows
        self._doubted: set[str] = set()  # nodes
        self._anew = threading.Event()  # changes may have been missed
        self._hurry, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="bus table", daemon=True)

    def start(self) -> None:
        """Look at all once, and then often at some."""
        try:
            key = f"{self._link.prefix}run"
            self._client.set(key, self.run, nx=True)
            there: Any = self._client.get(key)
            self.run = self.run if there is None else there.decode()
        except (*NotThereError, RedisError) as error:
            self._link.trouble(LOOKING, error)
        self._anew.set()
        self._tried()
        self._thread.start()

    def hurry(self) -> None:
        """Look soon: what is known here seems to be old."""
        self._hurry.set()

    def doubt(self, node: str) -> None:
        """Look soon at the sources of a node that has not answered."""
        self._doubted.add(node)
        self._hurry.set()

    def anew(self) -> None:
        """Look soon at all: what others have said may have been missed."""
        self._anew.set()
        self._hurry.set()

    def look(self, source: str) -> None:
        """Look at one source now.

        Raises:
            NotReadyError: Redis does not answer.
        """
        try:
            self._ask([source])
        except (*NotThereError, RedisError) as error:
            raise unknown(source, error) from None

    def close(self) -> None:
        """Look no more, soon."""
        self._closed = True
        self._hurry.set()

    def _run(self) -> None:
        while not self._closed:
            if self._hurry.wait(LOOK_S):
                self._hurry.clear()
                time.sleep(SOON_S)
            if not self._closed:
                self._tried()
                self._owners.tidy()

    def _tried(self) -> None:
        try:
            self._look()
        except (*NotThereError, RedisError) as error:
            self._link.trouble(LOOKING, error)
        else:
            self._link.well(LOOKING)

    def _look(self) -> None:
        there = self._client.pubsub_channels(f"{self._link.channel_of('')}*")
        begins = len(self._link.channel_of(""))
        before, self.nodes = self.nodes, {_text(name)[begins:] for name in there}
        for node in before - self.nodes:
            self._left(node)
        owners = self._owners.all()
        doubted, self._doubted = self._doubted, set()
        in_doubt = {
            name
            for name, one in owners.items()
            if one.alive and (one.node not in self.nodes or one.node in doubted)
        }
        self._ask({*in_doubt, *self._absent, *self._in_turn(owners), *self._page()})
        if self._anew.is_set():
            self._anew.clear()
            self._client.set(f"{self._link.prefix}run", self.run, nx=True)  # Redis may have begun anew
            self._cursor = 0
            self._ask(self._page())
            while self._cursor:
                self._ask(self._page())

    def _in_turn(self, owners: Iterable[str]) -> list[str]:
        """Return some of those known here; all have their turn."""
        some = list(islice(self._known, PAGE))
        if len(some) < PAGE:
            self._known = iter(list(owners))
        return some or list(islice(self._known, PAGE))

    def _page(self) -> list[str]:
        """Return some of those that Redis knows; all have their turn."""
        self._cursor, names = self._client.sscan(f"{self._link.prefix}sources", self._cursor, count=PAGE)
        return [_text(name) for name in names]

    def _ask(self, names: Iterable[str]) -> None:
        asked = [name for name in names if not self._leases.holds(name)]  # of its own this node knows better
        prefix = self._link.prefix
        for at in range(0, len(asked), PAGE):
            some = asked[at : at + PAGE]
            rows: Any = self._rows([f"{prefix}sources"], [f"{prefix}lease:", f"{prefix}about:", *some])
            self._take(some, rows)

    def _take(self, names: list[str], rows: list[Any]) -> None:
        missing = set(names)
        for row in rows:
            try:
                source, node, token, declaration, alive = row
                owner = Ownership(
                    source=_text(source),
                    node=_text(node),
                    token=int(token),
                    declaration=bytes(declaration),
                    alive=bool(alive),
                )
            except (TypeError, ValueError) as error:
                not_ours("among the sources", error)
                continue
            missing.discard(owner.source)
            self._absent.pop(owner.source, None)
            if not self._leases.holds(owner.source):  # it may have been claimed here meanwhile
                self._owners.note(owner)
        now = time.monotonic()
        for name in missing:
            known = self._owners.get(name)
            if known is None or self._leases.holds(name):
                self._absent.pop(name, None)
            elif now - self._absent.setdefault(name, now) > ABSENT_S:
                self._absent.pop(name, None)
                self._owners.over(name, known.token)


def _text(name: bytes) -> str:
    """Return a name; one that no worker has given may be no text."""
    return name.decode(errors="replace")
