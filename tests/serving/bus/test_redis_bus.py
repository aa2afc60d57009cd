"""Nodes of several machines by one Redis: who has a source, whose word counts, and what is no message.

Each test runs a redis-server of its own, and is skipped where there is none.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from app.errors import DataError, FencedError, NodeGoneError
from app.serving.bus.link import CALL, OWNER, encoded
from app.serving.bus.redis_bus import MOST_CARRIED
from tests.serving.bus.buses import RedisNodes, answers, claimed, crash
from tests.serving.station import until


def test_when_an_owner_dies_its_source_is_free_when_its_lease_ends(nodes: RedisNodes) -> None:
    here, there = nodes.node(), nodes.node()
    first = claimed(here)
    until(lambda: there.owner("arm") is not None)
    crash(here)
    died = time.monotonic()
    until(lambda: there.claim("arm", b"{}") is not None)
    assert time.monotonic() - died < 2.0  # docs/reliability.md
    owner = there.owner("arm")
    assert owner is not None
    assert owner.node == there.node
    assert owner.token > first.token


def test_a_node_that_comes_knows_all_sources_and_sees_all_of_a_dead_one_free(nodes: RedisNodes) -> None:
    """They are looked at some at a time, as Redis answers nobody meanwhile."""
    here = nodes.node()
    names = {f"arm-{number}" for number in range(350)}
    for name in names:
        claimed(here, name)
    there = nodes.node()
    until(lambda: there.sources().keys() == names)
    assert all(owner.alive for owner in there.sources().values())
    over = here._leases._held["arm-7"]
    over.release()
    until(lambda: "arm-7" not in there.sources())
    until(lambda: here.node in there.nodes())
    crash(here)
    until(lambda: not any(owner.alive for owner in there.sources().values()))
    assert len(there.sources()) == 349


def test_what_was_said_while_nobody_listened_is_found_later(nodes: RedisNodes) -> None:
    here, there = nodes.node(), nodes.node()
    first = claimed(here, "first")
    until(lambda: there.owner("first") is not None)
    here._sender.send = lambda *_, **__: True  # nothing that it says is heard
    first.release()
    claimed(here, "second")
    until(lambda: list(there.sources()) == ["second"])


def test_whoever_waits_for_an_answer_of_a_node_that_dies_waits_no_longer(nodes: RedisNodes) -> None:
    """It had been heard, and was waited for until the call's own time was over."""
    here, there = nodes.node(), nodes.node()
    asked, go = threading.Event(), threading.Event()

    def hang(_: bytes) -> bytes:
        asked.set()
        go.wait(20)
        return b""

    there.serve("hangs", hang)
    until(lambda: there.node in here.nodes())
    threading.Thread(target=lambda: asked.wait(20) and crash(there), daemon=True).start()
    with pytest.raises(NodeGoneError, match="is gone"):
        here.call(there.node, "hangs", b"", 60.0)
    go.set()


def test_an_owner_whose_lease_another_has_publishes_nothing_more(nodes: RedisNodes, operator: Any) -> None:
    """It may not know it yet: Redis itself refuses what it writes."""
    here, there = nodes.node(), nodes.node()
    lost = threading.Event()
    known: list[str] = []

    def tell() -> None:
        owner = here.owner("arm")
        known.append("" if owner is None else owner.node)
        lost.set()

    old = here.claim("arm", b"{}", tell)
    assert old is not None
    heard: list[tuple[int, int]] = []
    there.subscribe("arm", "frames", lambda one: heard.append((one.token, one.sequence)), (old.token, -1))
    here.publish(old, "frames", 0, b"")
    until(lambda: heard == [(old.token, 0)])
    here._leases._hurry.clear()
    operator.delete(f"{here._link.prefix}lease:arm")  # as if it had run out while the owner stood still
    new = claimed(there)
    here.publish(old, "frames", 1, b"stale")
    there.publish(new, "frames", 0, b"")
    until(lost.is_set)
    assert old.lost
    assert known == [there.node]  # who asks here next is sent there
    with pytest.raises(FencedError, match="arm"):
        here.publish(old, "frames", 2, b"stale")
    until(lambda: len(heard) == 2)
    assert heard == [(old.token, 0), (new.token, 0)]
    stream = operator.xrange(f"{here._link.prefix}events:arm")
    assert not [fields for _, fields in stream if fields.get(b"p") == b"stale"]


