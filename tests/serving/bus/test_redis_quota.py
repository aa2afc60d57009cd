"""The streams of a key at all machines, counted in a real Redis."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from app.serving.bus.redis_quota import COUNTS_S, RedisQuota
from app.serving.counters.stream_stats import StreamStats
from tests import own_redis
from tests.fakes import FakeClock

Machine = Callable[[], RedisQuota]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with own_redis.running(tmp_path / "redis.sock"):
        yield f"unix://{tmp_path / 'redis.sock'}"


@pytest.fixture
def machine(url: str) -> Iterator[Machine]:
    """Makes the quota of one machine more."""
    with ExitStack() as machines:

        def add() -> RedisQuota:
            quota = RedisQuota(url)
            machines.callback(quota.close)
            return quota

        yield add


def test_all_machines_count_together(machine: Machine) -> None:
    one, two = machine(), machine()
    assert one.opened("key:anna", 2)
    assert two.opened("key:anna", 2)
    assert not one.opened("key:anna", 2)
    assert not two.opened("key:anna", 2)
    assert two.opened("key:ben", 2)
    one.closed("key:anna")
    assert two.opened("key:anna", 2)
    assert not one.opened("key:anna", 2)


def test_many_who_ask_at_the_same_moment_get_no_more_than_there_is(machine: Machine) -> None:
    machines, let_in = [machine() for _ in range(4)], []
    start = threading.Barrier(4)

    def ask(quota: RedisQuota) -> None:
        start.wait()
        let_in.extend(quota.opened("key:anna", 7) for _ in range(10))

    threads = [threading.Thread(target=ask, args=(quota,)) for quota in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(let_in), sum(let_in)) == (40, 7)


def test_one_that_was_not_counted_gives_no_place_away(machine: Machine) -> None:
    one, two = machine(), machine()
    assert one.opened("key:anna", 1)
    two.closed("key:anna")
    assert not two.opened("key:anna", 1)


def test_the_streams_of_a_machine_that_has_died_count_for_a_while_and_no_longer(
    url: str, machine: Machine
) -> None:
    """Its members are as old as they would be by then; it is Redis's clock that counts, so they are moved back."""
    dead, alive = machine(), machine()
    assert dead.opened("key:anna", 1)
    assert not alive.opened("key:anna", 1)
    with redis.Redis.from_url(url) as client:
        (key,) = client.keys("emg:streams:*")
        assert 0 < client.pttl(key) <= COUNTS_S * 1000  # Redis forgets the whole of it as well
        ((member, _),) = client.zrange(key, 0, -1, withscores=True)
        client.zincrby(key, -COUNTS_S * 1000, member)
    assert alive.opened("key:anna", 1)


def test_a_stream_that_is_renewed_counts_on(url: str, machine: Machine) -> None:
    one, two = machine(), machine()
    assert one.opened("key:anna", 1)
    with redis.Redis.from_url(url) as client:
        client.flushall()  # as after a restart of Redis
    one.renew()
    assert not two.opened("key:anna", 1)


def test_a_machine_that_leaves_takes_its_streams_along(machine: Machine) -> None:
    one, two = machine(), machine()
    assert one.opened("key:anna", 1)
    one.close()
    assert two.opened("key:anna", 1)


def test_while_redis_is_gone_each_machine_counts_for_itself_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, path = FakeClock(), tmp_path / "redis.sock"
    stats = StreamStats(everywhere=(quota := RedisQuota(f"unix://{path}", clock)))
    with caplog.at_level(logging.WARNING):
        assert stats.stream_opened("key:anna", 2)
        assert stats.stream_opened("key:anna", 2)
        assert not stats.stream_opened("key:anna", 2)
        assert [record.message for record in caplog.records] == [
            "EMG_REDIS_URL does not answer (ConnectionError): each machine counts its own streams"
        ]
        with own_redis.running(path):
            clock.advance(5.1)
            quota.renew()
            other = RedisQuota(f"unix://{path}")
            assert not other.opened("key:anna", 2)  # both of those that were opened without Redis
            other.close()
            stats.close()
    assert caplog.records[-1].message.endswith("the streams of all machines are counted together")


def test_redis_that_hangs_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with own_redis.running(path) as process:
        clock = FakeClock()
        quota = RedisQuota(f"unix://{path}", clock)
        asked: list[str] = []
        real = quota._open

        def counting(**more: object) -> object:
            asked.append("")
            return real(**more)

        quota._open = counting
        process.send_signal(signal.SIGSTOP)
        try:
            assert all(quota.opened("key:anna", 1) for _ in range(5))
            assert len(asked) == 1
        finally:
            process.send_signal(signal.SIGCONT)
        clock.advance(5.1)
        quota.close()


def test_what_is_refused_elsewhere_is_not_counted_here(machine: Machine) -> None:
    other, stats = machine(), StreamStats(everywhere=machine())
    assert other.opened("key:anna", 1)
    assert not stats.stream_opened("key:anna", 1)
    assert stats.active_streams == 0
    other.closed("key:anna")
    assert stats.stream_opened("key:anna", 1)
    stats.stream_closed("key:anna")
    assert other.opened("key:anna", 1)
