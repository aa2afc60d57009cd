"""How many streams each key or address has open at all machines that share a Redis.

Each stream is a member of its caller's sorted set, with the time until which it counts; whoever has it renews that. So
the streams of a machine that has died count for COUNTS_S more, and no longer. Redis's own clock is asked, not the
machines'.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

log = logging.getLogger(__name__)

COUNTS_S = 15.0  # since it was renewed
RENEW_S = 5.0
PATIENCE_S = 0.5  # for one answer; also what an open may wait while Redis is gone
AGAIN_S = 5.0  # after which Redis is asked again
OPEN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
RENEW = """
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for at = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[at]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""


class RedisQuota:
    """One worker's part. Safe in threads; it waits for Redis, and so is called under no lock."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._failures: type[Exception] = redis.RedisError
        # an answer that is lost is not asked for again: the member would be there twice, or count in the end for nobody
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0)
        )
        self._open, self._renew = (self._redis.register_script(text) for text in (OPEN, RENEW))
        self._clock, self._down_until = clock, 0.0
        self._down = False
        self._own: dict[str, list[str]] = {}  # members by caller
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._renewing: threading.Thread | None = None

    def opened(self, caller: str, most: int) -> bool:
        """Count one more; False, and nothing counted, where there are `most` already.

        While Redis does not answer, every machine counts for itself: True.
        """
        member = secrets.token_hex(8)
        counted = self._asked(
            lambda: self._open(keys=[_key(caller)], args=[member, most, int(COUNTS_S * 1000)])
        )
        if counted == 0:
            return False
        with self._lock:
            self._own.setdefault(caller, []).append(member)
            if self._renewing is None and not self._closed.is_set():
                self._renewing = threading.Thread(target=self._renew_all, name="stream quota", daemon=True)
                self._renewing.start()
        return True

    def closed(self, caller: str) -> None:
        """Count one fewer, if it was counted."""
        with self._lock:
            members = self._own.get(caller)
            if not members:
                return
            member = members.pop()
            if not members:
                del self._own[caller]
        self._forget(caller, member)

    def renew(self) -> None:
        """Have the streams that are open here count on, those too that Redis does not know: it may have been gone."""
        with self._lock:
            own = {caller: list(members) for caller, members in self._own.items()}
        if own:
            self._asked(lambda: self._renewed(own))
        with self._lock:
            ended = {
                caller: gone
                for caller, members in own.items()
                if (gone := set(members) - set(self._own.get(caller, ())))
            }
        for caller, gone in ended.items():  # closed meanwhile, and perhaps counted anew just now
            self._forget(caller, *gone)

    def close(self) -> None:
        """Let all streams go that are open here. Safe to call twice."""
        self._closed.set()
        with self._lock:
            own, self._own = self._own, {}
        for caller, members in own.items():
            self._forget(caller, *members)
        self._redis.close()

    def _forget(self, caller: str, *members: str) -> None:
        self._asked(lambda: self._redis.zrem(_key(caller), *members))

    def _renewed(self, own: dict[str, list[str]]) -> int:
        pipe = self._redis.pipeline(transaction=False)
        for caller, members in own.items():
            self._renew(keys=[_key(caller)], args=[int(COUNTS_S * 1000), *members], client=pipe)
        pipe.execute()
        return 1

    def _renew_all(self) -> None:
        while not self._closed.wait(RENEW_S):
            self.renew()

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Return Redis's answer; None where there is none."""
        if self._clock() < self._down_until:
            return None
        try:
            answer = ask()
        except self._failures as error:
            if not self._down:
                log.warning(
                    "EMG_REDIS_URL does not answer (%s): each machine counts its own streams",
                    type(error).__name__,
                )
            self._down, self._down_until = True, self._clock() + AGAIN_S
            return None
        if self._down:
            self._down = False
            log.warning("EMG_REDIS_URL answers again: the streams of all machines are counted together")
        return answer


def _key(caller: str) -> str:
    return f"emg:streams:{sha256(caller.encode()).hexdigest()[:32]}"
