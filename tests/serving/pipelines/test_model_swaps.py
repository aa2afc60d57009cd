"""A source's model becomes another under running streams; samples are pushed by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.emg.pushed_source import PushSource
from app.errors import (
    BusyError,
    DataError,
    ModelNameError,
    MyostreamError,
    NotReadyError,
    ProfileNameError,
)
from app.inference import artefact
from app.inference.decision_rule import DecisionRule
from app.serving.counters.shared_swap import Chosen, Pick, SharedSwap, SwapRecord
from app.serving.counters.worker_group import WorkerGroup, board_for
from app.serving.engine.opening import make_engine
from app.serving.models import open_models
from app.serving.pipelines.model_swaps import ModelSwaps
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.stream_opener import Client
from app.serving.profiles.profile import Profile
from app.serving.runtime import Runtime
from app.serving.sources.declared import Declared
from app.serving.streams.client_stream import ClientEvent, StreamCursor
from app.serving.streams.events import StreamOptions
from app.serving.streams.group_events import GroupEvent
from tests.inference.artefacts import make_artefact
from tests.serving.station import until

CHANNELS, RATE, CHUNK = 4, 200.0, 4
A, B, LONG, OTHER, WIDE = "a", "b", "long", "other", "wide"
CLASSES = {
    A: ("rest", "a1", "a2"),
    B: ("rest", "b1"),
    LONG: ("rest", "l1", "l2", "l3"),
    OTHER: ("rest", "o1", "o2", "o3", "o4"),
}
OPTIONS = StreamOptions(fps=20, backend="pytorch")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of other classes; of another length; behind other filters; of other channels."""
    folder = tmp_path_factory.mktemp("instance")
    changes: dict[str, Json] = {
        A: {},
        B: {},
        LONG: {"length": 40},
        OTHER: {"filters": ({"kind": "highpass", "low_hz": 20.0, "order": 2},)},
    }
    for name, more in changes.items():
        make_artefact(folder / "models" / name, name=name, classes=CLASSES[name], channels=CHANNELS, **more)
    make_artefact(folder / "models" / WIDE, name=WIDE, channels=8)
    return folder


class Person:
    """A source that the test pushes, on a server whose own model is A; and streams of it."""

    def __init__(
        self, instance: Path, name: str = "anna", group: WorkerGroup | None = None, **more: Any
    ) -> None:
        settings = Settings(
            emg_mode=EmgMode.PUSH, model=A, backends=("pytorch",), mains_hz=None, instance=instance, **more
        )
        own = artefact.find(A, instance / "models")
        self.runtime = Runtime(
            settings=settings,
            artefact=own,
            engine=make_engine(settings, own),
            encode=sse.encode,
            worker_group=group or WorkerGroup.alone(),
        )
        self.runtime.start()
        self.pipeline = self.declare(name)
        self.next = 0
        self.rows = np.random.default_rng(7)

    def declare(
        self, name: str, model: str | None = None, profile: str | None = None, channels: int = CHANNELS
    ) -> SourcePipeline:
        declared = Declared(
            name=name, channels=channels, sampling_rate=RATE, units="uV", model=model, profile=profile
        )
        return self.runtime.source_models.pushed.declare(declared)[0]

    def push(self, chunks: int = 1) -> None:
        source = self.pipeline.source
        assert isinstance(source, PushSource)
        for _ in range(chunks):
            source.push(self.next, self.rows.normal(size=(CHUNK, CHANNELS)).astype(np.float32))
            self.next += CHUNK
            until(lambda: self.pipeline.acquisition.samples == self.next)
            time.sleep(CHUNK / RATE / 2)  # a group that is far behind would skip windows

    def put(self, model: str | None) -> int:
        """Change the model while samples come, as they do; return the first sample of the new one."""
        swaps, done = self.runtime.source_models.swaps, []

        def change() -> None:
            try:
                done.append(swaps.put(self.pipeline, model).from_sample)
            except Exception as error:
                done.append(error)

        return self._while_pushing(change, done)

    def back(self) -> int:
        done: list[Any] = []
        return self._while_pushing(
            lambda: done.append(self.runtime.source_models.swaps.back(self.pipeline).from_sample), done
        )

    def _while_pushing(self, change: Callable[[], None], done: list[Any]) -> int:
        thread = threading.Thread(target=change, daemon=True)
        thread.start()
        while thread.is_alive():
            self.push()
            thread.join(CHUNK / RATE)
        self.push(3)
        if done and isinstance(done[0], Exception):
            raise done[0]
        return int(done[0])

    def close(self) -> None:
        self.runtime.close()


