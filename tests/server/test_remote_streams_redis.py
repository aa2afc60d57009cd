"""Streams of another server while the Redis between them is paused, full, or gone and back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as redis_client

from tests.own_redis import running
from tests.server.live import gunicorn, until
from tests.server.remote_stage import Hearing, Place, Stage, expect_in_order, name_of

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

PAUSE_S = 5.0
FRESH_S = 2.0  # a frame that is told is not older than this: what was kept meanwhile is not acted upon


class Trouble:
    """The Redis, and what may happen to it."""

    def __init__(self, path: Path, opened: ExitStack) -> None:
        self._path, self._opened = path, opened
        self.process: subprocess.Popen[bytes] = opened.enter_context(running(path))
        self.client = redis_client.Redis(unix_socket_path=str(path))
        opened.callback(self.client.close)

    def pause(self) -> None:
        self.client.execute_command("CLIENT", "PAUSE", round(PAUSE_S * 1000), "ALL")
        time.sleep(PAUSE_S)

    def fill(self) -> None:
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", 1)
        time.sleep(PAUSE_S)
        self.client.config_set("maxmemory", 0)

    def restart(self) -> None:
        """Without its memory, as it keeps nothing."""
        self.process.kill()
        self.process.wait()
        time.sleep(PAUSE_S / 2)
        self.process = self._opened.enter_context(running(self._path))


@pytest.fixture
def trouble(tmp_path: Path) -> Iterator[Trouble]:
    with ExitStack() as opened:
        yield Trouble(tmp_path / "redis.sock", opened)


@pytest.fixture
def stage(tmp_path: Path, trouble: Trouble, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A source that is pushed to its owner only: to push elsewhere needs the Redis."""
    del trouble  # it is there before the servers are
    with ExitStack() as opened:
        first, second = (
            opened.enter_context(
                gunicorn(
                    tmp_path,
                    EMG_INSTANCE=str(tmp_path / name),
                    EMG_MODE="push",
                    EMG_REDIS_URL=f"unix://{tmp_path}/redis.sock",
                )
            )
            for name in ("first", "second")
        )
        yield Stage(Place(first), Place(second), name_of(request), opened, [first])


def expect_fresh(heard: Hearing) -> None:
    """What was told was new when it came."""
    pairs = zip(heard.came_at, heard.events.copy(), strict=False)
    assert max(at - event["timestamp"] for at, event in pairs if "prediction" in event) < FRESH_S


@pytest.mark.parametrize("what", ["pause", "fill", "restart"])
def test_the_owners_readers_go_on_and_the_others_are_told_and_go_on_when_it_is_over(
    trouble: Trouble, stage: Stage, what: str
) -> None:
    here, there = stage.stream(stage.owner), stage.stream(stage.other)
    for reader in (here, there):
        reader.comes_to(10)
    happens: Callable[[], None] = getattr(trouble, what)
    happens()
    for reader in (here, there):
        reader.goes_on()
        expect_in_order(reader.frames)
        expect_fresh(reader)
    assert (here.breaks, here.frames[-1]["dropped"]) == (0, 0)
    assert there.breaks
    late = stage.stream(stage.other)
    late.goes_on()
    status, problem = stage.there.ask("GET", f"/emg/sources/{stage.name}")
    assert (status, problem.get("state")) == (200, "running")
    until(lambda: stage.there.declare(f"{stage.name}-2"[-60:])[0] == 201)
