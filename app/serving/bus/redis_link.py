"""Connections with the Redis of `EMG_REDIS_URL`, and what its keys are called. The one home of redis-py here.

Its own defaults try again ten times and wait five seconds: what was sent may have been done then, and is done twice.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import NotReadyError

log = logging.getLogger(__name__)

PATIENCE_S = 0.5  # with Redis, for one answer
AGAIN_S = 0.2  # after which one that did not answer is tried again
RedisError = redis.RedisError
ResponseError = redis.ResponseError
NotThereError = (redis.ConnectionError, redis.TimeoutError, OSError)


class RedisLink:
    """What all parts of a node's bus share: where Redis is, and whether it answers, which the log says at changes."""

    def __init__(self, url: str) -> None:
        self._url = url
        parse: Any = redis.connection.parse_url
        database = parse(url).get("db") or 0
        self.prefix = f"myostream:{database}:"  # of keys and of channels, which all databases have together
        self.owners = f"{self.prefix}owners"  # the channel by which all hear of changes
        self._troubles: set[str] = set()

    def channel_of(self, node: str) -> str:
        """Return the channel by which a node hears what is meant for it."""
        return f"{self.prefix}node:{node}"

    def events_of(self, source: str) -> str:
        """Return the key of the stream of a source's events."""
        return f"{self.prefix}events:{source}"

    def connect(self, timeout_s: float = PATIENCE_S, *, alone: bool = False) -> Any:
        """Return a client; `alone`: of one connection, for one thread."""
        return redis.Redis.from_url(self._url, single_connection_client=alone, **_options(timeout_s))

    def connection(self) -> Any:
        """Return a connection, for commands whose answers are read by somebody else.

        Raises:
            NotThereError, RedisError: Redis does not answer, or not to us.
        """
        made: Any = redis.ConnectionPool.from_url(self._url, **_options(PATIENCE_S)).make_connection()
        made.connect()
        return made

    @property
    def in_trouble(self) -> bool:
        """Whether something does not work now."""
        return bool(self._troubles)

    def trouble(self, what: str, error: Exception) -> None:
        """Have the log say once what does not work, until it does."""
        if what not in self._troubles:
            self._troubles.add(what)
            log.warning(
                "EMG_REDIS_URL: %s (%s: %s); sources that are read here go on for who reads them here",
                what,
                type(error).__name__,
                str(error)[:200],
            )

    def well(self, what: str) -> None:
        """Have the log say that it works again, where it did not."""
        if what in self._troubles:
            self._troubles.discard(what)
            log.warning("EMG_REDIS_URL: no longer so: %s", what)


def _options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": PATIENCE_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def pause() -> None:
    """Wait until Redis may be tried again."""
    time.sleep(AGAIN_S)


def not_ours(where: str, error: Exception) -> None:
    """Have the log say that something on the bus cannot be read; whoever has the password can write there."""
    log.warning(
        "%s is something that no worker writes (%s: %s): it is passed over. Has another program the password of this "
        "Redis?",
        where,
        type(error).__name__,
        str(error)[:200],
    )


def unknown(source: str, error: Exception) -> NotReadyError:
    """Return what is said where nobody can know who has a source."""
    return NotReadyError(
        f"who has the source {source} is kept in Redis (EMG_REDIS_URL), which does not answer as it should "
        f"({type(error).__name__}: {str(error)[:200]}); try again"
    )
