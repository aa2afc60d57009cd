"""Who asks for much does not make others wait: caps for frames a second and for groups, and turns between groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from statistics import median

import pytest

from tests.server.live import Client, Live, gunicorn, until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

FPS, SECONDS = 20, 6
CAP, GROUPS = 250, 16  # EMG_MAX_FPS by default, EMG_MAX_GROUPS here
OLDER_MS = 5.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("fair"), EMG_MAX_GROUPS=str(GROUPS)) as live:
        yield live
        assert "Traceback" not in live.log, live.log


def problem(client: Client) -> str:
    return str(json.loads(client.body())["detail"])


def ages(connect: Callable[..., Client]) -> list[float]:
    """In ms, of a reader that takes everything; it loses no frame in twenty."""
    *frames, _ = connect(fps=FPS, duration_seconds=SECONDS).events()
    assert frames[-1]["dropped"] <= FPS * SECONDS / 20
    return [frame["age_ms"] for frame in frames]


def test_readers_at_the_cap_in_every_group_do_not_make_anothers_frames_older(
    live: Live, connect: Callable[..., Client]
) -> None:
    alone = median(ages(connect))
    until(lambda: not live.stats()["groups"])
    greedy = [connect(fps=CAP - k) for k in range(GROUPS - 1)]
    assert {client.status for client in greedy} == {200}
    beside = median(ages(connect))
    assert beside < alone + OLDER_MS, (alone, beside)


def test_more_frames_than_the_cap_are_422_that_names_it(connect: Callable[..., Client]) -> None:
    client = connect(fps=CAP + 1)
    assert client.status == 422
    assert f"EMG_MAX_FPS, {CAP}" in problem(client)


def test_one_group_too_many_is_503_that_names_the_cap_and_others_may_still_join(
    connect: Callable[..., Client],
) -> None:
    opened = [connect(fps=1 + k / 10) for k in range(GROUPS)]
    one_more = connect(fps=FPS)
    assert (one_more.status, "EMG_MAX_GROUPS" in problem(one_more)) == (503, True)
    assert "retry-after" in one_more.headers
    assert connect(fps=1).status == 200  # shares the first's
    opened[1].close()
    until(lambda: connect(fps=FPS).status == 200, every_s=0.2)
