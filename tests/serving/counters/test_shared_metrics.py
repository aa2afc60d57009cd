"""What workers count in the memory that they share."""

from __future__ import annotations

import math
import os

import pytest

from app.emg.source import SourceState
from app.serving.counters.histograms import BucketHistogram, Table
from app.serving.counters.shared_metrics import SharedMetrics, forget_worker
from app.serving.counters.slot import LAG_S
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run
from app.serving.process.cpu import Usage

POST = ("POST", "/infer", 200)


def worker_groups(workers: int) -> list[WorkerGroup]:
    memory, run = board_for(workers), new_run()
    return [WorkerGroup(run, memory, slot, workers) for slot in range(workers)]


def doubles(count: int) -> memoryview:
    return memoryview(bytearray(8 * count)).cast("d")


def source(samples: int = 10, gaps: int = 0, state: str = "running") -> SourceState:
    return SourceState("sim", state, 4.0, samples, gaps, 0, None, None, True)


def test_a_value_is_counted_up_to_the_first_bound_that_it_does_not_exceed() -> None:
    tally = BucketHistogram((1.0, 2.0), doubles(BucketHistogram.size((1.0, 2.0))))
    for value in (0.5, 1.0, 1.5, 9.0):
        tally.add(value)
    assert (tally.cumulative(), tally.sum) == ([2, 3, 4], 12.0)


def test_rows_are_found_again_by_whoever_takes_the_slot_next() -> None:
    values = doubles(Table.size(4, 1))
    Table(values, 1).row("first")[0] = 7
    later = Table(values, 1)
    later.row("second")[0] = 1
    assert (later.row("first")[0], [name for name, _ in later]) == (7, ["first", "second"])


def test_what_no_row_is_left_for_is_counted_together() -> None:
    table = Table(doubles(Table.size(3, 1)), 1)
    for name in "abcde":
        table.row(name)[0] += 1
    assert {name: row[0] for name, row in table} == {"a": 1, "b": 1, "other": 3}


def test_requests_of_all_workers_add_up() -> None:
    one, other = (SharedMetrics(worker_group) for worker_group in worker_groups(2))
    one.request(*POST, 0.002)
    other.request(*POST, 0.004)
    other.request("GET", "/health", 503, 0.1)
    seen = one.requests()
    assert {labels: tally.cumulative()[-1] for labels, tally in seen.items()} == {
        ("POST", "/infer", "200"): 2,
        ("GET", "/health", "503"): 1,
    }
    assert seen["POST", "/infer", "200"].sum == pytest.approx(0.006)


def test_a_method_that_a_client_thought_out_makes_no_row_of_its_own() -> None:
    meters = SharedMetrics(worker_groups(1)[0])
    for number in range(1000):
        meters.request(f"X{number}", "(none)", 405, 0.001)
    assert {labels: tally.cumulative()[-1] for labels, tally in meters.requests().items()} == {
        ("other", "(none)", "405"): 1000
    }
    assert meters._requests == {}


def test_calls_of_the_engine_add_up_by_backend() -> None:
    one, other = (SharedMetrics(worker_group) for worker_group in worker_groups(2))
    one.engine.served("onnxruntime", 8, 0.003, [0.001, 0.002])
    other.engine.served("onnxruntime", 1, 0.001, [0.0])
    other.engine.failed("pytorch")
    rows = one.engines()
    onnx = rows["onnxruntime"]
    assert (onnx.windows.sum, onnx.latency_s.cumulative()[-1], onnx.wait_s.cumulative()[-1]) == (9, 2, 3)
    assert (rows["pytorch"].failed, onnx.failed) == (1, 0)


def test_a_dead_worker_is_no_more_but_what_it_did_stays_counted() -> None:
    dead, alive = worker_groups(2)
    meters = SharedMetrics(dead)
    meters.alive(Usage(1000, 2.5))
    meters.source(source(), stalls=1)
    meters.request(*POST, 0.1)
    seen = SharedMetrics(alive)
    assert [(worker.pid, worker.resident_bytes, worker.cpu_s) for worker in seen.workers()] == [
        (os.getpid(), 1000, 2.5)
    ]
    forget_worker(dead.memory, dead.slot)
    assert (seen.workers(), seen.sources()) == ([], {})
    assert SharedMetrics(dead).requests()["POST", "/infer", "200"].cumulative()[-1] == 1


def test_a_way_out_is_open_where_one_worker_sends_and_failed_where_none_does() -> None:
    one, other = (SharedMetrics(worker_group) for worker_group in worker_groups(2))
    rows = [one.output("lsl"), other.output("lsl")]
    rows[0].failed()
    assert one.outputs()["lsl"] == ("failed", 0, 1, 0, 0)
    rows[1].became("open")
    rows[1].sent()
    assert one.outputs()["lsl"] == ("open", 1, 1, 0, 0)


def test_a_dead_worker_sends_nothing_but_has_sent() -> None:
    dead, alive = worker_groups(2)
    row = SharedMetrics(dead).output("udp")
    row.became("open")
    row.sent()
    forget_worker(dead.memory, dead.slot)
    assert SharedMetrics(alive).outputs()["udp"] == ("closed", 1, 0, 0, 0)


def test_all_workers_read_one_source_so_its_counts_do_not_add_up() -> None:
    one, other = (SharedMetrics(worker_group) for worker_group in worker_groups(2))
    one.source(source(samples=100, gaps=3), stalls=2)
    other.source(source(samples=120, gaps=1, state="stalled"), stalls=1)
    (row,) = one.sources().values()
    assert (row.state, row.samples, row.gaps, row.stalls) == ("stalled", 120, 3, 2)


def test_a_source_without_a_sample_has_no_age() -> None:
    meters = SharedMetrics(worker_groups(1)[0])
    meters.source(SourceState("sim", "starting", None, 0, 0, 0, None, None, True), stalls=0)
    assert math.isnan(meters.sources()["sim"].age_s)
    meters.source_ended("sim")
    assert meters.sources()["sim"].state == "ended"


def test_the_lag_of_all_hubs_is_one_distribution() -> None:
    one, other = (SharedMetrics(worker_group) for worker_group in worker_groups(2))
    one.lag(0.0)
    other.lag(10.0)
    tally = one.hub_lag()
    assert (tally.cumulative()[0], tally.cumulative()[len(LAG_S)], tally.sum) == (1, 2, 10.0)
