"""A replay is paused and sent elsewhere while it streams: two workers, one truth, and time never runs back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from myostream_client import RefusedError, StreamingInferenceClient
from tests.emg.recording_makers import write_npz
from tests.server.live import START_S, Client, Json, Live, gunicorn, until
from tests.server.test_source_choice import Reading, asked
from tests.server.test_workers import on_both_workers

pytestmark = pytest.mark.server

RATE_HZ, WHOLE_S, EACH_S = 200, 600, 60.0
NAMES = ["rest", "fist", "flexion"]  # a minute each, and again


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("replay")
    n = RATE_HZ * WHOLE_S
    emg = np.random.default_rng(7).normal(0, 20, (n, 8)).astype(np.float32)
    label = (np.arange(n) / RATE_HZ // EACH_S % 3).astype(np.int8)
    once = {"recording": np.zeros(n, np.int8), "repetition": np.ones(n, np.int8)}
    write_npz(folder / "long.npz", n, 8, emg=emg, label=label, gesture_names=np.array(NAMES), **once)
    settings = {
        "EMG_MODE": "ninapro",
        "EMG_RECORDING": str(folder / "long.npz"),
        "EMG_MODEL": "myo-8ch-200hz",
    }
    with gunicorn(folder, WEB_CONCURRENCY="2", **settings) as live:
        until(lambda: live.log.count("model myo") == 2, START_S)
        yield live
        assert "Traceback" not in live.log, live.log


def where(live: Live) -> Json:
    status, answer = asked(live, "GET", "/emg/source/position")
    assert status == 200, answer
    return answer


def move(live: Live, **wanted: float | bool) -> Json:
    status, answer = asked(live, "PUT", "/emg/source/position", wanted)
    assert status == 200, answer
    return answer


@pytest.fixture
def readings(live: Live) -> Iterator[list[Reading]]:
    """A stream of each worker."""
    until(lambda: len(live.workers()) == 2, START_S)
    move(live, position_seconds=0, paused=False)
    clients = on_both_workers(live, lambda: Client(live.port, fps=20))
    yield [Reading(client) for client in clients]
    for client in clients:
        client.close()


def all_of(readings: list[Reading], holds: Callable[[Reading], object]) -> None:
    until(lambda: all(holds(reading) for reading in readings))


def test_sent_elsewhere_truth_is_the_new_places_in_all_workers_and_no_index_comes_twice(
    live: Live, readings: list[Reading]
) -> None:
    all_of(readings, lambda one: one.frames and one.frames[-1]["truth"] == "rest")
    answer = move(live, position_seconds=90)
    assert (answer["file"], answer["duration_seconds"], answer["paused"]) == ("long.npz", WHOLE_S, False)
    assert 90 <= answer["position_seconds"] < 100
    all_of(readings, lambda one: one.frames[-1]["truth"] == "fist")
    move(live, position_seconds=30)  # back: the recording, not time
    all_of(readings, lambda one: one.frames[-1]["truth"] == "rest")
    assert all(30 <= where(live)["position_seconds"] < 60 for _ in range(8))  # whichever worker answers
    for reading in readings:
        frames = reading.frames
        assert all(after["sample_index"] > before["sample_index"] for before, after in pairwise(frames))
        assert {frame["truth"] for frame in frames} == {"rest", "fist"}
        assert not reading.lost


def test_paused_decisions_fall_to_rest_and_it_goes_on_where_it_stopped(
    live: Live, readings: list[Reading]
) -> None:
    all_of(readings, lambda one: one.frames)
    stopped = move(live, paused=True)
    assert stopped["paused"]
    all_of(readings, lambda one: one.events[-1].get("status") == "stalled")
    assert {one.events[-1]["decision_label"] for one in readings} == {"rest"}
    places = [where(live)["position_seconds"] for _ in range(4)]
    assert set(places) == {places[0]}
    seek = move(live, position_seconds=100)
    assert (seek["position_seconds"], seek["paused"]) == (100, True)
    move(live, paused=False)
    all_of(readings, lambda one: "truth" in one.events[-1] and one.events[-1]["truth"] == "fist")
    for reading in readings:
        statuses = [event["status"] for event in reading.events if "status" in event]
        assert statuses[:2] == ["stalled", "recovered"]


def test_a_pause_costs_no_sample(live: Live, readings: list[Reading]) -> None:
    all_of(readings, lambda one: len(one.frames) > 10)  # none spans the place that was left before
    move(live, paused=True)
    all_of(readings, lambda one: one.events[-1].get("status") == "stalled")
    counts = [len(reading.frames) for reading in readings]
    move(live, paused=False)
    all_of(readings, lambda one: len(one.frames) > max(counts) + 5)
    for reading, count in zip(readings, counts, strict=True):
        before, after = reading.frames[count - 1 : count + 1]
        windows = (after["sample_index"] - before["sample_index"]) / 10
        assert windows == 1 + after["dropped"] - before["dropped"]


def test_it_plays_on_there_when_the_worker_that_played_it_dies(live: Live) -> None:
    """It began at its beginning anew."""
    move(live, position_seconds=300)
    for pid in live.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(live.workers()) == 2 and live.ready(), START_S)
    came = where(live)["position_seconds"]
    until(lambda: where(live)["position_seconds"] > came)
    assert 300 <= where(live)["position_seconds"] < 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "position_seconds"),
        ({"position_seconds": -1}, "position_seconds"),
        ({"position_seconds": WHOLE_S + 1}, "position_seconds"),
        ({"position_seconds": "60"}, "position_seconds"),
        ({"paused": 1}, "paused"),
        ({"position": 3}, "position"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(live: Live, body: Json, field: str) -> None:
    status, answer = asked(live, "PUT", "/emg/source/position", body)
    assert (status, list(answer["errors"])) == (422, [field])


def test_the_python_client_asks_and_moves(live: Live) -> None:
    with StreamingInferenceClient(live.url) as client:
        moved = client.go_on(1.5, paused=True)
        assert (moved["position_seconds"], moved["paused"]) == (1.5, True)
        assert client.position() == moved
        assert client.go_on(paused=False)["paused"] is False
        with pytest.raises(RefusedError, match="position_seconds: must be at most its duration"):
            client.go_on(1e6)
