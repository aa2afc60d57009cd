"""Two workers that clients push to: a stream of a source that the other reads is as one of its own."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

from app.emg.simulated.simulator import Simulator
from tests.server.live import LATE_S, START_S, Client, Json, Live, gunicorn, until
from tests.server.live_socket import RECORD, LiveSocket
from tests.server.pinned import CHANNELS, PAUSE_S, RATE, pinned, taken_by
from tests.server.pushing import Pushing

pytestmark = pytest.mark.server

LOST_S = 1.0  # of a stream, over the death of its source's worker (docs/reliability.md)
FPS = 25
CLASSES = ("rest", "fist", "open_hand", "flexion", "extension", "pronation", "supination")
HOP = RATE // FPS


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("remote")
    settings = {"EMG_MODE": "push", "WEB_CONCURRENCY": "2", "EMG_SOURCE_IDLE": "5"}
    with gunicorn(folder, EMG_INSTANCE=str(folder / "instance"), **settings) as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        yield live


@pytest.fixture
def live(both: Live) -> Live:
    """The same for all tests here; one that kills a worker waits for its successor."""
    until(lambda: len(both.workers()) == 2)
    until(both.ready, START_S)
    return both


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A source of the test's own."""
    return re.sub(r"[^a-z0-9]+", "-", str(request.node.name).removeprefix("test_"))[:60].strip("-")


class Stage:
    """A source read by the first worker, pushed to either, and readers at the worker that a test wants."""

    def __init__(self, live: Live, name: str, opened: ExitStack) -> None:
        self.live, self.name, self._opened = live, name, opened
        self.owner, self.other = live.workers()
        self.here, self.there = (pinned(live, pid) for pid in (self.owner, self.other))
        for one in (self.here, self.there):
            opened.callback(one.close)
        assert self.here.declare(name)[0] == 201
        self.pushing = Pushing([live.port], name)
        opened.callback(self.pushing.stop)

    def at(self, pid: int, make: Callable[[], Any]) -> Any:
        """Return a client of that worker."""
        for _ in range(100):
            client = make()
            if taken_by(pid, client.socket):
                self._opened.callback(client.close)
                return client
            client.close()
            time.sleep(PAUSE_S)
        raise AssertionError(f"the worker {pid} took none of 100 connections")

    def stream(self, pid: int, last_event_id: str | None = None, **options: Any) -> Hearing:
        client = self.at(
            pid,
            lambda: Client(self.live.port, source=self.name, fps=FPS, last_event_id=last_event_id, **options),
        )
        assert client.status == 200
        return Hearing(client)


