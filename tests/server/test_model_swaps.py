"""A source's model changes under running streams of two workers, and whatever may go wrong meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.inference.artefact import save
from app.inference.covariance.shared_stem import STEM
from tests.inference.artefacts import make_artefact
from tests.inference.covariance.models import child
from tests.server.crowd import Crowd
from tests.server.live import LATE_S, START_S, Client, Live, connecting, until
from tests.server.own_project import faulty_project, serving
from tests.server.test_source_choice import Reading, asked
from tests.server.test_workers import STALLED_S, on_both_workers, owner_of

# alone: no window may be skipped, as a group does that is late
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

Json = dict[str, Any]

CHANNELS, RATE, FPS = 8, 200, 20
HOP = RATE // FPS
A, B, C = "child-1", "child-2", "child-3"
CLASSES = {A: ("rest", "a1", "a2"), B: ("rest", "b1"), C: ("rest", "c1", "c2", "c3")}
TYPICAL = {"hyper_parameters": {"floor": 0.0044, "bands_hz": [[15, 35], [35, 60], [60, 95]], "typical": 96}}
MODEL = "/emg/sources/recording/model"
MINUTES = 30  # a recording's end would break the signal
RELOAD_S = 2 * START_S  # the master opens everything once by itself before
READERS, SWAPS = 300, 60
OFTEN = int(os.environ.get("MYOSTREAM_SWAPS", "200"))  # 10000 by hand: it takes five minutes


def recording(path: Path) -> Path:
    """One unbroken piece of noise that now and then is stronger."""
    chance, count = np.random.default_rng(5), MINUTES * 60 * RATE
    loud = np.repeat(chance.integers(1, 5, (count // RATE, CHANNELS)), RATE, axis=0)
    flat = {name: np.zeros(count, np.int8) for name in ("label", "recording")}
    ones = {name: np.ones(count, np.int8) for name in ("repetition", "session")}
    emg = np.clip(chance.normal(size=(count, CHANNELS)) * 8 * loud, -127, 127).astype(np.int8)
    names = np.array(("rest", "fist"))
    np.savez(path, emg=emg, fs=np.int32(RATE), gesture_names=names, units=np.array("uV"), **flat, **ones)
    return path


def three_models(folder: Path) -> None:
    for seed, name in enumerate((A, B, C), start=1):
        child(folder, seed, classes=CLASSES[name], **TYPICAL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose models have other classes, and of which some are worth nothing."""
    made = faulty_project(tmp_path_factory.mktemp("swaps"))
    models = made / "instance" / "models"
    three_models(models)
    make_artefact(models / "wide", name="wide", channels=16)
    broken = child(models, 9, **TYPICAL)
    graph = b"no graph at all"
    files = {name: (broken.path / name).read_bytes() for name in broken.manifest.files}
    save(broken.path, broken.manifest, {**files, "model.onnx": graph, STEM: graph}, replacing=True)
    recording(made / "recording.npz")
    return made


@contextmanager
def replay(root: Path, **settings: str) -> Iterator[Live]:
    file = str(root / "recording.npz")
    usual = {"EMG_MODE": "ninapro", "EMG_RECORDING": file, "EMG_MODEL": A, "WEB_CONCURRENCY": "2"}
    with serving(root, **{**usual, **settings}) as live:
        until(lambda: all_serve(live, int({**usual, **settings}["WEB_CONCURRENCY"])), START_S)
        yield live


def all_serve(live: Live, workers: int = 2) -> bool:
    """Whether there are so many workers, and each that ever began has come so far that it serves."""
    log = live.log_file.read_text()
    begun, ready = (
        log.count("Booting worker"),
        log.count(", source recording") + log.count("no model, source"),
    )
    return len(live.workers()) == workers and ready >= begun and live.ready()


@pytest.fixture(scope="module")
def both(root: Path) -> Iterator[Live]:
    with replay(root) as live:
        yield live


