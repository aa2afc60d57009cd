"""Several workers and one source: who owns it, what the others get, and what happens when the owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import resource
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.chunk_ipc import MAX_BYTES, Follower, Relay, _address
from app.emg.shared_source import SharedSource
from app.emg.source import Chunk
from app.errors import SourceError
from tests.fakes import StepwiseSource

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")

CHANNELS = 3


def chunk(index: int, count: int = 4, restart: bool = False, labelled: bool = True) -> Chunk:
    samples = np.arange(index, index + count, dtype=np.float32)[:, np.newaxis].repeat(CHANNELS, axis=1)
    labels = np.arange(count, dtype=np.int16) if labelled else None
    return Chunk(index=index, samples=samples, labels=labels, restart=restart)


class Workers:
    """Two workers; each has the device at hand, but only the owner reads it."""

    def __init__(self) -> None:
        name = secrets.token_hex(8)
        self.devices = [StepwiseSource(CHANNELS), StepwiseSource(CHANNELS)]
        self.first, self.second = (SharedSource(device, name, clock=lambda: 7.0) for device in self.devices)

    def both(self, index: int, **kwargs: bool) -> tuple[Chunk, Chunk]:
        """One chunk, as the owner and as the other gets it."""
        self.devices[0].give(chunk(index, **kwargs))
        mine = self.first.read()
        theirs = self.second.read()
        assert mine is not None
        assert theirs is not None
        return mine, theirs

    def joined(self) -> None:
        """The first owns the source, the second waits for what comes."""
        self.devices[0].give(chunk(0))
        self.first.read()
        assert self.second._join()

    def close(self) -> None:
        self.second.close()
        self.first.close()


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


def test_whoever_comes_first_owns_the_source(workers: Workers) -> None:
    workers.joined()
    assert (workers.first.owner, workers.second.owner) == (True, False)


def test_a_source_is_told_whether_its_samples_are_waited_for_here_or_by_a_follower(workers: Workers) -> None:
    device = workers.devices[0]
    device.hurried = True  # type: ignore[attr-defined]  # some sources have it
    workers.first.hurried = False
    device.give(chunk(0))
    workers.first.read()
    assert not device.hurried  # type: ignore[attr-defined]  # nobody waits
    workers.first.hurried = True
    device.give(chunk(4))
    workers.first.read()
    assert device.hurried  # type: ignore[attr-defined]  # somebody does
    workers.first.hurried = False
    assert workers.second._join()
    for index in (8, 12):  # the follower is seen with the first
        device.give(chunk(index))
        workers.first.read()
    assert device.hurried  # type: ignore[attr-defined]  # nobody here says what is waited for there


def test_a_source_that_does_not_ask_is_told_nothing(workers: Workers) -> None:
    workers.joined()
    assert not hasattr(workers.devices[0], "hurried")


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
def test_a_follower_gets_what_the_owner_reads_and_when_it_was_acquired(
    workers: Workers, labelled: bool
) -> None:
    workers.joined()
    mine, theirs = workers.both(4, labelled=labelled)
    assert theirs.index == mine.index == 4
    np.testing.assert_array_equal(theirs.samples, mine.samples)
    assert (theirs.labels is None) == (not labelled)
    if labelled:
        np.testing.assert_array_equal(theirs.labels, mine.labels)
    assert theirs.acquired_at == mine.acquired_at == 7.0


def test_the_first_chunk_of_a_follower_says_restart_and_the_next_what_the_source_said(
    workers: Workers,
) -> None:
    workers.joined()
    assert [workers.both(index)[1].restart for index in (4, 8)] == [True, False]
    assert workers.both(12, restart=True)[1].restart


def test_a_large_chunk_arrives_in_pieces_without_a_break(workers: Workers) -> None:
    workers.joined()
    workers.both(4)
    count = 3 * MAX_BYTES // (4 * CHANNELS)
    workers.devices[0].give(chunk(8, count))
    workers.first.read()
    pieces, end = [], 8
    while end < 8 + count:
        piece = workers.second.read()
        assert piece is not None
        assert (piece.index, piece.restart) == (end, False)
        pieces.append(piece.samples)
        end += len(piece.samples)
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate(pieces), chunk(8, count).samples)


def test_what_comes_beside_the_emg_reaches_every_worker_in_its_place(workers: Workers) -> None:
    """Auxiliary channels of a device were there in the one worker that owns it, and in no other."""
    tilt = AuxStream(name="tilt", channel_names=("x", "y"), units="g", sampling_rate=10.0)
    device = StepwiseSource(CHANNELS)
    device.aux_streams, device.channel_names = (tilt,), ("a", "b", "c")
    name = secrets.token_hex(8)
    owner, other = SharedSource(device, name), SharedSource(device, name)
    try:
        assert (other.aux_streams, other.channel_names) == ((tilt,), ("a", "b", "c"))
        device.give(chunk(0))
        owner.read()
        assert other._join()
        long = AuxChunk(stream=0, at=2.5, samples=np.arange(40_000, dtype=np.float32).reshape(-1, 2))
        short = AuxChunk(stream=0, at=400_002.5, samples=np.ones((1, 2), np.float32))
        device.give(replace(chunk(4), aux=(long, short)))
        device.give(chunk(8))
        mine, after = owner.read(), owner.read()
        theirs, next_one = other.read(), other.read()
        assert mine is not None
        assert theirs is not None
        assert next_one is not None
        assert after is not None
        assert (next_one.index, next_one.aux) == (8, ())
        *parts, last = theirs.aux
        assert len(parts) > 1, "in as many messages as it takes"
        places = np.concatenate([one.at + 20.0 * np.arange(len(one.samples)) for one in parts])
        np.testing.assert_allclose(places, 2.5 + 20.0 * np.arange(20_000))
        np.testing.assert_array_equal(np.concatenate([one.samples for one in parts]), long.samples)
        assert (last.at, last.samples.tolist()) == (400_002.5, [[1.0, 1.0]])
    finally:
        other.close()
        owner.close()


def test_trouble_of_the_owner_is_trouble_of_all(workers: Workers) -> None:
    workers.joined()
    workers.devices[0].give(SourceError("unplugged: plug it in"))
    for worker in (workers.first, workers.second):
        with pytest.raises(SourceError, match="unplugged: plug it in"):
            worker.read()


def test_the_end_of_the_source_is_the_end_for_all(workers: Workers) -> None:
    workers.joined()
    workers.devices[0].give(None)
    assert workers.first.read() is None
    assert workers.second.read() is None


def test_when_the_owner_dies_another_takes_over_and_counts_on(workers: Workers) -> None:
    workers.joined()
    _, before = workers.both(4)
    assert workers.first._relay is not None
    workers.first._relay.close()  # as the kernel does when its process ends
    workers.devices[1].give(chunk(0))
    workers.devices[1].give(chunk(4))
    taken = workers.second.read()
    assert workers.second.owner
    assert taken is not None
    assert (taken.index, taken.restart) == (before.index + 4, True)
    then = workers.second.read()
    assert then is not None
    assert (then.index, then.restart) == (before.index + 8, False)


def test_a_follower_that_does_not_read_is_cut_off_and_nobody_waits_for_it(workers: Workers) -> None:
    workers.joined()
    for index in range(4, 40_000, 4):
        workers.devices[0].give(chunk(index))
        workers.first.read()
    assert workers.first._relay is not None
    assert workers.first._relay._followers == []


def test_a_closed_follower_stops_waiting(workers: Workers) -> None:
    workers.joined()
    workers.second.close()
    assert workers.second.read() is None


def test_a_second_server_has_a_source_of_its_own() -> None:
    one, other = Workers(), Workers()
    one.joined()
    other.joined()
    assert one.first.owner
    assert other.first.owner
    one.close()
    other.close()


def test_strangers_on_the_address_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An abstract address has no permissions: whoever else connects runs as another user."""
    relay = Relay.open(name := secrets.token_hex(8))
    assert relay is not None
    follower = Follower.open(name)
    monkeypatch.setattr("app.emg.chunk_ipc.os.getuid", lambda: 12345)
    assert Follower.open(name) is None
    relay.send(chunk(0), 0.0)
    assert relay._followers == []
    relay.close()
    assert follower is not None
    follower.close()