class Hearing(threading.Thread):
    """Everything that a stream says, and the id of each event."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client, self.events, self.ids = client, list[Json](), list[str | None]()
        self.start()

    def run(self) -> None:
        try:
            for event in self.client.events():
                self.events.append(event)
                self.ids.append(self.client.last_id)
        except (OSError, AssertionError):
            pass  # it was cut off

    @property
    def frames(self) -> list[Json]:
        return [event for event in self.events.copy() if "prediction" in event]

    @property
    def states(self) -> list[str]:
        return [str(event["status"]) for event in self.events.copy() if "status" in event]

    def comes_to(self, count: int) -> list[Json]:
        until(lambda: len(self.frames) >= count)
        return self.frames


@pytest.fixture
def stage(live: Live, name: str) -> Iterator[Stage]:
    with ExitStack() as opened:
        yield Stage(live, name, opened)


def shared(frame: Json) -> Json:
    """Return what all readers of a frame have in common."""
    return {key: value for key, value in frame.items() if key not in ("frame", "dropped")}


def expect_in_order(frames: list[Json]) -> None:
    """Nothing twice, nothing in the wrong order, and what is missing counted."""
    for before, after in pairwise(frames):
        assert after["sample_index"] > before["sample_index"]
        assert after["frame"] == before["frame"] + 1
        windows = (after["sample_index"] - before["sample_index"]) / HOP
        assert windows == 1 + after["dropped"] - before["dropped"]


def test_readers_at_any_worker_hear_the_same_frames_made_once(stage: Stage) -> None:
    readers = [stage.stream(pid) for pid in (stage.owner, stage.other, stage.other)]
    for reader in readers:
        expect_in_order(reader.comes_to(20))
    by_sample = [{frame["sample_index"]: shared(frame) for frame in reader.frames} for reader in readers]
    common = set.intersection(*map(set, by_sample))
    assert len(common) >= 15
    for sample in common:
        assert by_sample[0][sample] == by_sample[1][sample] == by_sample[2][sample]
    groups = stage.here.ask("GET", "/infer/stream/stats")[1]["groups"]
    assert [(one["source"], one["readers"]) for one in groups] == [(stage.name, 2)], "one for all elsewhere"
    assert stage.there.ask("GET", "/infer/stream/stats")[1]["groups"] == []


@pytest.mark.parametrize("to_owner", [True, False], ids=["to the owner", "from the owner"])
def test_last_event_id_goes_on_at_any_worker(stage: Stage, to_owner: bool) -> None:
    first, second = (stage.other, stage.owner) if to_owner else (stage.owner, stage.other)
    before = stage.stream(first, duration_seconds=60.0)
    before.comes_to(10)
    before.client.close()
    before.join(5)
    seen, last_id = before.frames, before.client.last_id
    time.sleep(0.2)
    after = stage.stream(second, last_id, duration_seconds=60.0)
    after.comes_to(10)
    expect_in_order([*seen, *after.frames])
    assert after.frames[0]["dropped"] == seen[-1]["dropped"], "what came meanwhile is kept"
    assert (last_id or "").rsplit(".", 3)[0] == (after.ids[0] or "").rsplit(".", 3)[0], "the same stream"


def test_the_death_of_the_owner_costs_its_readers_a_second_at_most_and_nothing_is_double(
    live: Live, stage: Stage
) -> None:
    there, here = stage.stream(stage.other), stage.stream(stage.owner)
    for reader in (there, here):
        reader.comes_to(10)
    started = live.log.count("model synthetic")
    os.kill(stage.owner, signal.SIGKILL)
    killed_at = time.time()
    here.join(LATE_S)
    back = stage.stream(stage.other, here.client.last_id)
    until(lambda: there.frames[-1]["timestamp"] > killed_at + 3)
    until(lambda: len(back.frames) > 10)
    expect_in_order(there.frames)
    expect_in_order([*here.frames, *back.frames])
    for frames in (there.frames, [*here.frames, *back.frames]):
        lost = max(after["sample_index"] - before["sample_index"] for before, after in pairwise(frames))
        assert lost <= LOST_S * RATE
    states = [one for one in there.states if one != "model"]
    assert states in ([], ["stalled", "recovered"])
    until(lambda: live.log.count("model synthetic") == started + 1, START_S)


def test_a_model_that_is_put_under_streams_is_told_at_the_other_worker_before_its_frames(
    stage: Stage,
) -> None:
    there = stage.stream(stage.other)
    there.comes_to(5)
    status, swap = stage.there.ask("PUT", f"/emg/sources/{stage.name}/model", {"model": None})
    assert status == 200, swap
    until(lambda: "model" in there.states)
    until(lambda: "prediction" not in there.events[-1])
    change = next(event for event in there.events if event.get("status") == "model")
    assert change["from_sample"] == swap["from_sample"]
    assert max(frame["sample_index"] for frame in there.frames) < swap["from_sample"]


def test_gestures_are_told_at_both_by_the_rules_that_were_asked_for(stage: Stage) -> None:
    rules = {"enter": 0.0, "leave": 0.0, "shortest_s": 0.0, "hold_s": 0.1}  # whatever it is, it is a gesture
    readers = [stage.stream(pid, events=True, gesture_rules=rules) for pid in (stage.other, stage.owner)]

    def told(reader: Hearing) -> set[tuple[int, str, int]]:
        events = [event for event in reader.events.copy() if "phase" in event]
        return {(event["id"], event["phase"], event["sample_index"]) for event in events}

    person = Simulator(CHANNELS, RATE, CLASSES, seed=0, speed=None)
    stage.pushing.signal = person.generate(20 * RATE)[0].astype("<f4")
    until(lambda: len(told(readers[0]) & told(readers[1])) >= 5)
    groups = stage.here.ask("GET", "/infer/stream/stats")[1]["groups"]
    assert [one["readers"] for one in groups] == [2], "the rules make no other group of them"


def test_what_cannot_be_is_refused_in_the_same_words_at_both(stage: Stage) -> None:
    asked = (
        {"source": stage.name, "fps": 5000},
        {"source": stage.name, "backend": "pytorch"},
        {"source": stage.name, "model": "nobody"},
        {"source": stage.name, "events": True, "gesture_rules": {"classes": {"nobody": {}}}},
    )
    for body in asked:
        answers = [worker.ask("POST", "/infer/stream", body) for worker in (stage.here, stage.there)]
        assert answers[0][0] in (422, 503), answers[0]
        assert answers[0] == answers[1]


def test_streams_at_both_end_with_the_source(stage: Stage) -> None:
    readers = [stage.stream(pid) for pid in (stage.owner, stage.other)]
    for reader in readers:
        reader.comes_to(3)
    stage.pushing.stop()
    assert stage.there.ask("DELETE", f"/emg/sources/{stage.name}")[0] == 204
    for reader in readers:
        reader.join(LATE_S)
        assert reader.events[-1]["status"] == "completed"
        assert reader.events[-1]["reason"] == "source ended"
        assert reader.ids[-1] == "end"


def test_a_live_socket_hears_a_source_of_the_other_worker_as_texts_and_as_records(stage: Stage) -> None:
    def socket_of(form: str) -> LiveSocket:
        return LiveSocket(
            stage.live.port,
            "/infer/live",
            source=stage.name,
            fps=FPS,
            format=form,
            send="frames,states,quality",
        )

    texts, records = (stage.at(stage.other, lambda form=form: socket_of(form)) for form in ("json", "binary"))
    hello = texts.until("live")
    assert (hello["source"], hello["channels"], hello["model"]) == (stage.name, 16, "synthetic-16ch-2khz")
    assert len(hello["classes"]) == 7
    frames: dict[int, Json] = {}
    packed: dict[int, tuple[Any, ...]] = {}
    quality: list[Json] = []
    for said, record in zip(texts.messages(), records.messages(), strict=False):
        if isinstance(said, dict) and said["type"] == "frame":
            frames[said["sample_index"]] = said
        elif isinstance(said, dict) and said["type"] == "quality":
            quality.append(said)
        if isinstance(record, bytes):
            fields = RECORD.unpack(record)
            packed[fields[3]] = fields
        if len(set(frames) & set(packed)) >= 10 and quality:
            break
    assert quality[0]["source"] == stage.name
    for sample in set(frames) & set(packed):
        frame, (_, kind, prediction, _, age_ms, confidence, intensity, decision, *_) = (
            frames[sample],
            packed[sample],
        )
        assert (kind, prediction, decision) == (1, frame["prediction"], frame["decision"])
        assert confidence == pytest.approx(frame["confidence"], abs=1e-4)
        assert intensity == pytest.approx(frame["intensity"], abs=1e-3)
        assert age_ms == pytest.approx(frame["age_ms"], abs=1e-2)


def test_all_sources_are_listed_at_any_worker_the_oldest_as_the_default(stage: Stage) -> None:
    there = f"{stage.name}-2"[-60:]
    assert stage.there.declare(there)[0] == 201
    try:
        lists = [worker.ask("GET", "/emg/sources")[1] for worker in (stage.here, stage.there)]
        for one in lists:
            assert {source["name"] for source in one["sources"]} >= {stage.name, there}
            assert all(source["channels"] == 16 for source in one["sources"])
        until(
            lambda: (
                len({worker.ask("GET", "/emg/sources")[1]["default"] for worker in (stage.here, stage.there)})
                == 1
            )
        )
    finally:
        assert stage.here.ask("DELETE", f"/emg/sources/{there}")[0] == 204