def kept(events: list[Json], event: GroupEvent) -> bool:
    events.append(json.loads(event.body + b"}"))
    return True


class Stream:
    """All events of one group, as a client that never misses one gets them."""

    def __init__(self, person: Person, options: StreamOptions = OPTIONS) -> None:
        self.events: list[Json] = []
        reader = person.pipeline.broadcast.join(options)
        reader.listen(lambda event, _: kept(self.events, event))

    @property
    def frames(self) -> list[Json]:
        return [event for event in self.events if "prediction" in event]

    @property
    def changes(self) -> list[Json]:
        return [event for event in self.events if event.get("status") == "model"]


@pytest.fixture
def fresh(instance: Path) -> Path:
    """The models, and nothing that was chosen before."""
    for left in (instance / "state.json", *instance.glob("profiles/*")):
        left.unlink(missing_ok=True)
    return instance


@pytest.fixture
def person(fresh: Path) -> Iterator[Person]:
    person = Person(fresh)
    person.push(20)
    yield person
    person.close()


def expect_whole(stream: Stream, hop: int = 10) -> None:
    """No frame is lost, and each is of the model that was said last before it."""
    ends = [frame["sample_index"] for frame in stream.frames]
    assert ends == list(range(ends[0], ends[-1] + 1, hop))
    classes, from_sample = CLASSES[A], 0
    for event in stream.events:
        if event.get("status") == "model":
            assert event["from_sample"] >= from_sample  # two that are made before a sample comes are at one
            classes, from_sample = tuple(event["classes"]), event["from_sample"]
        elif "prediction" in event:
            assert len(event["probabilities"]) == len(classes)
            assert event["label"] in classes
            assert event["sample_index"] >= from_sample
    last = {event["from_sample"]: event for event in stream.changes}
    for frame in stream.frames:
        due = [at for at in last if at <= frame["sample_index"]]
        of = tuple(last[max(due)]["classes"]) if due else CLASSES[A]
        assert len(frame["probabilities"]) == len(of)


@pytest.mark.parametrize("model", [B, LONG, OTHER])
def test_every_window_from_one_sample_on_is_the_new_models_and_none_is_lost(
    person: Person, model: str
) -> None:
    stream, fast = Stream(person), Stream(person, StreamOptions(fps=50, backend="pytorch"))
    person.push(20)
    from_sample = person.put(model)
    person.push(30)
    until(lambda: stream.frames[-1]["sample_index"] >= person.next - 10)
    until(lambda: fast.frames[-1]["sample_index"] >= person.next - 4)
    for one, hop in ((stream, 10), (fast, 4)):
        expect_whole(one, hop)
        (change,) = one.changes
        assert (change["model"], change["from_sample"]) == (model, from_sample)
        assert change["classes"] == list(CLASSES[model])
        assert change["rest_class"] == "rest"
        assert min(f["sample_index"] for f in one.frames if len(f["probabilities"]) != 3) >= from_sample
    assert person.pipeline.manifest is not None
    assert person.pipeline.manifest.name == model


def test_what_is_said_of_the_new_model_is_its_own(person: Person, instance: Path) -> None:
    """The same window in the stream and by a request that names the model."""
    person.put(B)
    stream = Stream(person)
    person.push(10)
    until(lambda: len(stream.frames) >= 2)
    frame = stream.frames[-1]
    with person.runtime.open_models.holding(B) as model:
        ring = person.pipeline.ring
        window = ring.window(frame["sample_index"], model.manifest.length)
        assert window is not None
        answer = model.engine.infer(window[np.newaxis])
    assert frame["probabilities"] == pytest.approx(answer.prediction.probabilities[0].tolist(), abs=1e-4)


