"""The leases of one node: each says for a second that this node has a source, and is renewed four times in it."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.serving.bus import redis_scripts as scripts
from app.serving.bus.redis_link import NotThereError, RedisError, RedisLink, unknown

log = logging.getLogger(__name__)

LEASE_S, RENEW_S = 1.0, 0.25
SILENT_S = 0.8  # after which an owner that could not renew publishes no more: before its lease ends
RENEWING = "no lease can be renewed"
RENEWED, ANOTHERS = 1, -1


@dataclass(eq=False)
class RedisLease:
    """One source of this node."""

    source: str
    token: int
    told: Callable[[], None]
    declaration: bytes
    leases: RedisLeases
    renewed_at: float  # before that was asked
    lost: bool = False
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def silent(self) -> bool:
        """Whether another may have the source by now: Redis has not been heard of for so long."""
        return self.lost or time.monotonic() - self.renewed_at > SILENT_S

    def declare(self, declaration: bytes) -> None:
        self.declaration = declaration
        if not self.lost:
            self.leases.declare(self)

    def release(self, *, ended: bool = True) -> None:
        if not self.lost:
            self.lost = True
            self.leases.release(self, ended)


class RedisLeases:
    """`changed` is told of a source that is claimed, declared anew (True), free (False) or over (None)."""

    def __init__(
        self, link: RedisLink, node: str, keep_s: float, changed: Callable[[RedisLease, bool | None], None]
    ) -> None:
        self._link, self._node, self._changed = link, node, changed
        self._keep_ms = round(1e3 * keep_s)
        self._held: dict[str, RedisLease] = {}
        self._client = link.connect()
        self._claim, self._renew, self._retake, self._release, self._declare = (
            self._client.register_script(one)
            for one in (scripts.CLAIM, scripts.RENEW, scripts.RETAKE, scripts.RELEASE, scripts.DECLARE)
        )
        self._hurry, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="bus leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Give up all."""
        self._closed = True
        self._hurry.set()
        for lease in list(self._held.values()):
            lease.release(ended=False)

    def claim(self, source: str, declaration: bytes, told: Callable[[], None]) -> RedisLease | None:
        """Return the lease of a source that nobody has; None where somebody has it.

        Raises:
            NotReadyError: Redis does not answer, or is full.
        """
        began = time.monotonic()
        args = [source, self._node, declaration, round(1e3 * LEASE_S), self._keep_ms]
        try:
            token = int(self._claim(self._keys(source), args))
        except (*NotThereError, RedisError) as error:
            raise unknown(source, error) from None
        if not token:
            return None
        lease = RedisLease(source, token, told, declaration, self, began)
        self._held[source] = lease
        self._changed(lease, True)
        return lease

    def holds(self, source: str) -> bool:
        """Whether a source is this node's."""
        return source in self._held

    def fenced(self, lease: RedisLease) -> None:
        """Note that Redis has refused what an owner of before has written."""
        lease.renewed_at = float("-inf")
        self._hurry.set()

    def declare(self, lease: RedisLease) -> None:
        """Say anew what a source is; where Redis does not answer, later."""
        keys = self._keys(lease.source)[:2]
        self._tried(lambda: self._declare(keys, [self._said(lease), lease.declaration]))
        self._changed(lease, True)

    def release(self, lease: RedisLease, ended: bool) -> None:
        """Give a source up; where Redis does not answer, its lease runs out."""
        if self._held.get(lease.source) is lease:
            del self._held[lease.source]
        args = [lease.source, self._said(lease), "1" if ended else "0"]
        self._tried(lambda: self._release(self._keys(lease.source), args))
        self._changed(lease, None if ended else False)

    def _run(self) -> None:
        while not self._closed:
            self._hurry.wait(RENEW_S)
            self._hurry.clear()
            held = list(self._held.values())
            if held and not self._closed:
                self._renew_all(held)

    def _renew_all(self, held: list[RedisLease]) -> None:
        began = time.monotonic()
        keys = [key for lease in held for key in self._keys(lease.source)[:3]]
        args = [round(1e3 * LEASE_S), self._keep_ms, *(self._said(lease) for lease in held)]
        try:
            answers: list[Any] = self._renew(keys, args)
            for lease, answer in zip(held, answers, strict=True):
                self._take(lease, int(answer), began)
        except (*NotThereError, RedisError) as error:
            self._link.trouble(RENEWING, error)
        else:
            self._link.well(RENEWING)

    def _take(self, lease: RedisLease, answer: int, began: float) -> None:
        if lease.lost:  # given up meanwhile
            return
        if answer not in (RENEWED, ANOTHERS):  # it ran out, or Redis has begun anew
            args = [lease.source, self._node, lease.declaration]
            times = [round(1e3 * LEASE_S), self._keep_ms]
            answer = int(self._retake(self._keys(lease.source), [*args, *times, lease.token]))
        if answer == RENEWED:
            lease.renewed_at = began
            return
        lease.lost = True
        if self._held.get(lease.source) is lease:
            del self._held[lease.source]
        threading.Thread(target=lease.told, name=f"lost {lease.source}", daemon=True).start()

    def _said(self, lease: RedisLease) -> str:
        return f"{self._node} {lease.token}"

    def _keys(self, source: str) -> list[str]:
        prefix = self._link.prefix
        own = [f"{prefix}lease:{source}", f"{prefix}about:{source}", self._link.events_of(source)]
        return [*own, f"{prefix}sources"]

    def _tried(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except (*NotThereError, RedisError) as error:
            self._link.trouble(RENEWING, error)