@pytest.fixture
def live(both: Live, root: Path) -> Iterator[Live]:
    """Two workers, and A reads the source; nothing is in the way of another."""
    clear(root)
    until(lambda: all_serve(both), START_S)
    both.at_rest()
    until(lambda: put(both, A)[0] == 200)
    until(lambda: agreed(both) == {A})
    yield both
    clear(root)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test has opened, also where it fails: the next one waits until no stream is open."""
    with ExitStack() as opened:
        yield opened


def reading_both(live: Live, opened: ExitStack) -> list[Reading]:
    """Clients of both workers that read."""
    readings = [Reading(client) for client in on_both_workers(live, lambda: Client(live.port, fps=FPS))]
    for reading in readings:
        opened.callback(reading.client.close)
    until(lambda: all(reading.frames for reading in readings))
    return readings


def clear(root: Path) -> None:
    for left in (*root.glob("opening*"), *root.glob("waits-*")):
        left.unlink()


def put(live: Live, model: str | None) -> tuple[int, Json]:
    return asked(live, "PUT", MODEL, {"model": model})


def agreed(live: Live) -> set[str | None]:
    """What the next answers, of whichever worker, say that the source is read by."""
    return {asked(live, "GET", "/emg/sources")[1]["sources"][0]["model"] for _ in range(10)}


def changes(events: list[Json]) -> list[tuple[int, str | None]]:
    """From which sample on which model was said, after the first frame: who joins others may be told of theirs."""
    begun = next((at for at, event in enumerate(events) if "sample_index" in event), len(events))
    return [(e["from_sample"], e["model"]) for e in events[begun:] if e.get("status") == "model"]


def expect_each_of_its_model(events: list[Json], first: str = A) -> dict[int, tuple[str, ...]]:
    """Each frame is of the model said last before it; return whose each window was."""
    classes, found, since = CLASSES[first], dict[int, tuple[str, ...]](), 0
    for event in events:
        if event.get("status") == "model":
            classes, since = tuple(event["classes"]), event["from_sample"]
        elif "prediction" in event:
            assert (len(event["probabilities"]), event["label"] in classes) == (len(classes), True)
            assert event["sample_index"] >= since
            found[event["sample_index"]] = classes
    return found


def expect_whole(events: list[Json]) -> dict[int, tuple[str, ...]]:
    """The same, and no frame is lost."""
    found = expect_each_of_its_model(events)
    assert list(found) == list(range(min(found), max(found) + 1, HOP))
    assert events[-1]["dropped"] == 0
    return found


def test_a_crowd_loses_no_frame_while_the_model_changes_every_second(live: Live) -> None:
    crowd = Crowd(live.port, READERS, fps=FPS)
    until(lambda: live.stats()["active_streams"] == READERS)
    time.sleep(1.0)  # each has had frames
    told, order = [(0, A)], [B, C, A]
    for turn in range(SWAPS):
        due = time.monotonic() + 1.0
        status, answer = put(live, order[turn % 3])
        assert (status, answer["previous"]) == (200, told[-1][1]), answer
        told.append((answer["from_sample"], answer["model"]))
        time.sleep(max(0.0, due - time.monotonic()))
    readers = crowd.close()
    assert crowd.lost == 0
    for events in readers:
        assert changes(events) == told[1:]
        for end, classes in expect_whole(events).items():
            assert classes == CLASSES[[model for since, model in told if since <= end][-1]]


def test_two_at_once_are_made_in_order_or_refused(live: Live, root: Path) -> None:
    (root / "opening waits").touch()
    answers: list[tuple[int, Json]] = []
    first = putting(live, new_model(root, "first"), answers)
    until(lambda: list(root.glob("waits-*")))
    refused = [put(live, C)[0] for _ in range(8)]
    deleted = asked(live, "DELETE", "/models/child-1")
    assert set(refused) == {409}
    assert deleted[0] == 409
    (root / "opening waits").unlink()
    first.join(LATE_S)
    assert answers[0][0] == 200, answers
    until(lambda: agreed(live) == {answers[0][1]["model"]})
    assert {asked(live, "DELETE", f"/models/{answers[0][1]['model']}")[0] for _ in range(6)} == {409}
    crowd = Crowd(live.port, 4, fps=FPS)
    found: list[tuple[int, Json]] = []
    for one in [putting(live, (B, C)[turn % 2], found) for turn in range(6)]:
        one.join(LATE_S)
    assert {status for status, _ in found} <= {200, 409}
    until(lambda: len(agreed(live)) == 1)
    now = agreed(live)
    time.sleep(0.5)
    for events in crowd.close():
        assert {model for _, model in changes(events)} <= {B, C}
        assert (
            tuple(CLASSES[now.copy().pop() or ""]) == list(expect_each_of_its_model(events, C).values())[-1]
        )


def new_model(root: Path, name: str) -> str:
    """A model that no worker has open yet."""
    made = child(root / "instance" / "models", abs(hash(name)) % 1000 + 100, classes=CLASSES[C], **TYPICAL)
    return made.path.name


def putting(live: Live, model: str, answers: list[tuple[int, Json]]) -> threading.Thread:
    def ask() -> None:
        try:
            answers.append(put(live, model))
        except OSError as error:  # its worker was killed
            answers.append((0, {"detail": str(error)}))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("harm", ["damaged", "wide", "warm-up", "vanished", "one worker"])
def test_what_cannot_be_used_changes_nothing_in_any_worker(
    live: Live, root: Path, opened: ExitStack, harm: str
) -> None:
    readings = reading_both(live, opened)
    answers: list[tuple[int, Json]] = []
    if harm in ("damaged", "wide"):
        answers += [put(live, "child-9" if harm == "damaged" else "wide") for _ in range(4)]
    elif harm == "vanished":
        (root / "opening waits").touch()
        name = new_model(root, harm)
        asking = putting(live, name, answers)
        until(lambda: list(root.glob("waits-*")))
        shutil.rmtree(root / "instance" / "models" / name)
        (root / "opening waits").unlink()
        asking.join(LATE_S)
    else:
        meant = "" if harm == "warm-up" else str(live.workers()[0])
        (root / "opening raises").write_text(meant)
        name = new_model(root, harm)
        answers += [put(live, name) for _ in range(4)]
    words = {
        "damaged": "child-9",
        "wide": "the source has 8 channels and the model wide reads 16",
        "warm-up": "the driver lost its way",
        "vanished": "",
        "one worker": "the driver lost its way",
    }
    for status, answer in answers:
        assert (status in (422, 503), words[harm] in str(answer)) == (True, True), answer
    assert agreed(live) == {A}
    until(lambda: all(len(reading.frames) >= 20 for reading in readings))
    for reading in readings:
        expect_whole(list(reading.events))
        assert changes(reading.events) == []
    clear(root)
    assert put(live, B)[0] == 200
    until(lambda: agreed(live) == {B})


@pytest.mark.parametrize("killed", ["asked", "follower", "owner"])
def test_a_worker_that_is_killed_over_a_change_leaves_one_model_everywhere(
    live: Live, root: Path, opened: ExitStack, killed: str
) -> None:
    name, answers = new_model(root, killed), list[tuple[int, Json]]()
    (root / "opening waits").touch()
    readings = reading_both(live, opened)
    asking = putting(live, name, answers)
    until(lambda: list(root.glob("waits-*")))
    (waiting,) = root.glob("waits-*")
    writer = int(waiting.name.removeprefix("waits-"))
    (follower,) = set(live.workers()) - {writer}
    (root / "opening waits").write_text(str(follower))  # the one that was asked goes on, and asks the other
    until((root / f"waits-{follower}").exists)
    victim = {"asked": writer, "follower": follower, "owner": owner_of(live)}[killed]
    os.kill(victim, signal.SIGKILL)
    (root / "opening waits").unlink()
    asking.join(LATE_S)
    until(lambda: victim not in live.workers() and all_serve(live), START_S)
    until(lambda: len(agreed(live)) == 1, START_S)
    (model,) = agreed(live)
    assert (answers[0][0], model) in ((200, name), (0, A), (503, A))
    survivors = 0
    for reading in readings:
        if not reading.lost:
            survivors += 1
            before = len(reading.frames)
            until(lambda: len(reading.frames) > before + 5)  # noqa: B023  it is called in this turn alone
            times = [frame["timestamp"] for frame in reading.frames]
            assert max(np.diff(times)) < STALLED_S
    assert survivors
    assert put(live, B)[0] == 200
    until(lambda: agreed(live) == {B})


def test_a_worker_that_comes_later_and_one_after_a_reload_use_what_was_chosen(live: Live) -> None:
    with connecting(live.port) as connect:
        client = connect(fps=FPS, duration_seconds=600)
        next(client.events())
    assert put(live, B)[0] == 200
    until(lambda: agreed(live) == {B})
    killed, other = live.workers()
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in live.workers() and all_serve(live), START_S)
    with connecting(live.port) as connect:
        for _ in range(6):  # at whichever worker
            events = connect(fps=FPS, duration_seconds=600, last_event_id=client.last_id).events()
            told = list(until_frame_of(events, B))
            (changed,) = [event for event in told if event.get("model") == B]
            assert (changed["status"], tuple(changed["classes"])) == ("model", CLASSES[B])
            expect_said_before_shown(told)
    assert agreed(live) == {B}
    before = set(live.workers())
    assert other in before
    os.kill(live.process.pid, signal.SIGHUP)
    until(lambda: not before & set(live.workers()) and all_serve(live), RELOAD_S)
    until(lambda: agreed(live) == {B})
    assert asked(live, "DELETE", MODEL)[1]["model"] == A
    until(lambda: agreed(live) == {A})


def until_frame_of(events: Iterator[Json], model: str) -> Iterator[Json]:
    """Everything up to the first frame behind that model's name."""
    named = False
    for event in events:
        yield event
        named = named or event.get("model") == model
        if named and "prediction" in event:
            return


