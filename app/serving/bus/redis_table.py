"""Who has which source and which nodes live, as Redis knows it: looked at often, and at once where there is reason."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from app.serving.bus import redis_scripts as scripts
from app.serving.bus.bus import Ownership
from app.serving.bus.owners import OwnerTable
from app.serving.bus.redis_leases import RedisLeases
from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink

LOOK_S, SOON_S = 0.5, 0.05  # between two looks, and where there is reason to look at once
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
        self._table = self._client.register_script(scripts.TABLE)
        self._absent: dict[str, float] = {}  # by source: since when
        self._hurry, self._closed = threading.Event(), False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="bus table", daemon=True)

    def start(self) -> None:
        """Look once, and then often."""
        try:
            key = f"{self._link.prefix}run"
            self._client.set(key, self.run, nx=True)
            there: Any = self._client.get(key)
            self.run = self.run if there is None else there.decode()
        except (*NotThereError, RedisError) as error:
            self._link.trouble(LOOKING, error)
        self.look()
        self._thread.start()

    def hurry(self) -> None:
        """Look soon: what is known here seems to be old."""
        self._hurry.set()

    def close(self) -> None:
        """Look no more, soon."""
        self._closed = True
        self._hurry.set()

    def look(self) -> None:
        """Look now; what is known stays where Redis does not answer."""
        prefix = self._link.prefix
        try:
            with self._lock:
                rows: Any = self._table([f"{prefix}sources"], [f"{prefix}lease:", f"{prefix}about:"])
                channels: Any = self._client.pubsub_channels(f"{self._link.channel_of('')}*")
        except (*NotThereError, RedisError) as error:
            self._link.trouble(LOOKING, error)
            return
        self._link.well(LOOKING)
        before = self.nodes
        self.nodes = {name.decode()[len(self._link.channel_of("")) :] for name in channels}
        for node in before - self.nodes:
            self._left(node)
        self._take(rows)

    def _run(self) -> None:
        while not self._closed:
            if self._hurry.wait(LOOK_S):
                self._hurry.clear()
                time.sleep(SOON_S)
            if not self._closed:
                self.look()
                self._owners.tidy()

    def _take(self, rows: list[Any]) -> None:
        there = set()
        for source, node, token, declaration, alive in rows:
            name = source.decode()
            there.add(name)
            if self._leases.holds(name):
                continue  # this node knows better, also while it cannot say so
            self._owners.note(
                Ownership(
                    source=name,
                    node=node.decode(),
                    token=int(token),
                    declaration=declaration,
                    alive=bool(alive),
                )
            )
        now = time.monotonic()
        missing = {name for name in self._owners.all() if name not in there and not self._leases.holds(name)}
        self._absent = {name: self._absent.get(name, now) for name in missing}
        for name, since in self._absent.items():
            owner = self._owners.get(name)
            if owner is not None and now - since > ABSENT_S:
                self._owners.over(name, owner.token)
