"""How often a caller may ask: `limits` (the library under Flask-Limiter), so that the fast path counts as the views do.

Counted in this worker's memory, or with EMG_REDIS_URL for all workers and machines together. While Redis does not
answer, each worker counts for itself and says so once.
"""

from __future__ import annotations

import logging
import math
import time

import limits
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

log = logging.getLogger(__name__)

PATIENCE_S = 0.5  # with Redis, for one answer
AGAIN_S = 5.0  # after which Redis is tried again


class Rate:
    """One or more limits, such as `100/minute; 10/second`."""

    def __init__(self, rule: str, redis_url: str | None = None) -> None:
        self.rule = rule
        self._items = sorted(limits.parse_many(rule))
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = None if redis_url is None else MovingWindowRateLimiter(_redis(redis_url))
        self._down_until: float | None = None

    def hit(self, caller: str) -> float | None:
        """Count one request. None when it is within the limits, else the seconds after which one will be."""
        down_until = self._down_until
        if self._shared is None or (down_until is not None and time.monotonic() < down_until):
            return self._hit(self._own, caller)
        try:
            wait_s = self._hit(self._shared, caller)
        except Exception as error:  # whatever a client of Redis raises: it must not stop requests
            if self._down_until is None:
                log.warning(
                    "EMG_REDIS_URL does not answer (%s): this worker counts for itself", type(error).__name__
                )
            self._down_until = time.monotonic() + AGAIN_S
            return self._hit(self._own, caller)
        if self._down_until is not None:
            self._down_until = None
            log.warning("EMG_REDIS_URL answers again: all count together")
        return wait_s

    def _hit(self, limiter: MovingWindowRateLimiter, caller: str) -> float | None:
        for item in self._items:
            if not limiter.hit(item, "emg", caller):
                reset = limiter.get_window_stats(item, "emg", caller).reset_time
                return max(1.0, math.ceil(reset - time.time()))
        return None


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        url.replace("unix://", "redis+unix://", 1),  # as `limits` calls it
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
    )