def expect_said_before_shown(events: list[Json]) -> None:
    """No frame comes before its model's name: who comes back may know another."""
    classes: tuple[str, ...] = ()
    for event in events:
        classes = tuple(event["classes"]) if event.get("status") == "model" else classes
        assert "prediction" not in event or event["label"] in classes


def test_a_change_during_a_reload_is_made_in_the_workers_that_come(live: Live, root: Path) -> None:
    (root / "opening waits").touch()
    answers: list[tuple[int, Json]] = []
    name, before = new_model(root, "reload"), set(live.workers())
    asking = putting(live, name, answers)
    until(lambda: list(root.glob("waits-*")))
    os.kill(live.process.pid, signal.SIGHUP)
    until(lambda: set(live.workers()) - before, START_S)
    time.sleep(0.3)
    (root / "opening waits").unlink()
    asking.join(LATE_S)
    until(lambda: not before & set(live.workers()) and all_serve(live), RELOAD_S)
    until(lambda: len(agreed(live)) == 1, START_S)
    assert (answers[0][0], agreed(live)) in ((200, {name}), (0, {A}), (503, {A}))


def test_a_stream_that_names_a_model_by_its_ticket_keeps_it(live: Live, opened: ExitStack) -> None:
    status, ticket = asked(live, "POST", "/stream/tickets")
    assert status == 201, ticket
    for options in ({"ticket": ticket["ticket"]}, {}):
        reading = Reading(Client(live.port, method="GET", fps=FPS, model=C, **options))
        opened.callback(reading.client.close)
        until(lambda: len(reading.frames) >= 3)  # noqa: B023  it is called in this turn alone
        assert put(live, B)[0] == 200
        assert put(live, A)[0] == 200
        seen = len(reading.frames)
        until(lambda: len(reading.frames) >= seen + 15)  # noqa: B023  it is called in this turn alone
        assert {len(frame["probabilities"]) for frame in reading.frames} == {len(CLASSES[C])}
        assert changes(reading.events) == []


