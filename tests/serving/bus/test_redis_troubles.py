"""What a Redis between machines can do to them: it dies, begins anew, stands still, is full, takes no password.

Each test runs a redis-server of its own, and is skipped where there is none.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import NodeGoneError, NotReadyError
from app.serving.bus.redis_bus import RedisBus
from app.serving.bus.redis_leases import LEASE_S
from tests.own_redis import running
from tests.serving.bus.buses import RedisNodes, answers, claimed, redis_nodes
from tests.serving.station import until


def test_an_owner_that_cannot_renew_is_silent_before_its_lease_ends(nodes: RedisNodes, operator: Any) -> None:
    here = nodes.node()
    lease = claimed(here)
    operator.execute_command("CLIENT", "PAUSE", round(3e3 * LEASE_S), "ALL")
    until(lambda: lease.silent)
    assert not lease.lost
    silent_after = time.monotonic() - lease.renewed_at
    assert silent_after < LEASE_S
    here.publish(lease, "frames", 0, b"nobody hears it")  # and nobody is held up by it
    until(lambda: not lease.silent)


def test_redis_that_stands_still_for_five_seconds_costs_those_seconds_and_no_source(
    nodes: RedisNodes, operator: Any
) -> None:
    here, there = nodes.node(), nodes.node()
    lost: list[str] = []
    lease = here.claim("arm", b"{}", lambda: lost.append("arm"))
    assert lease is not None
    heard: list[int] = []
    there.subscribe("arm", "frames", lambda one: heard.append(one.sequence), (lease.token, -1))
    there.serve("alive?", lambda payload: payload)
    here.publish(lease, "frames", 0, b"")
    until(lambda: heard == [0])
    operator.execute_command("CLIENT", "PAUSE", 5000, "ALL")
    began = time.monotonic()
    with pytest.raises(NodeGoneError):
        here.call(there.node, "alive?", b"", 1.0)
    assert time.monotonic() - began < 2.0
    number = 1
    while time.monotonic() - began < 5.5:
        here.publish(lease, "frames", number, b"")
        number += 1
        time.sleep(0.02)
    until(lambda: not lease.silent)
    here.publish(lease, "frames", number, b"")
    until(lambda: bool(heard) and heard[-1] == number)
    assert heard == sorted(set(heard))  # what was sent once is heard once, and in order
    assert lost == []
    until(lambda: answers(here, there))
    owner = there.owner("arm")
    assert owner is not None
    assert (owner.node, owner.token) == (here.node, lease.token)


def test_a_redis_that_begins_anew_is_told_again_who_has_what(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    nodes = RedisNodes(f"unix://{path}")
    with nodes.stack:
        with running(path):
            here, there = nodes.node(), nodes.node()
            over: list[object] = []
            there.watch(lambda source, owner: over.append(source) if owner is None else None)
            lease = claimed(here)
            heard: list[int] = []
            there.subscribe("arm", "frames", lambda one: heard.append(one.sequence), (lease.token, -1))
            here.publish(lease, "frames", 0, b"")
            until(lambda: heard == [0])
        here.publish(lease, "frames", 1, b"")  # to nobody
        with pytest.raises(NotReadyError, match="EMG_REDIS_URL"):
            there.claim("leg", b"{}")
        with pytest.raises(NotReadyError, match="EMG_REDIS_URL"):  # nobody can say that there is none
            there.look("leg")
        with pytest.raises(NodeGoneError):
            here.call(there.node, "alive?", b"", 2.0)
        assert here.owner("arm") is not None
        with running(path):
            there.serve("alive?", lambda payload: payload)
            until(lambda: answers(here, there))
            until(lambda: not lease.silent)
            until(lambda: not here._table._anew.is_set())
            third = nodes.node()
            assert third.run == here.run
            until(lambda: (owner := third.owner("arm")) is not None and owner.token == lease.token)
            here.publish(lease, "frames", 2, b"")
            until(lambda: 2 in heard)
            assert heard == [0, 2]
            assert over == []
            assert not lease.lost
            nodes.stack.close()


def test_a_redis_that_is_full_loses_events_and_no_lease(
    nodes: RedisNodes, operator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = nodes.node(), nodes.node()
    lease = claimed(here)
    heard: list[int] = []
    there.subscribe("arm", "frames", lambda one: heard.append(one.sequence), (lease.token, -1))
    there.serve("alive?", lambda payload: payload)
    here.publish(lease, "frames", 0, b"")
    until(lambda: heard == [0])
    operator.config_set("maxmemory", 1)
    here.publish(lease, "frames", 1, b"")
    until(lambda: "what is published is lost" in caplog.text)
    renewed_at = lease.renewed_at
    until(lambda: lease.renewed_at > renewed_at + LEASE_S)
    assert not lease.lost
    assert answers(here, there)
    with pytest.raises(NotReadyError, match="OutOfMemoryError"):
        there.claim("leg", b"{}")
    operator.config_set("maxmemory", 0)
    until(lambda: there.claim("leg", b"{}") is not None)
    here.publish(lease, "frames", 2, b"")
    until(lambda: heard == [0, 2])
    assert caplog.text.count("what is published is lost (") == 1


def test_the_wrong_password_is_said_and_shows_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with redis_nodes(tmp_path) as nodes, redis.Redis.from_url(nodes.url) as client:
        client.config_set("requirepass", "right")
        bus = RedisBus(nodes.url.replace("unix://", "unix://:wrong@"), 30.0)
        bus.start()
        with pytest.raises(NotReadyError, match="EMG_REDIS_URL"):
            bus.claim("arm", b"{}")
        bus.close()
    assert "EMG_REDIS_URL" in caplog.text
    assert "wrong@" not in caplog.text
