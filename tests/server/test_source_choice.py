"""The server's source is changed while it runs: two workers, one truth, and nothing restarts."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app.emg.brainflow.sdk import load_brainflow
from app.keys import make
from tests.emg.devices import fake_device
from tests.emg.extras import require_extra
from tests.server.live import LATE_S, START_S, Client, Live, connecting, expect_accounted_for, gunicorn, until
from tests.server.test_workers import on_both_workers

pytestmark = pytest.mark.server

BOARD = {"EMG_MODE": "brainflow", "EMG_BOARD": "synthetic", "EMG_MODEL": "none"}
MODEL = "synthetic-16ch-2khz"
SIMULATOR = {"EMG_MODE": "dummy"}
Json = dict[str, Any]


def asked(live: Live, method: str, path: str, body: Json | None = None, key: str = "") -> tuple[int, Json]:
    """Status and answer."""
    headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(live.url + path, data, headers, method=method), timeout=LATE_S) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def choose(live: Live, settings: dict[str, str]) -> tuple[int, Json]:
    return asked(live, "PUT", "/emg/source", {"settings": settings})


def read_by_all(live: Live, name: str) -> bool:
    """Whether the next answers, of whichever worker, all say that this source runs."""
    found = [asked(live, "GET", "/emg/sources")[1]["sources"] for _ in range(8)]
    return all([(one["name"], one["state"]) for one in sources] == [(name, "running")] for sources in found)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("choice"), WEB_CONCURRENCY="2", EMG_MODEL=MODEL) as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        yield live
        assert "Traceback" not in live.log, live.log


@pytest.fixture
def live(both: Live) -> Iterator[Live]:
    until(lambda: len(both.workers()) == 2, START_S)
    both.at_rest()
    yield both
    assert asked(both, "DELETE", "/emg/source")[0] == 200
    until(lambda: read_by_all(both, "simulator"))


class Reading(threading.Thread):
    """A client that reads until its stream ends or its connection is lost."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client, self.events = client, list[Json]()
        self.lost = False
        self.start()

    def run(self) -> None:
        try:
            for event in self.client.events():
                self.events.append(event)
        except (OSError, ValueError, AssertionError):
            self.lost = True

    @property
    def frames(self) -> list[Json]:
        return [event for event in list(self.events) if "sample_index" in event]

    def of(self, model: bool) -> int:
        return sum(("prediction" in frame) == model for frame in self.frames)


def test_streams_of_both_workers_go_on_from_source_to_source(live: Live) -> None:
    require_extra(load_brainflow)
    clients = on_both_workers(live, lambda: Client(live.port, fps=10, include_aux=True))
    readings = [Reading(client) for client in clients]
    until(lambda: all(reading.of(True) >= 5 for reading in readings))
    status, source = choose(live, BOARD)
    assert status == 200, source
    assert (source["name"], source["channels"], source["model"]) == ("brainflow", 16, None)
    until(lambda: all(reading.of(False) >= 10 for reading in readings))
    until(lambda: read_by_all(live, "brainflow"))
    back, source = asked(live, "DELETE", "/emg/source")
    assert (back, source["name"], source["model"]) == (200, "simulator", MODEL)
    until(lambda: all("prediction" in reading.frames[-1] for reading in readings))
    for reading in readings:
        statuses = [event["status"] for event in reading.events if "status" in event]
        assert statuses == ["stalled", "recovered", "stalled", "recovered"]
        frames = [frame["frame"] for frame in reading.frames]
        assert frames == list(range(len(frames)))
        for rate, model in ((250, False), (2000, True)):
            indices = [frame["sample_index"] for frame in reading.frames if ("prediction" in frame) == model]
            assert indices == sorted(set(indices))
            assert all(index * 10 % rate == 0 for index in indices)
        expect_beside(reading.frames)
        reading.client.close()
    seen = [{frame["sample_index"]: frame.get("label") for frame in reading.frames} for reading in readings]
    common = set.intersection(*(set(one) for one in seen))
    assert len(common) >= 10
    assert all(len({one[index] for one in seen}) == 1 for index in common)


def expect_beside(frames: list[Json]) -> None:
    """The board's accelerometer came whole, at its own rate, and lies where the EMG of its time does."""
    aux = [(frame["sample_index"], frame["aux"]["accelerometer"]) for frame in frames if frame.get("aux")]
    assert len(aux) >= 9
    due = None
    for emg, piece in aux:
        assert (len(piece["values"]), piece["sampling_rate_hz"]) == (3, 250.0)
        assert due is None or piece["sample_index"] == pytest.approx(due, abs=0.01)
        due = piece["sample_index"] + len(piece["values"][0])
        assert abs(due - emg) < 125  # half a second of it


