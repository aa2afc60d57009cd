"""What workers know together of a replay: orders of any, obeyed by the one that plays, and taken over from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import Recording
from app.emg.replay import ReplayState
from app.emg.simulated.playback import Playback
from app.serving.counters.shared_replay import SharedReplay
from app.serving.counters.worker_group import WorkerGroup, board_for
from tests.emg.recording_makers import recording


@pytest.fixture
def workers() -> list[WorkerGroup]:
    memory = board_for(2)
    return [WorkerGroup("run", memory, slot, workers=2) for slot in range(2)]


@pytest.fixture
def one(tmp_path: Path) -> Recording:
    """Half a second in pieces of 40, 40 and 20 samples."""
    return recording(tmp_path / "one.npz")


def playing(one: Recording, worker: WorkerGroup, link: str = "it") -> Playback:
    source = Playback([one], speed=None, loop=True, chunk=10)
    source.replay.control = SharedReplay(worker, link)
    return source


def test_an_order_of_a_worker_that_only_follows_is_obeyed_by_the_one_that_plays(
    one: Recording, workers: list[WorkerGroup]
) -> None:
    owner, follower = (playing(one, worker) for worker in workers)
    owner.read()
    number = follower.replay.order(0.3, paused=None)
    assert not follower.replay.obeyed(number)
    chunk = owner.read()
    assert chunk is not None
    np.testing.assert_array_equal(chunk.samples, one.emg[60:70])
    assert follower.replay.obeyed(number)
    assert follower.replay.position == owner.replay.position
    assert owner.replay.position.position_seconds == pytest.approx(0.35)


def test_who_plays_on_after_another_has_died_goes_on_there_and_still_waits(
    one: Recording, workers: list[WorkerGroup]
) -> None:
    dead, heir = (playing(one, worker) for worker in workers)
    dead.replay.order(0.3, paused=None)
    dead.read()
    chunk = heir.read()
    assert chunk is not None
    np.testing.assert_array_equal(chunk.samples, one.emg[70:80])
    heir.replay.order(None, paused=True)
    third = Playback([one], speed=None, chunk=10, sleep=lambda _: third.close())
    third.replay.control = heir.replay.control
    heir.replay.control.tell(ReplayState(obeyed=2, at=80, paused=True))
    assert third.read() is None
    assert third.replay.position.paused


def test_an_order_is_obeyed_once_and_the_newest_holds(one: Recording, workers: list[WorkerGroup]) -> None:
    owner, follower = (playing(one, worker) for worker in workers)
    follower.replay.order(0.1, paused=None)
    owner.replay.order(0.2, paused=None)
    chunks = [owner.read() for _ in range(3)]
    assert [chunk.restart for chunk in chunks if chunk is not None] == [True, False, False]
    assert owner.replay.position.position_seconds == pytest.approx(0.35)


def test_another_replay_is_none_of_its_business(one: Recording, workers: list[WorkerGroup]) -> None:
    """As after a change of the source: the same workers, another recording."""
    before, after = playing(one, workers[0], "before"), playing(one, workers[1], "after")
    before.replay.order(0.4, paused=None)
    before.read()
    assert after.replay.position.position_seconds == 0
    chunk = after.read()
    assert chunk is not None
    np.testing.assert_array_equal(chunk.samples, one.emg[:10])