def test_it_goes_back_as_often_as_there_was_one(person: Person) -> None:
    stream = Stream(person)
    for model in (B, LONG, OTHER):
        person.put(model)
    assert person.runtime.source_models.swaps.before("anna") == (Pick(A), Pick(B), Pick(LONG))
    for model in (LONG, B, A):
        person.back()
        assert person.pipeline.use.name == model
    with pytest.raises(BusyError, match="no model was used for the source anna before"):
        person.runtime.source_models.swaps.back(person.pipeline)
    until(lambda: len(stream.changes) == 6)
    expect_whole(stream)


def test_the_same_again_changes_nothing(person: Person) -> None:
    stream, first = Stream(person), person.put(B)
    assert person.put(B) == first
    assert person.runtime.source_models.swaps.before("anna") == (Pick(A),)
    until(lambda: len(stream.changes) == 1)


def names(swaps: ModelSwaps) -> tuple[str | None, ...]:
    return tuple(pick.model for pick in swaps.before("anna"))


def test_of_two_changes_at_once_the_second_follows_the_first(person: Person) -> None:
    """What was used until the first comes was taken for what is used: the second was refused as no change."""
    swaps, pipeline = person.runtime.source_models.swaps, person.pipeline
    stream = Stream(person)
    swaps.put(pipeline, B)
    assert (swaps.put(pipeline, A).previous, names(swaps)) == (B, (A, B))
    assert (swaps.put(pipeline, B).previous, names(swaps)) == (A, (A, B, A))
    assert (swaps.back(pipeline).model, names(swaps)) == (A, (A, B))
    assert (swaps.back(pipeline).model, names(swaps)) == (B, (A,))
    person.push(20)
    until(lambda: person.pipeline.use.name == B)
    until(lambda: stream.frames[-1]["sample_index"] >= person.next - 10)
    expect_whole(stream)


@pytest.mark.parametrize("fps", [0.5, 1, 3, 50])
def test_who_comes_after_a_change_gets_no_window_from_before_it(person: Person, fps: float) -> None:
    """Its first window ended before the change, and was read by the new model: others got it from the old one."""
    person.push(100)
    from_sample = person.put(B)
    late = Stream(person, StreamOptions(fps=fps, backend="pytorch"))
    person.push(120)
    until(lambda: len(late.frames) >= 1)
    assert late.frames[0]["sample_index"] >= from_sample