def test_a_follower_with_a_descriptor_above_1023_reads_as_any_other() -> None:
    """select() takes none of those; a worker with a thousand connections has no other left for a new owner's socket."""
    relay = Relay.open(name := secrets.token_hex(8))
    assert relay is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard <= 2000:
        pytest.skip("this machine allows no such descriptor")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2001), hard))
    opened = Follower.open(name)
    assert opened is not None
    follower = Follower(socket.socket(fileno=fcntl.fcntl(opened._socket, fcntl.F_DUPFD_CLOEXEC, 2000)))
    assert follower.read(0.01) is None
    relay.send(chunk(0), 0.0)
    assert follower.read(5.0) is not None
    for one in (relay, opened, follower):
        one.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@given(st.binary(min_size=1, max_size=64))
def test_whatever_comes_a_follower_never_hangs(message: bytes) -> None:
    """Only our own user can send it, but a worker of another version might."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    name = secrets.token_hex(8)
    listener.bind(_address(name))
    listener.listen()
    follower = Follower.open(name)
    assert follower is not None
    peer, _ = listener.accept()
    peer.send(message)
    began = time.monotonic()
    with contextlib.suppress(SourceError, ConnectionError, EOFError):
        follower.read(0.1)
    assert time.monotonic() - began < 5
    for sock in (peer, listener):
        sock.close()
    follower.close()


class SlowOwner:
    """What a follower reads from a new owner that had read less than itself from the last one."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = list(chunks)

    def read(self, timeout_s: float) -> Chunk | None:
        return self._chunks.pop(0)

    def close(self) -> None: ...


def test_the_index_never_goes_back_when_another_takes_over() -> None:
    """With three workers the one that takes over may be behind the third, whose ring refused what it had already."""
    source = SharedSource(StepwiseSource(CHANNELS), "nobody")
    source._next = 10
    source._follower = SlowOwner(chunk(2), chunk(6, count=8), chunk(14))  # type: ignore[assignment]  # a Follower by its methods
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert (first.index, first.samples[:, 0].tolist(), first.restart) == (10, [10, 11, 12, 13], True)
    assert first.labels is not None
    assert first.labels.tolist() == [4, 5, 6, 7]
    assert (second.index, second.restart) == (14, False)
