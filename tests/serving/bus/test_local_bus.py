"""What only workers of one machine have: the kernel's locks, memory that outlives them, and sockets of their own."""

from __future__ import annotations

import logging
import socket
import threading

import pytest

from app.errors import DataError
from app.serving.bus import link as wire
from app.serving.bus.link import Link, encoded
from app.serving.bus.local_bus import MOST_CARRIED
from tests.serving.bus.buses import local_nodes
from tests.serving.station import until


def test_a_worker_that_comes_when_all_others_have_gone_knows_what_they_had() -> None:
    """At a reload the old ones go before the new ones are there."""
    with local_nodes() as nodes:
        old = nodes.node()
        assert old.claim("arm", b'{"channels": 8}') is not None
        over = old.claim("leg", b"{}")
        assert over is not None
        over.release()
        old.close()
        new = nodes.node()
        left = new.owner("arm")
        assert left is not None
        assert (left.alive, left.declaration) == (False, b'{"channels": 8}')
        assert new.owner("leg") is None
        assert new.claim("arm", left.declaration) is not None


def test_what_nobody_takes_up_in_time_is_forgotten_by_all() -> None:
    with local_nodes(keep_s=0.2) as nodes:
        old, other = nodes.node(), nodes.node()
        assert old.claim("arm", b"{}") is not None
        until(lambda: other.owner("arm") is not None)
        old.close()
        until(lambda: other.owner("arm") is None)
        assert nodes.node().owner("arm") is None


def test_a_message_of_another_version_is_dropped_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    one, other = socket.socketpair()
    there = Link(other, "test")
    old = bytearray(encoded(wire.CALL, b"old", number=1, kind="x"))
    old[4] = 99  # the version
    one.sendall(bytes(old) * 3 + encoded(wire.CALL, b"new", number=2, kind="x"))
    one.shutdown(socket.SHUT_WR)
    with caplog.at_level(logging.WARNING):
        assert [message.payload for message in there.messages()] == [b"new"]
    assert [record.message for record in caplog.records if "version 99" in record.message] != []
    assert len([record for record in caplog.records if "version 99" in record.message]) == 1
    one.close()
    there.close()


def test_more_than_is_carried_at_a_time_is_refused_and_the_other_worker_is_not_taken_for_dead() -> None:
    with local_nodes() as nodes:
        here, there = nodes.node(), nodes.node()
        there.serve("long", lambda payload: str(len(payload)).encode())
        until(lambda: there.node in here.nodes())
        assert there.claim("arm", b"{}") is not None
        until(lambda: here.owner("arm") is not None)
        with pytest.raises(DataError, match=str(MOST_CARRIED)):
            here.call(there.node, "long", bytes(MOST_CARRIED + 1), 10.0)
        assert here.call(there.node, "long", bytes(MOST_CARRIED), 20.0) == str(MOST_CARRIED).encode()
        owner = here.owner("arm")
        assert owner is not None
        assert owner.alive


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"", b"\x00"], ids=["too long", "nothing", "half a head"])
def test_what_is_no_message_ends_the_connection_and_nothing_else(garbage: bytes) -> None:
    one, other = socket.socketpair()
    there = Link(other, "test")
    one.sendall(garbage)
    one.shutdown(socket.SHUT_WR)
    assert list(there.messages()) == []
    one.close()
    there.close()


def test_who_does_not_keep_up_loses_events_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_WAITING", 2**20)
    one, other = socket.socketpair()
    link = Link(one, "test")
    sent = [link.send(b"x" * 2**16, droppable=True) for _ in range(200)]
    assert sent[0]
    assert not sent[-1]
    assert link.send(b"an answer is not dropped")
    reader = threading.Thread(
        target=lambda: [None for _ in iter(lambda: other.recv(2**20), b"")], daemon=True
    )
    reader.start()
    until(lambda: link.send(b"", droppable=True))
    link.close()
    reader.join(20)
    other.close()