def test_a_stream_of_few_frames_goes_on_with_the_new_model(person: Person) -> None:
    """It waited for a window behind the old model's path, which is filled for a second more."""
    person.push(100)
    stream = Stream(person, StreamOptions(fps=0.5, backend="pytorch"))
    until(lambda: len(stream.frames) == 1)
    person.put(OTHER)
    person.push(int(4 * RATE) // CHUNK)
    until(lambda: len(stream.frames) >= 3)
    expect_whole(stream, int(RATE / 0.5))
    assert len(stream.frames[-1]["probabilities"]) == len(CLASSES[OTHER])


def test_a_group_that_had_no_readers_for_a_while_shows_nothing_old(person: Person) -> None:
    options = StreamOptions(fps=0.7, backend="pytorch")
    person.push(100)
    reader = person.pipeline.broadcast.join(options)
    until(lambda: person.pipeline.broadcast.reached(options) >= 0)
    reader.close()
    person.put(OTHER)
    person.push(100)
    person.put(B)
    person.push(150)
    before, again = person.next, Stream(person, options)
    person.push(80)
    until(lambda: len(again.frames) >= 1)
    assert again.frames[0]["sample_index"] > before - RATE / 0.7
    assert len(again.frames[0]["probabilities"]) == len(CLASSES[B])


def test_who_comes_back_is_told_of_each_model_before_its_frames(person: Person) -> None:
    """The newest model was said first, and then the frames kept of the one before were sent."""
    stream = Stream(person)
    person.push(10)
    person.put(B)
    person.push(20)
    person.put(LONG)
    person.push(20)
    until(lambda: stream.frames[-1]["sample_index"] >= person.next - 10)
    first, last = stream.frames[0], stream.frames[-1]
    k = first["sample_index"] // 10 - 1
    run, opener = person.runtime.run, person.runtime.streams
    events: list[Json] = []
    opened, close = opener.open(person.pipeline, OPTIONS, 60.0, Client(place=StreamCursor(run, 0.0, k, 1, 0)))
    for sent in opened:
        assert isinstance(sent, ClientEvent)
        events.append(json.loads(sent.body + b"}"))
        if events[-1].get("sample_index") == last["sample_index"]:
            break
    close()
    assert [event["model"] for event in events if event.get("status") == "model"] == [A, B, LONG]
    again = Stream.__new__(Stream)
    again.events = events
    classes: tuple[str, ...] = ()
    for event in events:
        classes = tuple(event["classes"]) if event.get("status") == "model" else classes
        assert "prediction" not in event or event["label"] in classes
    assert [frame["sample_index"] for frame in again.frames] == [
        frame["sample_index"] for frame in stream.frames[1:]
    ]


class Taking:
    """Stands where a socket does that takes all."""

    def __init__(self, events: list[Json]) -> None:
        self.events = events

    def send(self, sent: ClientEvent) -> bool:
        self.events.append(json.loads(sent.body + b"}"))
        return True


@pytest.mark.parametrize("direct", [False, True])
def test_who_comes_back_to_an_endless_stream_is_told_of_the_model_of_its_first_frame(
    person: Person, direct: bool
) -> None:
    """The group had changed while the one who was cut off still counted as its reader; nothing is sent again here."""
    stream = Stream(person)
    person.push(10)
    person.put(B)
    person.push(20)
    until(lambda: stream.frames[-1]["sample_index"] >= person.next - 10)
    k = stream.frames[0]["sample_index"] // 10 - 1  # before the change
    place = StreamCursor(person.runtime.run, 0.0, k, 1, 0)
    events: list[Json] = []
    writer = Taking(events) if direct else None
    opened, close = person.runtime.streams.open(
        person.pipeline, OPTIONS, None, Client(place=place, writer=writer)
    )
    for sent in opened:
        if sent is None:
            person.push(5)
        elif isinstance(sent, ClientEvent):
            events.append(json.loads(sent.body + b"}"))
        if any("prediction" in event for event in events):
            break
    close()
    assert events[0]["model"] == B
    assert events[1]["label"] in CLASSES[B]


def test_who_comes_back_is_told_that_there_is_no_model_any_more(person: Person) -> None:
    person.put(None)
    place = StreamCursor(person.runtime.run, 0.0, 1, 1, 0)
    opened, close = person.runtime.streams.open(person.pipeline, OPTIONS, 60.0, Client(place=place))
    sent = next(iter(opened))
    close()
    assert isinstance(sent, ClientEvent)
    assert json.loads(sent.body + b"}")["model"] is None


def test_a_source_that_goes_while_its_model_changes_holds_none(person: Person) -> None:
    """It was prepared after the source had ended, and held for good; or given back twice."""
    runtime, pipeline = person.runtime, person.pipeline
    runtime.open_models.release(runtime.open_models.hold(B))
    use = prepared(person, B)
    runtime.pipelines.remove(pipeline)
    with pytest.raises(NotReadyError, match="no longer there"):
        pipeline.change(use, 1)
    pipeline.forget(use)
    with pytest.raises(NotReadyError, match="no longer there"):
        runtime.source_models.swaps.put(pipeline, B)
    assert {one.name: one.held for one in runtime.open_models} == {A: 0, B: 0}


def prepared(person: Person, name: str) -> ModelUse:
    model = person.runtime.open_models.hold(name)
    return person.pipeline.prepare(model, person.runtime.source_models._path(person.pipeline, model.manifest))


class OtherWorker(threading.Thread):
    """Is ready for whatever comes, and then `ahead` samples beyond the first sample that is proposed."""

    def __init__(self, group: WorkerGroup, ahead: int) -> None:
        super().__init__(daemon=True)
        self.shared, self.ahead, self.phases = SharedSwap(group), ahead, list[tuple[str, int]]()
        group.own.doubles("alive")[0] = 1.0
        self.start()

    def run(self) -> None:
        seen = 0
        while not self.phases or self.phases[-1][0] not in ("commit", "drop"):
            number, record = self.shared.newest("base")
            if number <= seen or record is None:
                time.sleep(0.0005)
                continue
            seen = number
            self.phases.append((record.phase, record.from_sample))
            if record.phase == "prepare":
                self.shared.answer(number, None, 10)


@pytest.mark.parametrize("ahead", [-1, 0, 500])
def test_the_first_sample_of_a_model_is_one_that_no_worker_has_come_to(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Another worker that was ahead of this one by more than 20 ms had read windows behind it with the old model."""
    memory = board_for(2)
    group = WorkerGroup("run", memory, 0, workers=2)
    monkeypatch.setattr(WorkerGroup, "link", lambda *_: "base")
    person = Person(fresh, group=group)
    monkeypatch.setattr(ModelSwaps, "_shares", lambda *_: True)
    person.push(20)
    other = OtherWorker(WorkerGroup("run", memory, 1, workers=2), ahead)
    usual = SharedSwap.write

    def write(shared: SharedSwap, record: SwapRecord) -> int:
        number = usual(shared, record)
        if record.phase == "propose" and len(proposed) == 0:
            proposed.append(record.from_sample)
            other.shared.reach(record.from_sample + ahead)
        return number

    proposed: list[int] = []
    monkeypatch.setattr(SharedSwap, "write", write)
    found = person.runtime.source_models.swaps.put(person.pipeline, B)
    other.join(10)
    assert other.phases[-1] == ("commit", found.from_sample)
    assert found.from_sample > proposed[0] + ahead
    assert (found.from_sample == proposed[0]) == (ahead < 0)
    person.close()


def test_a_group_waits_with_a_window_of_which_nobody_knows_yet_whose_it_is(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = board_for(2)
    monkeypatch.setattr(WorkerGroup, "link", lambda *_: "base")
    own, other = (WorkerGroup("run", memory, slot, workers=2) for slot in range(2))
    person = Person(fresh, group=own)
    shared, stream = SharedSwap(other), Stream(person)
    person.push(20)
    until(lambda: stream.frames[-1]["sample_index"] == person.next)
    sha256 = person.runtime.open_models.artefact(B).sha256
    record = SwapRecord(
        base="base", phase="prepare", source="anna", pick=Pick(B), sha256=sha256, writer=os.getpid()
    )
    number = shared.write(record)
    until(lambda: own.own.doubles("swap_answer")[0] == number)
    proposed = person.next + 15
    shared.write(replace(record, phase="propose", from_sample=proposed))
    person.push(10)
    until(lambda: len(stream.frames) and stream.frames[-1]["sample_index"] >= proposed - 10)
    assert stream.frames[-1]["sample_index"] < proposed
    shared.write(replace(record, phase="commit", from_sample=proposed))
    until(lambda: stream.frames[-1]["sample_index"] >= proposed + 10)
    expect_whole(stream)
    assert [event["from_sample"] for event in stream.changes] == [proposed]
    person.close()


def test_what_another_worker_changes_while_a_source_gets_the_model_it_had_is_not_undone(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that had just begun gave its source the model of before, behind the change: it kept that for good."""
    memory = board_for(2)
    monkeypatch.setattr(WorkerGroup, "link", lambda *_: "base")
    person = Person(fresh, group=WorkerGroup("run", memory, 0, workers=2))
    swaps, shared = person.runtime.source_models.swaps, SharedSwap(WorkerGroup("run", memory, 1, workers=2))

    def commit(model: str, source: str) -> None:
        sha256 = person.runtime.open_models.artefact(model).sha256
        chosen = {"anna": Chosen(pick=Pick(model), sha256=sha256)}
        record = SwapRecord(base="base", phase="commit", source=source, pick=Pick(model), sha256=sha256)
        shared.write(replace(record, from_sample=40, chosen=chosen))
        swaps.tick()

    commit(B, "nobody")  # that of anna is known now, and not yet used
    until(lambda: swaps.chosen("anna") is not None)
    making, go_on, usual = threading.Event(), threading.Event(), swaps._uses.make

    def make(pipeline: SourcePipeline, pick: Pick, *more: Any) -> ModelUse:
        if pick.model == B:
            making.set()
            assert go_on.wait(10)
        return usual(pipeline, pick, *more)

    monkeypatch.setattr(swaps._uses, "make", make)
    restoring = threading.Thread(target=swaps.restore, args=(person.pipeline,), daemon=True)
    restoring.start()
    assert making.wait(10)
    commit(LONG, "anna")
    time.sleep(0.2)  # for a follower that waits for nobody; one that waits needs no time
    go_on.set()
    restoring.join(10)
    person.push(5)
    swaps.tick()
    until(lambda: person.pipeline.awaited[1].name == LONG)
    person.push(20)
    assert person.pipeline.use.name == LONG
    person.close()


@pytest.mark.parametrize("phase", ["prepare", "propose"])
def test_of_a_worker_that_dies_over_a_change_nothing_is_left(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """What the others had prepared for it was held until the next change."""
    memory = board_for(2)
    monkeypatch.setattr(WorkerGroup, "link", lambda *_: "base")
    person = Person(fresh, group=WorkerGroup("run", memory, 0, workers=2))
    other = WorkerGroup("run", memory, 1, workers=2)
    shared, stream = SharedSwap(other), Stream(person)
    process = subprocess.Popen(["sleep", "60"])
    person.push(20)
    sha256 = person.runtime.open_models.artefact(B).sha256
    record = SwapRecord(
        base="base", phase="prepare", source="anna", pick=Pick(B), sha256=sha256, writer=process.pid
    )
    shared.write(record)
    until(lambda: person.runtime.open_models.uses(B))
    if phase == "propose":
        shared.write(replace(record, phase="propose", from_sample=person.next + 5))
    person.push(4)
    assert person.runtime.open_models.uses(B)
    process.kill()
    process.wait()
    person.push(20)
    until(lambda: stream.frames[-1]["sample_index"] >= person.next - 10)
    until(lambda: not person.runtime.open_models.uses(B))
    expect_unchanged(person, stream)
    person.put(B)
    until(lambda: len(stream.changes) == 1)
    person.close()


def test_without_a_model_the_signal_goes_on(person: Person) -> None:
    stream = Stream(person)
    person.push(10)
    from_sample = person.put(None)
    person.push(20)
    until(lambda: stream.events[-1].get("sample_index", 0) >= person.next - 10)
    (change,) = stream.changes
    assert (change["model"], change["classes"]) == (None, [])
    after = [e for e in stream.events if e.get("sample_index", 0) >= from_sample]
    assert after
    assert all("prediction" not in event for event in after)
    person.back()
    person.push(20)
    until(lambda: "prediction" in stream.events[-1])


def damaged(instance: Path) -> None:
    (instance / "models" / "gone" / "weights.safetensors").write_bytes(b"not what the manifest says")


def vanished(instance: Path) -> None:
    (instance / "models" / "gone" / "weights.safetensors").unlink()


@pytest.mark.parametrize("harm", [damaged, vanished])
def test_a_damaged_model_changes_nothing(
    person: Person, instance: Path, harm: Callable[[Path], None]
) -> None:
    make_artefact(instance / "models" / "gone", name="gone", channels=CHANNELS)
    stream = Stream(person)
    harm(instance)
    with pytest.raises(NotReadyError, match=r"the model gone is damaged: .*weights\.safetensors"):
        person.put("gone")
    expect_unchanged(person, stream)


def expect_unchanged(person: Person, stream: Stream) -> None:
    person.push(10)
    until(lambda: stream.frames != [] and stream.frames[-1]["sample_index"] >= person.next - 10)
    assert person.pipeline.use.name == A
    assert stream.changes == []
    expect_whole(stream)
    assert all(
        not one.held for one in person.runtime.open_models if one is not person.runtime.open_models.own
    )


def test_a_model_that_does_not_fit_changes_nothing(person: Person) -> None:
    stream = Stream(person)
    with pytest.raises(DataError, match="the source has 4 channels and the model wide reads 8"):
        person.put(WIDE)
    with pytest.raises(ModelNameError, match="no model 'nobody'"):
        person.put("nobody")
    expect_unchanged(person, stream)


def test_a_model_that_does_not_open_changes_nothing(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    make = person.runtime.open_models._make

    def fails(found: Any) -> Any:
        engine = make(found)
        opener = engine.backends.openers["pytorch"]

        def broken() -> Any:
            raise MyostreamError("it answers otherwise than the reference")

        changed = {"pytorch": type(opener)(broken)}
        engine.openers = engine.backends.openers = changed
        return engine

    monkeypatch.setattr(person.runtime.open_models, "_make", fails)
    stream = Stream(person)
    with pytest.raises(MyostreamError, match="it answers otherwise than the reference"):
        person.put(B)
    expect_unchanged(person, stream)


def test_while_one_change_is_made_another_is_refused(person: Person) -> None:
    with person.runtime.source_models.swaps._alone(), pytest.raises(BusyError, match="under way"):
        person.runtime.source_models.swaps.put(person.pipeline, B)


def test_a_stream_that_names_a_model_stays_with_it(person: Person) -> None:
    named = person.runtime.source_models.named(person.pipeline, OTHER)
    events: list[Json] = []
    reader = named.broadcast.join(OPTIONS)
    reader.listen(lambda event, _: kept(events, event))
    person.push(20)
    person.put(B)
    person.push(10)
    until(lambda: len(events) > 5)
    frames = [event for event in events if "prediction" in event]
    assert {len(frame["probabilities"]) for frame in frames} == {len(CLASSES[OTHER])}
    assert all(event.get("status") != "model" for event in events)
    reader.close()
    person.pipeline.named.leave(named)
    person.pipeline.named.tidy(now=1e12)
    assert person.pipeline.named.feeds == []
    assert len(person.pipeline.acquisition.feeds) <= 2  # that of the model before is filled for a second


def test_a_source_is_declared_with_its_model(person: Person) -> None:
    bea = person.declare("bea", B)
    assert bea.use.name == B
    assert person.declare("bea", LONG) is bea
    assert bea.use.name == LONG
    with pytest.raises(ModelNameError):
        person.declare("carl", "nobody")
    assert person.runtime.pipelines.find("carl") is None


def test_a_source_that_comes_back_has_the_model_it_had(person: Person) -> None:
    person.put(B)
    person.runtime.pipelines.remove(person.pipeline)
    assert person.declare("anna").use.name == B


def test_a_source_that_comes_back_has_none_where_none_was_chosen(person: Person) -> None:
    person.put(None)
    person.runtime.pipelines.remove(person.pipeline)
    assert person.declare("anna").use.name is None


@pytest.mark.parametrize("model", [B, OTHER, LONG])
def test_how_far_a_source_is_is_known_after_a_change_also_where_no_stream_runs(
    person: Person, model: str
) -> None:
    person.push(10)
    person.put(model)
    person.push(int(1.5 * RATE) // CHUNK)  # the signal of the model before is filled for a second
    feed = person.pipeline.acquisition.main
    newest = feed.grid(OPTIONS.fps).last_at_or_before(person.pipeline.ring.newest)
    assert person.pipeline.broadcast.reached(OPTIONS) == newest


def test_a_model_in_use_is_not_deleted(person: Person) -> None:
    person.put(B)
    with pytest.raises(BusyError, match="this server runs it, for anna"):
        person.runtime.models.delete(B)


def test_forty_changes_leave_nothing_behind(person: Person) -> None:
    stream = Stream(person)
    for _ in range(10):
        for model in (B, OTHER, LONG, A):
            person.put(model)
    person.push(int(RATE) // CHUNK + 10)  # a second, for which the signal of the model before is still filled
    assert len(person.pipeline.acquisition.feeds) == 1
    assert {one.name: one.held for one in person.runtime.open_models} == {A: 1, B: 0, OTHER: 0, LONG: 0}
    assert len(person.runtime.source_models.swaps.before("anna")) == 32
    until(lambda: len(stream.changes) == 40)
    expect_whole(stream)


def test_no_more_are_open_than_may_be(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_models, "IDLE_S", -1.0)
    person = Person(instance, max_models=3)
    person.push(20)
    for model in (B, LONG, OTHER):
        person.put(model)
    assert {one.name for one in person.runtime.open_models} == {A, LONG, OTHER}
    with person.runtime.open_models.holding(LONG), pytest.raises(MyostreamError, match="EMG_MAX_MODELS"):
        person.put(B)
    person.close()


def test_after_a_restart_a_source_has_the_model_it_had(person: Person, instance: Path) -> None:
    person.put(B)
    person.put(LONG)
    person.close()
    again = Person(instance)
    assert again.pipeline.use.name == LONG
    assert again.runtime.source_models.swaps.before("anna") == (Pick(A), Pick(B))
    again.close()


def test_a_model_that_is_gone_by_then_is_said_and_does_without(
    person: Person, instance: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_artefact(instance / "models" / "short", name="short", channels=CHANNELS)
    person.put("short")
    person.close()
    shutil.rmtree(instance / "models" / "short")
    again = Person(instance, name="bea")
    with pytest.raises(ModelNameError, match="no model 'short'"):
        again.declare("anna")
    assert again.declare("anna", A).use.name == A
    again.close()


def test_a_profile_brings_its_model_and_its_decisions(person: Person) -> None:
    rule = DecisionRule(votes=9, min_confidence=0.25)
    person.runtime.models.profiles.put(Profile(name="anna", model=B, rule=rule))
    swap = person.runtime.source_models.swaps.put(person.pipeline, None, "anna")
    person.push(3)
    assert (swap.model, swap.profile) == (B, "anna")
    assert (person.pipeline.use.name, person.pipeline.manifest.rule) == (B, rule)  # type: ignore[union-attr]  # it has one
    person.put(B)  # the model alone: its own rule
    assert person.pipeline.manifest.rule != rule  # type: ignore[union-attr]  # as above
    person.back()
    assert person.pipeline.manifest.rule == rule  # type: ignore[union-attr]  # as above


def test_a_profile_brings_its_montage(person: Person) -> None:
    """Electrodes 5 to 8 of eight, in turned order."""
    person.runtime.models.profiles.put(Profile(name="turned", model=B, montage="8,7,6,5"))
    pipeline = person.declare("eight", profile="turned", channels=8)
    assert pipeline.montage is not None
    assert pipeline.montage.columns == (7, 6, 5, 4)
    assert pipeline.use.name == B


def test_a_profile_without_a_model_keeps_that_of_now(person: Person) -> None:
    person.runtime.models.profiles.put(Profile(name="careful", rule=DecisionRule(min_confidence=0.9)))
    swap = person.runtime.source_models.swaps.put(person.pipeline, None, "careful")
    assert (swap.model, swap.previous) == (A, A)
    person.push(3)
    assert person.pipeline.manifest.rule.min_confidence == 0.9  # type: ignore[union-attr]  # it has one
    with pytest.raises(ProfileNameError):
        person.runtime.source_models.swaps.put(person.pipeline, None, "nobody")
