"""What the workers of one server share: counters, and what only one may do."""

from __future__ import annotations

import pytest

from app.errors import BusyError
from app.serving.counters.slot import CALLER_ROWS
from app.serving.counters.stream_stats import StreamStats
from app.serving.counters.worker_group import WorkerGroup, board_for, forget_streams, free_slot, new_run
from app.serving.engine.backends import BackendOpener
from app.serving.engine.benchmark import Benchmark
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from tests.fakes import FakeBackend
from tests.inference.artefacts import make_manifest


def worker_groups(workers: int) -> list[WorkerGroup]:
    memory, run = board_for(workers), new_run()
    return [WorkerGroup(run, memory, slot, workers) for slot in range(workers)]


def test_counters_of_all_workers_add_up_in_each() -> None:
    one, other = (StreamStats(worker_group) for worker_group in worker_groups(2))
    one.stream_opened()
    other.stream_opened()
    other.sent(dropped=3)
    for stats in (one, other):
        assert (stats.active_streams, stats.frames_sent, stats.frames_dropped) == (2, 1, 3)


def test_a_caller_has_so_many_streams_in_all_workers_together() -> None:
    one, other = (StreamStats(worker_group) for worker_group in worker_groups(2))
    assert [one.stream_opened("a", 2), other.stream_opened("a", 2)] == [True, True]
    assert [one.stream_opened("a", 2), other.stream_opened("a", 2)] == [False, False]
    assert [one.stream_opened("b", 2), one.active_streams] == [True, 3]
    one.stream_closed("a")
    assert [other.stream_opened("a", 2), one.stream_opened("a", 2)] == [True, False]
    for stats in (other, other):
        stats.stream_closed("a")
    assert [one.stream_opened("a", 2), one.stream_opened("a", 2), other.stream_opened("a", 2)] == [
        True,
        True,
        False,
    ]


def test_there_is_room_for_as_many_callers_as_connections_and_it_is_given_back() -> None:
    (worker_group, _) = worker_groups(2)
    stats = StreamStats(worker_group)
    for _ in range(2):
        assert all(stats.stream_opened(str(number), 1) for number in range(CALLER_ROWS))
        assert not stats.stream_opened("one more", 1)
        for number in range(CALLER_ROWS):
            stats.stream_closed(str(number))
    forget_streams(worker_group.memory, worker_group.slot)
    assert StreamStats(worker_group).stream_opened("one more", 1)


def test_latencies_of_all_workers_are_one_distribution() -> None:
    one, other = (StreamStats(worker_group) for worker_group in worker_groups(2))
    for _ in range(99):
        one.frame_made(wait_ms=0.1, infer_ms=1.0, age_ms=1.0)
    other.frame_made(wait_ms=0.1, infer_ms=101.0, age_ms=1.0)
    assert one.mean_infer_ms() == pytest.approx(2.0)
    assert other.percentiles()["infer"]["p50"] == pytest.approx(1.0, rel=0.02)


def test_a_dead_worker_has_no_streams_but_what_it_sent_stays_counted() -> None:
    dead, alive = worker_groups(2)
    stats = StreamStats(dead)
    stats.stream_opened("a", 1)
    stats.sent(dropped=0)
    forget_streams(dead.memory, dead.slot)
    seen = StreamStats(alive)
    assert (seen.active_streams, seen.frames_sent) == (0, 1)
    assert seen.stream_opened("a", 1)


def test_a_worker_takes_the_first_slot_that_none_living_has() -> None:
    board = board_for(1)
    assert [free_slot(board, taken) for taken in ({1}, {0}, {0, 1}, {0, 1, 2, 3})] == [0, 1, 2, 3]


def test_one_benchmark_at_a_time_in_all_workers_together() -> None:
    manifest = make_manifest(channels=4, length=20, rate=200)
    shape = ModelInput(length=20, channels=4, mean=manifest.mean, std=manifest.std)
    engine = Engine(shape, {"pytorch": BackendOpener(FakeBackend)})
    engine.open()
    one, other = (Benchmark(engine, worker_group=worker_group) for worker_group in worker_groups(2))
    with one._alone(), pytest.raises(BusyError, match="running already"):
        other.run(("pytorch",), 1)
    assert other.run(("pytorch",), 1)["pytorch"] is not None
    engine.close()


def test_workers_with_the_same_settings_share_a_source_and_others_do_not() -> None:
    one, other = worker_groups(2)
    assert one.link("settings") == other.link("settings")
    assert one.link("settings") != other.link("others")
    assert one.link("settings") != worker_groups(1)[0].link("settings")