@pytest.mark.alone
def test_many_changes_leave_nothing_behind(live: Live) -> None:
    for turn in range(60):
        assert put(live, (B, C, A)[turn % 3])[0] == 200
    until(lambda: agreed(live) == {A})  # its first sample has come
    crowd = Crowd(live.port, 4, fps=FPS)
    before = {pid: taken(pid) for pid in live.workers()}
    for turn in range(OFTEN // 3 * 3):
        assert put(live, (B, C, A)[turn % 3])[0] == 200
    for events in crowd.close():  # so many one after the other leave some groups late: these skip
        expect_each_of_its_model(events)
    until(lambda: live.stats()["active_streams"] == 0)
    time.sleep(2.0)  # the signal behind the models before is filled for a second
    for pid, (memory, descriptors, threads) in before.items():
        now = taken(pid)
        told = f"before and after {OFTEN} changes (MB, descriptors, threads): {before[pid]}, {now}"
        assert now[0] < memory + 8, told
        assert now[1] <= descriptors + 4, told
        assert now[2] <= threads + 2, told


def taken(pid: int) -> tuple[float, int, int]:
    """Resident MB, descriptors and native threads of a process."""
    process = psutil.Process(pid)
    return process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()


def test_a_server_without_a_model_gets_one_and_goes_back(root: Path, opened: ExitStack) -> None:
    with replay(root, EMG_MODEL="none") as live:
        readings = reading_both(live, opened)
        until(lambda: all(reading.of(model=False) >= 3 for reading in readings))
        assert put(live, B)[0] == 200
        until(lambda: all(reading.of(model=True) >= 3 for reading in readings))
        assert asked(live, "DELETE", MODEL)[1]["model"] is None
        until(lambda: all("prediction" not in reading.frames[-1] for reading in readings))
        for reading in readings:
            ends = [frame["sample_index"] for frame in reading.frames]
            assert ends == list(range(ends[0], ends[-1] + 1, HOP))
            assert [model for _, model in changes(reading.events)] == [B, None]
        assert "Traceback" not in live.log, live.log


def test_where_one_model_may_be_open_no_other_is_taken(root: Path) -> None:
    with replay(root, EMG_MAX_MODELS="1", WEB_CONCURRENCY="1") as live:
        status, answer = put(live, B)
        assert (status, "as many as EMG_MAX_MODELS" in answer["detail"]) == (503, True)
        assert agreed(live) == {A}


@pytest.mark.parametrize("rate", ["swap"])
def test_a_source_that_has_ended_says_so_and_takes_the_model_all_the_same(root: Path, rate: str) -> None:
    """Nothing hangs; the streams have ended, and nobody can be misled."""
    short = root / "short.npz"
    with np.load(root / "recording.npz") as whole:
        arrays = {name: values[: 3 * RATE] if values.ndim else values for name, values in whole.items()}
        arrays["gesture_names"] = whole["gesture_names"]
    np.savez(short, **arrays)
    with replay(root, EMG_RECORDING=str(short), EMG_LOOP="0", WEB_CONCURRENCY="1") as live:
        until(lambda: asked(live, "GET", "/emg/sources")[1]["sources"][0]["state"] == "ended")
        began = time.monotonic()
        status, answer = put(live, B)
        assert (status in (200, 503), time.monotonic() - began < 5) == (True, True), answer
        assert "Traceback" not in live.log