def test_the_worker_that_takes_a_dead_ones_place_and_those_after_a_reload_read_what_was_chosen(
    live: Live,
) -> None:
    chosen = {**SIMULATOR, "EMG_MODEL": "none", "EMG_CH": "3", "EMG_FS": "1259.259"}
    assert choose(live, chosen)[0] == 200
    until(lambda: read_by_all(live, "simulator"))

    def channels() -> set[int]:
        return {asked(live, "GET", "/emg/sources")[1]["sources"][0]["channels"] for _ in range(8)}

    until(lambda: channels() == {3})
    with connecting(live.port) as connect:
        client = connect(fps=10)
        cut = next(event for event in client.events() if "sample_index" in event)
    killed, other = live.workers()
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(live.workers()) == 2 and killed not in live.workers() and live.ready(), START_S)
    until(lambda: live.log.count("Booting worker") >= 1, START_S)
    with connecting(live.port) as connect:
        again = connect(fps=10, last_event_id=client.last_id).events()
        event = next(event for event in again if "sample_index" in event)
    assert event["sample_index"] > cut["sample_index"]
    assert event["frame"] == 1
    assert channels() == {3}
    before = set(live.workers())
    assert other in before
    os.kill(live.process.pid, signal.SIGHUP)
    until(lambda: not before & set(live.workers()) and live.ready(), START_S)
    assert channels() == {3}  # the same settings: what was chosen holds
    assert asked(live, "DELETE", "/emg/source")[0] == 200
    until(lambda: channels() == {16})


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"EMG_MODE": "realtime", "EMG_PORT": "/dev/ttyUSB77"}, 503, "/dev/ttyUSB77"),
        ({"EMG_MODE": "realtime", "EMG_PORT": "/etc/passwd"}, 422, "no serial port of this machine"),
        ({"EMG_MODE": "realtime", "EMG_PORT": "/dev/../etc/passwd"}, 422, "no serial port of this machine"),
        ({"EMG_MODE": "dummy", "EMG_LOG_LEVEL": "debug"}, 422, "EMG_LOG_LEVEL is no setting of a source"),
        ({"EMG_MODE": "brainflow", "EMG_BOARD": "synthetic"}, 422, "250 Hz"),
        ({}, 422, "name a source"),
    ],
)
def test_a_refused_source_changes_nothing(
    live: Live, settings: dict[str, str], status: int, words: str
) -> None:
    with connecting(live.port) as connect:
        events = connect(fps=20).events()
        next(events)
        found, answer = choose(live, settings)
        assert (found, words in json.dumps(answer)) == (status, True), answer
        frames = [next(events) for _ in range(20)]
        assert [frame for frame in frames if "prediction" not in frame] == []
        expect_accounted_for(frames, 100)


def test_a_look_for_devices_holds_up_no_stream(live: Live) -> None:
    answers: list[tuple[int, Json]] = []
    look = threading.Thread(target=lambda: answers.append(asked(live, "GET", "/emg/devices?seconds=1")))
    with connecting(live.port) as connect:
        events = connect(fps=20).events()
        next(events)
        look.start()
        frames = [next(events) for _ in range(30)]
        look.join()
    assert all("prediction" in frame for frame in frames)
    assert max(b["timestamp"] - a["timestamp"] for a, b in pairwise(frames)) < 0.5
    ((status, found),) = answers
    assert status == 200
    assert found["current"] == {**SIMULATOR, "EMG_MODEL": MODEL}
    assert found["devices"][0]["settings"] == {"EMG_MODE": "dummy"}


@pytest.mark.parametrize("seconds", ["-1", "11", "soon"])
def test_the_look_has_bounds(live: Live, seconds: str) -> None:
    status, answer = asked(live, "GET", f"/emg/devices?seconds={seconds}")
    assert status == 422
    assert "seconds" in answer["errors"]


def test_only_a_key_with_control_may_look_and_choose(tmp_path: Path) -> None:
    reads, read_line = _key("reader", "read")
    controls, control_line = _key("lab", "control")
    with gunicorn(tmp_path, EMG_API_KEYS=f"{read_line},{control_line}") as live:
        for method, path, body in (
            ("GET", "/emg/devices?seconds=0", None),
            ("PUT", "/emg/source", {"settings": {**SIMULATOR, "EMG_MODEL": "none"}}),
            ("DELETE", "/emg/source", None),
        ):
            assert asked(live, method, path, body)[0] == 401
            assert asked(live, method, path, body, reads)[0] == 403
            assert asked(live, method, path, body, controls)[0] == 200


def _key(name: str, scope: str) -> tuple[str, str]:
    """A key, and its line."""
    line, key = make(name, [scope])
    return key, line


def test_a_port_that_appears_later_is_read_by_both_workers(tmp_path: Path) -> None:
    """A pseudo-terminal has one reader: the second worker must learn from the first what the device is."""
    link = tmp_path / "emg0"
    settings = {"EMG_MODE": "realtime", "EMG_PORT": str(link), "EMG_BAUD": "4000000", "EMG_MODEL": "none"}
    with gunicorn(tmp_path, prefix=("env",), WEB_CONCURRENCY="2", **settings) as live:

        def answers() -> bool:
            try:
                return asked(live, "GET", "/health/live")[0] == 200
            except OSError:
                return False

        until(answers, START_S)
        status, health = asked(live, "GET", "/health")
        assert (status, health["status"], health["model"]) == (200, "degraded", None)
        assert (health["source"]["state"], health["source"]["name"]) == ("disconnected", "realtime")
        assert str(link) in health["source"]["error"]
        assert asked(live, "GET", "/health/ready")[0] == 503
        refused, answer = asked(live, "POST", "/infer/stream", {})
        assert refused == 503
        assert "the source is not there yet" in answer["detail"]
        with fake_device(link, "--channels", "5", "--rate", "1259.259", "--tilt", "50"):
            until(lambda: read_by_all(live, "serial"))
            clients = on_both_workers(live, lambda: Client(live.port, fps=10, include_aux=True))
            for client in clients:
                frames = [event for event, _ in zip(client.events(), range(12), strict=False)]
                assert all("prediction" not in frame for frame in frames)
                assert any(frame.get("aux") for frame in frames)
                client.close()
            assert live.stop() == 0
        assert "Traceback" not in live.log, live.log