def test_what_another_program_writes_is_dropped(
    nodes: RedisNodes, operator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    here = nodes.node()
    channel = here._link.channel_of(here.node)
    other = bytearray(encoded(CALL, b"", number=1, kind="alive?", asks="x"))
    other[4] = 200
    with caplog.at_level(logging.WARNING):
        for forged in (b"", b"\x00" * 8, b"\xff" * 100, b"GET / HTTP/1.1", bytes(other), bytes(other)):
            operator.publish(channel, forged)
        operator.publish(channel, encoded(CALL, b"", nothing=1))
        there = nodes.node()
        here.serve("alive?", lambda payload: payload)
        until(lambda: answers(there, here))
    assert caplog.text.count("another worker speaks version 200") == 1


def test_what_another_program_writes_among_the_events_is_passed_over(
    nodes: RedisNodes, operator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One entry without a number ended what reads them: no stream of another machine was heard again."""
    here, there = nodes.node(), nodes.node()
    lease = claimed(here)
    heard: list[int] = []
    there.subscribe("arm", "frames", lambda one: heard.append(one.sequence), (lease.token, -1))
    here.publish(lease, "frames", 0, b"")
    until(lambda: heard == [0])
    key, place = f"{here._link.prefix}events:arm", f"{lease.token}-*"
    for forged in (
        {"t": "frames"},
        {"t": "frames", "v": "x", "k": 1, "s": 1, "p": ""},
        {"t": b"\xff", "v": 1, "k": 1, "s": 1, "p": ""},
        {"t": "frames", "v": 9, "k": lease.token, "s": 1, "p": ""},
    ):
        operator.xadd(key, forged, id=place)
        next(lease.numbers)  # Redis refuses the number that was taken
    here.publish(lease, "frames", 1, b"")
    until(lambda: heard == [0, 1])
    assert caplog.text.count("something that no worker writes") == 3


def test_sources_and_nodes_that_no_worker_has_written_are_passed_over(
    nodes: RedisNodes, operator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A source without a token ended what looks at them: no death of an owner was seen again."""
    here, there = nodes.node(), nodes.node()
    claimed(here)
    prefix = here._link.prefix
    for name, about in ((b"cut", {"node": "x"}), (b"odd", {"node": "x", "token": "y"}), (b"\xff\xfe", {})):
        operator.sadd(f"{prefix}sources", name)
        if about:
            operator.hset(f"{prefix}about:{name.decode()}", mapping=about)
    with operator.pubsub() as stranger:
        stranger.subscribe(f"{prefix}node:".encode() + b"\xff")
        message = encoded(OWNER, b"", source="odd", node="x", token="y", alive=True)
        operator.publish(here._link.owners, message)
        until(lambda: "among the sources" in caplog.text and "tell one another" in caplog.text)
        until(lambda: any("\ufffd" in node for node in there.nodes()))
    crash(here)
    until(lambda: (owner := there.owner("arm")) is not None and not owner.alive)
    assert list(there.sources()) == ["arm"]
    assert "Traceback" not in caplog.text


def test_more_than_redis_carries_at_a_time_is_refused_with_what_it_carries(nodes: RedisNodes) -> None:
    here, there = nodes.node(), nodes.node()
    there.serve("long", lambda payload: payload * 2)
    with pytest.raises(DataError, match=str(MOST_CARRIED)):
        here.call(there.node, "long", b"x" * (MOST_CARRIED + 1), 1.0)
    until(lambda: there.node in here.nodes())
    with pytest.raises(Exception, match="the answer is more than"):
        here.call(there.node, "long", b"x" * (MOST_CARRIED // 2 + 1), 20.0)


def test_what_is_kept_of_a_source_is_bounded_and_goes_when_it_is_over(
    nodes: RedisNodes, operator: Any
) -> None:
    here = nodes.node()
    lease = claimed(here)
    for number in range(5000):
        here.publish(lease, "frames", number, b"x" * 100)
    key = here._link.events_of("arm")
    until(lambda: operator.xrevrange(key, count=1)[0][1].get(b"s") == b"4999")
    assert operator.xlen(key) < 700  # MAXLEN ~ 500 keeps whole nodes of its tree
    lease.release()
    assert operator.pttl(key) > 0
    assert operator.keys(f"{here._link.prefix}*:arm") == [key.encode()]
