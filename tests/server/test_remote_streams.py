"""Two workers that clients push to, or two servers with a Redis: a stream of what the other reads is as one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.emg.simulated.simulator import Simulator
from tests.own_redis import running
from tests.server.live import LATE_S, START_S, Json, Live, gunicorn, until
from tests.server.live_socket import RECORD, LiveSocket
from tests.server.pinned import CHANNELS, RATE, Pinned, pinned
from tests.server.remote_stage import (
    FPS,
    Hearing,
    Place,
    Stage,
    expect_in_order,
    longest_hole_s,
    name_of,
    shared,
)

pytestmark = pytest.mark.server

LOST_S = 1.0  # of a stream, over the death of its source's worker (docs/reliability.md)
CLASSES = ("rest", "fist", "open_hand", "flexion", "extension", "pronation", "supination")
SETTINGS = {"EMG_MODE": "push", "EMG_SOURCE_IDLE": "10"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("remote")
    with gunicorn(folder, EMG_INSTANCE=str(folder / "instance"), WEB_CONCURRENCY="2", **SETTINGS) as live:
        until(lambda: live.log.count("model synthetic") == 2, START_S)
        yield live


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Live]]:
    """Two servers that share nothing but a Redis: two machines, to each other."""
    folder = tmp_path_factory.mktemp("machines")
    with running(folder / "redis.sock"), ExitStack() as stack:
        first, second = (
            stack.enter_context(
                gunicorn(
                    folder,
                    EMG_INSTANCE=str(folder / name),
                    EMG_REDIS_URL=f"unix://{folder}/redis.sock",
                    **SETTINGS,
                )
            )
            for name in ("first", "second")
        )
        yield first, second


@pytest.fixture(params=["workers", "servers"])
def places(request: pytest.FixtureRequest) -> tuple[Place, Place]:
    """Two workers of one server, or two servers."""
    if request.param == "servers":
        first, second = request.getfixturevalue("servers")
        return Place(first), Place(second)
    return two_workers(request.getfixturevalue("both"))


def two_workers(live: Live) -> tuple[Place, Place]:
    until(lambda: len(live.workers()) == 2)
    for pid in live.workers():  # a new one takes its time
        pinned(live, pid).close()
    first, second = live.workers()
    return Place(live, first), Place(live, second)


@pytest.fixture
def stage(places: tuple[Place, Place], request: pytest.FixtureRequest) -> Iterator[Stage]:
    with ExitStack() as opened:
        yield Stage(*places, name_of(request), opened)


@pytest.fixture(params=["workers", "servers"])
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """The same, with an owner that a test may kill."""
    with ExitStack() as opened:
        if request.param == "workers":
            yield Stage(*two_workers(request.getfixturevalue("both")), name_of(request), opened)
            return
        _, other = request.getfixturevalue("servers")
        url = f"unix://{other.log_file.parent}/redis.sock"
        dying = opened.enter_context(
            gunicorn(tmp_path, EMG_INSTANCE=str(tmp_path / "instance"), EMG_REDIS_URL=url, **SETTINGS)
        )
        yield Stage(Place(dying), Place(other), name_of(request), opened)


def test_readers_at_any_worker_hear_the_same_frames_made_once(stage: Stage) -> None:
    readers = [stage.stream(place) for place in (stage.owner, stage.other, stage.other)]
    for reader in readers:
        expect_in_order(reader.comes_to(20))
    by_sample = [{frame["sample_index"]: shared(frame) for frame in reader.frames} for reader in readers]
    common = set.intersection(*map(set, by_sample))
    assert len(common) >= 15
    for sample in common:
        assert by_sample[0][sample] == by_sample[1][sample] == by_sample[2][sample]
    groups = stage.here.ask("GET", "/infer/stream/stats")[1]["groups"]
    assert [one["readers"] for one in groups if one["source"] == stage.name] == [2], "one for all elsewhere"
    assert stage.there.ask("GET", "/infer/stream/stats")[1]["groups"] == []


@pytest.mark.parametrize("to_owner", [True, False], ids=["to the owner", "from the owner"])
def test_last_event_id_goes_on_at_any_worker(stage: Stage, to_owner: bool) -> None:
    first, second = (stage.other, stage.owner) if to_owner else (stage.owner, stage.other)
    stage.stream(stage.owner)  # somebody else's, so that frames are made all the time
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
    doomed: Stage,
) -> None:
    there, here = doomed.stream(doomed.other), doomed.stream(doomed.owner)
    for reader in (there, here):
        reader.comes_to(10)
    doomed.owner.kill()
    here.join(LATE_S)
    back = doomed.stream(doomed.other, here.client.last_id)
    for reader in (there, back):
        reader.goes_on(30)
    expect_in_order(there.frames)
    expect_in_order([*here.frames, *back.frames])
    for frames in (there.frames, [*here.frames, *back.frames]):
        assert longest_hole_s(frames) <= LOST_S
    assert there.breaks <= 1


def test_a_source_that_nobody_reads_just_now_is_listed_and_who_comes_for_it_waits_for_the_next(
    doomed: Stage,
) -> None:
    before = doomed.stream(doomed.other)
    seen = before.comes_to(10)
    before.client.close()
    doomed.pushing.pause()
    doomed.owner.kill()

    def listed() -> Json:
        sources = doomed.there.ask("GET", "/emg/sources")[1]["sources"]
        return next(source for source in sources if source["name"] == doomed.name)

    until(lambda: listed()["state"] == "disconnected")
    assert (listed()["channels"], listed()["pushed"]) == (CHANNELS, True)
    back = doomed.stream(doomed.other, before.client.last_id)
    until(lambda: "stalled" in back.states)
    socket = doomed.at(
        doomed.other, lambda port: LiveSocket(port, "/infer/live", source=doomed.name, fps=FPS, send="frames")
    )
    assert socket.until("live")["sampling_rate_hz"] == RATE
    doomed.pushing.go_on()
    back.comes_to(10)
    assert socket.until("frame")["sample_index"] > seen[-1]["sample_index"]
    expect_in_order([*seen, *back.frames])


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
    # whatever it is, it is a gesture
    rules = {"enter": 0.0, "leave": 0.0, "shortest_s": 0.0, "evidence_s": 0.0, "hold_s": 0.1}
    readers = [stage.stream(place, events=True, gesture_rules=rules) for place in (stage.other, stage.owner)]

    def told(reader: Hearing) -> set[tuple[int, str, int]]:
        events = [event for event in reader.events.copy() if "phase" in event]
        return {(event["id"], event["phase"], event["sample_index"]) for event in events}

    person = Simulator(CHANNELS, RATE, CLASSES, seed=0, speed=None)
    stage.pushing.signal = person.generate(20 * RATE)[0].astype("<f4")
    until(lambda: len(told(readers[0]) & told(readers[1])) >= 5)
    groups = stage.here.ask("GET", "/infer/stream/stats")[1]["groups"]
    assert [one["readers"] for one in groups if one["source"] == stage.name] == [2], "the rules are the same"


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
    readers = [stage.stream(place) for place in (stage.owner, stage.other)]
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
    def socket_of(port: int, form: str) -> LiveSocket:
        return LiveSocket(
            port,
            "/infer/live",
            source=stage.name,
            fps=FPS,
            format=form,
            send="frames,states,quality",
        )

    texts, records = (
        stage.at(stage.other, lambda port, form=form: socket_of(port, form)) for form in ("json", "binary")
    )
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
        for worker in (stage.here, stage.there):

            def listed(worker: Pinned = worker) -> dict[str, int]:
                sources = worker.ask("GET", "/emg/sources")[1]["sources"]
                return {source["name"]: source["channels"] for source in sources}

            until(
                lambda listed=listed: {stage.name, there} <= set(listed())
            )  # Redis is looked at twice a second
            assert set(listed().values()) == {16}
        until(
            lambda: (
                len({worker.ask("GET", "/emg/sources")[1]["default"] for worker in (stage.here, stage.there)})
                == 1
            )
        )
    finally:
        assert stage.here.ask("DELETE", f"/emg/sources/{there}")[0] == 204
