"""Clients that leave, do not read or come in crowds, and workers that are killed or replaced."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.serving.streams.client_stream import GIVE_UP_S
from tests.server.live import LATE_S, START_S, Client, Json, Live, connecting, gunicorn, until

pytestmark = pytest.mark.server

CROWD, CROWD_S = 200, 30.0


@pytest.fixture
def live(server: Live) -> Live:
    server.at_rest()
    return server


@pytest.mark.alone
def test_a_client_that_leaves_within_a_frame_frees_its_place_within_two(
    live: Live, connect: Callable[..., Client]
) -> None:
    stays = connect(fps=10)
    client = connect(fps=10, include_signal=True, receive_buffer=4096)
    client.frames(1)
    client.file.read(10)  # of the next frame
    client.close()
    assert until(lambda: live.stats()["active_streams"] == 1) < 0.2 + 1.0  # a busy machine may add a second
    until(lambda: live.log.count(" ended: ") == 1)
    assert stays.frames(10)[-1]["dropped"] == 0
    stays.close()
    until(lambda: live.stats()["active_streams"] == 0)
    assert live.stats()["groups"] == []


@pytest.mark.alone
def test_a_client_that_never_reads_is_closed_in_time_and_slows_nobody(
    live: Live, connect: Callable[..., Client]
) -> None:
    """A full socket was looked at with every eighth frame only, which began the ten seconds anew each time."""
    reader = connect(fps=50, include_signal=True, duration_seconds=GIVE_UP_S + 6)
    began = time.monotonic()
    connect(fps=50, include_signal=True, receive_buffer=4096)
    closed: list[float] = []

    def watch() -> None:
        # a hundred requests a second would be a load of their own on the server and on this process, which reads
        until(lambda: live.stats()["active_streams"] == 1, GIVE_UP_S + 5, every_s=0.2)
        closed.append(time.monotonic() - began)

    watcher = threading.Thread(target=watch)
    watcher.start()
    *frames, last = reader.events()
    watcher.join()
    assert GIVE_UP_S < closed[0] < GIVE_UP_S + 5
    assert frames[-1]["dropped"] == 0
    assert last["total_frames"] == len(frames) == frames[-1]["frame"] + 1


@pytest.mark.slow
def test_a_crowd_that_comes_and_goes_at_random_leaves_nothing_behind(live: Live) -> None:
    ends = time.monotonic() + CROWD_S
    errors: list[BaseException] = []
    seen = [0] * CROWD

    def visit(number: int) -> None:
        chance = random.Random(number)
        try:
            while time.monotonic() < ends:
                options = {"fps": chance.choice([5, 10]), "votes": chance.choice([1, 3])}
                client = Client(live.port, **options)
                if chance.random() < 0.8:
                    seen[number] += len(client.frames(chance.randint(1, 20)))
                client.close()
                time.sleep(chance.uniform(0, 2))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert min(seen) > 0
    until(lambda: live.stats()["active_streams"] == 0)
    assert live.stats()["groups"] == []
    assert live.ready()


def last_words(clients: list[Client]) -> list[tuple[Json, float]]:
    """The last event of each, read at the same time, and when it came."""
    found: list[tuple[Json, float]] = []

    def read(client: Client) -> None:
        *_, last = client.events()
        found.append((last, time.monotonic()))

    threads = [threading.Thread(target=read, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LATE_S)
    return found


def test_sigterm_ends_fifty_streams_with_their_last_word(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as live, connecting(live.port) as connect:
        clients = [connect(fps=30) for _ in range(50)]
        connect(
            fps=30, include_signal=True, receive_buffer=4096
        )  # one that does not read must not hold it up
        for client in clients:
            client.frames(1)
        live.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        words = last_words(clients)
        assert not live.ready()
        assert [(word["status"], word["reason"]) for word, _ in words] == [("completed", "shutdown")] * 50
        assert max(at for _, at in words) - told < 1.0
        assert all(client.finished for client in clients)
        assert live.stop() == 0
        assert live.log.count(" ended: ") == 51
        assert "Handling signal: term" in live.log
        assert "Traceback" not in live.log, live.log


def test_a_killed_worker_is_replaced_and_its_clients_go_on(
    live: Live, connect: Callable[..., Client]
) -> None:
    client = connect(fps=20, duration_seconds=30)
    seen = client.frames(20)
    killed = live.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises((AssertionError, OSError)):  # the connection is cut, within the body
        list(client.events())
    until(lambda: live.workers() and live.workers() != killed and live.ready(), START_S)
    again = connect(fps=20, duration_seconds=30, last_event_id=client.last_id)
    rest = again.frames(10)
    assert [frame["frame"] for frame in rest] == list(range(20, 30))
    assert rest[0]["dropped"] > seen[-1]["dropped"]
    assert live.stats()["active_streams"] == 1  # the one that died with its worker is not counted
    again.close()
    until(lambda: live.stats()["active_streams"] == 0)
    assert live.stats()["groups"] == []
    assert f"Worker (pid:{killed[0]}) was sent SIGKILL!" in live.log
    assert live.log.count("Booting worker") == 1


def test_a_reload_gives_running_streams_their_last_word_and_a_new_worker(
    live: Live, connect: Callable[..., Client]
) -> None:
    client = connect(fps=20)
    client.frames(1)
    before = live.workers()
    live.process.send_signal(signal.SIGHUP)
    *_, last = client.events()
    assert (last["status"], last["reason"]) == ("completed", "reload")
    until(lambda: len(live.workers()) == 1 and live.workers() != before, START_S)
    until(live.ready, START_S)
    again = connect(fps=20, last_event_id=client.last_id)
    assert again.frames(1)[0]["frame"] == last["total_frames"]
    assert "Traceback" not in live.log, live.log
