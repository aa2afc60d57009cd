"""Two machines, each a network namespace with a link of its own to the Redis between them: a partition, and a death."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.own_redis import running
from tests.server.live import LATE_S, START_S, free_port, gunicorn, until
from tests.server.namespaces import Machine, machine
from tests.server.remote_stage import Place, Stage, expect_in_order, longest_hole_s, name_of

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

LOST_S = 1.0  # of a stream, over the death of its source's server (docs/reliability.md)
GOES_ON_S = 2.0  # after which its client has gone on
PASSWORD = "of-the-test"
CUT_S = 4.0


@pytest.fixture
def machines(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Stage, Machine, Machine]]:
    """A source that the first reads, pushed to the second: its samples go through the bus."""
    with ExitStack() as opened:
        both = [opened.enter_context(machine(number)) for number in (1, 2)]
        hubs = [one.hub for one in both]
        port = str(free_port())
        opened.enter_context(
            running(tmp_path / "redis.sock", "--port", port, "--bind", *hubs, "--requirepass", PASSWORD)
        )
        servers = [
            opened.enter_context(
                gunicorn(
                    tmp_path,
                    one.prefix,
                    port=8000 + one.number,
                    host=one.address,
                    EMG_ALLOW_ANONYMOUS="1",
                    EMG_INSTANCE=str(tmp_path / str(one.number)),
                    EMG_MODE="push",
                    EMG_REDIS_URL=f"redis://:{PASSWORD}@{one.hub}:{port}/0",
                )
            )
            for one in both
        ]
        for server in servers:
            until(server.ready, START_S)
        first, second = servers
        yield Stage(Place(first), Place(second), name_of(request), opened, [second]), both[0], both[1]


def test_an_owner_that_is_cut_off_falls_silent_and_the_source_goes_on_where_it_is_pushed_to(
    machines: tuple[Stage, Machine, Machine],
) -> None:
    stage, owner, _ = machines
    here, there = stage.stream(stage.owner), stage.stream(stage.other)
    for reader in (here, there):
        reader.comes_to(10)
    owner.cut()
    cut_at = time.time()
    until(lambda: there.frames[-1]["timestamp"] > cut_at + CUT_S)
    assert here.frames[-1]["timestamp"] < cut_at + 1.0, "what is pushed elsewhere does not come to it"
    assert here.states[-1] == "stalled"
    assert there.breaks
    assert longest_hole_s(there.frames) <= LOST_S
    assert stage.pushing.longest_s < GOES_ON_S + 1.0
    owner.mend()
    here.join(LATE_S)
    last = here.events[-1]
    assert (last["status"], last["reason"]) == ("completed", "restart"), "it is another's by now"
    back = stage.stream(stage.owner, here.client.last_id)
    for reader in (back, there):
        reader.goes_on()
    expect_in_order(there.frames)
    expect_in_order([*here.frames, *back.frames])
    again = stage.owner.connected()  # the one of before was idle for too long
    assert again.ask("GET", f"/emg/sources/{stage.name}")[1]["state"] == "running"
    again.close()


def test_a_server_of_readers_that_is_cut_off_tells_them_and_goes_on_when_it_is_back(
    machines: tuple[Stage, Machine, Machine],
) -> None:
    stage, _, other = machines
    stage.pushing.servers[:] = [stage.owner.live]
    stage.pushing.leave()
    here, there = stage.stream(stage.owner), stage.stream(stage.other)
    for reader in (here, there):
        reader.comes_to(10)
    other.cut()
    until(lambda: there.states[-1:] == ["stalled"])
    time.sleep(CUT_S)
    other.mend()
    for reader in (here, there):
        reader.goes_on()
        expect_in_order(reader.frames)
    assert (here.breaks, here.frames[-1]["dropped"]) == (0, 0)
    assert there.breaks


def test_the_death_of_a_machine_costs_a_second_at_most(machines: tuple[Stage, Machine, Machine]) -> None:
    stage, _, _ = machines
    there = stage.stream(stage.other)
    there.comes_to(10)
    stage.owner.kill()
    there.goes_on(30)
    expect_in_order(there.frames)
    assert longest_hole_s(there.frames) <= LOST_S
    assert stage.pushing.longest_s <= GOES_ON_S
