from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import Settings
from app.inference.artefact import Artefact
from app.inference.gestures.events import GestureEvent, Reason
from app.inference.manifest import Manifest
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run
from app.serving.outputs.opening import make_outputs
from app.serving.outputs.sender import Sender, SenderGuard
from app.serving.outputs.service import Outputs
from app.serving.outputs.uinput import UinputError
from app.serving.streams.events import Frame, SignalFrame, StreamOptions
from tests.fakes import FakeClock
from tests.inference.artefacts import make_manifest
from tests.serving.recorded import hand_model
from tests.serving.station import FakeMaker, Station, until

OWN = hand_model("own", "rest", "fist")
OTHER = hand_model("other", "point", "rest")


class Receiver:
    """A Sender that keeps what it was given: a frame's sample index, or "rest"."""

    def __init__(self) -> None:
        self.got: list[int | str] = []
        self.closed = 0

    def follow(self, manifest: Manifest) -> bool:
        self.got.append(f"now {manifest.name}")
        return True

    def frame(self, frame: Frame) -> None:
        self.got.append(frame.sample_index)

    def gesture(self, event: GestureEvent) -> None:
        self.got.append(event.phase)

    def rest(self, reason: Reason = "stalled") -> None:
        self.got.append("rest")

    def close(self) -> None:
        self.closed += 1

    @property
    def frames(self) -> list[int | str]:
        return [what for what in self.got if isinstance(what, int)]


class ThirtyHertz(Station):
    """A hand-fed source with a window of 30 a second."""

    def __init__(self) -> None:
        super().__init__(rate=300.0)

    def window(self) -> None:
        self.source.window(30.0)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def feeds() -> SimpleNamespace:
    return SimpleNamespace(default=None)


def outputs_to(
    feeds: SimpleNamespace,
    worker_group: WorkerGroup | None = None,
    try_lock: Callable[[str], socket.socket | None] | None = None,
    **senders: Callable[[], Sender],
) -> Outputs:
    """The outputs of a worker that has these senders."""
    worker_group = worker_group or WorkerGroup.alone()
    meters = SharedMetrics(worker_group)
    ways = [
        SenderGuard(
            name, lambda _, opens=opens: opens(), try_lock or worker_group.try_lock, meters.output(name)
        )
        for name, opens in senders.items()
    ]
    return Outputs(ways, feeds, lambda: "fake", OWN.manifest)


def two_workers() -> list[WorkerGroup]:
    board, run = board_for(2), new_run()
    return [WorkerGroup(run, board, slot, workers=2) for slot in range(2)]


@pytest.fixture
def outputs(receiver: Receiver, feeds: SimpleNamespace) -> Iterator[Outputs]:
    made = outputs_to(feeds, a=lambda: receiver)
    made.start()
    yield made
    made.close()


def feed(station: Station, manifest: Manifest | None = OWN.manifest) -> SimpleNamespace:
    model = None if manifest is None else SimpleNamespace(manifest=manifest)
    return SimpleNamespace(name="hand", broadcast=station.broadcast, use=SimpleNamespace(model=model))


def joined(station: Station) -> Station:
    until(lambda: station.broadcast.running)
    return station


def test_every_frame_is_sent(outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace) -> None:
    station = ThirtyHertz()
    feeds.default = feed(station)
    joined(station)
    for count in range(1, 31):
        station.window()
        until(lambda: len(receiver.frames) >= count)  # noqa: B023
    assert receiver.frames == [10 * k for k in range(1, 31)]


def test_readers_of_the_default_options_share_the_computation(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    station = ThirtyHertz()
    feeds.default = feed(station)
    until(lambda: station.broadcast.running)
    (options,) = station.broadcast.running
    reader = station.broadcast.join(options)
    assert station.broadcast.running[options].readers == 2
    reader.close()


@pytest.mark.parametrize("state", ["stalled", "disconnected", "ended"])
def test_a_silent_source_is_rest_at_once_and_again_and_again(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace, state: str
) -> None:
    """A datagram may be lost, and a robot would go on closing its hand."""
    station = ThirtyHertz()
    feeds.default = feed(station)
    joined(station).window()
    until(lambda: receiver.frames)
    station.source.state = state
    until(lambda: receiver.got[-3:] == ["rest"] * 3)


def test_frames_that_cannot_be_made_are_rest_as_well(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    station = ThirtyHertz()
    feeds.default = feed(station)
    joined(station).window()
    until(lambda: receiver.frames)
    station.fails.update(range(1000))
    station.window()
    until(lambda: receiver.got[-1] == "rest")


def test_a_source_that_recovers_is_sent_again(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    station = ThirtyHertz()
    feeds.default = feed(station)
    joined(station).window()
    until(lambda: receiver.frames)
    station.source.state = "stalled"
    until(lambda: receiver.got[-1] == "rest")
    station.source.state = "running"
    station.window()
    until(lambda: len(receiver.frames) == 2)


def test_another_default_source_is_followed(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    """In push mode they come and go."""
    first, second = ThirtyHertz(), ThirtyHertz()
    feeds.default = feed(first)
    joined(first)
    feeds.default = feed(second)
    joined(second).window()
    until(lambda: receiver.frames == [10])
    assert not first.broadcast.running
    feeds.default = None
    until(lambda: not second.broadcast.running)


def test_the_last_word_is_rest(receiver: Receiver, feeds: SimpleNamespace) -> None:
    station = ThirtyHertz()
    feeds.default = feed(station)
    outputs = outputs_to(feeds, a=lambda: receiver)
    outputs.start()
    joined(station).window()
    until(lambda: receiver.frames)
    outputs.close()
    outputs.close()
    assert receiver.got[-1] == "rest"
    assert receiver.closed == 1
    assert not station.broadcast.running


def test_a_slow_receiver_holds_up_no_frame(feeds: SimpleNamespace) -> None:
    """Its thread is its own: the group goes on, and what waits too long is dropped."""
    held = threading.Event()

    class Slow(Receiver):
        def frame(self, frame: Frame) -> None:
            held.wait(5.0)
            super().frame(frame)

    slow, station = Slow(), ThirtyHertz()
    feeds.default = feed(station)
    outputs = outputs_to(feeds, a=lambda: slow)
    outputs.start()
    joined(station)
    for count in range(1, 101):
        station.window()
        until(lambda: len(station.frames) >= count)  # noqa: B023
    held.set()
    until(lambda: slow.frames[-1:] == [1000])
    assert len(slow.frames) < 100
    outputs.close()


def test_of_several_workers_one_sends_and_another_takes_over(feeds: SimpleNamespace) -> None:
    worker_groups = two_workers()
    receivers, station = [Receiver(), Receiver()], ThirtyHertz()
    feeds.default = feed(station)
    refused: list[None] = []

    def try_lock(what: str) -> socket.socket | None:
        held = worker_groups[1].try_lock(what)
        refused.extend([None] if held is None else [])
        return held

    both = [
        outputs_to(feeds, worker_group, try_lock, a=lambda one=one: one)
        for one, worker_group, try_lock in zip(
            receivers, worker_groups, (worker_groups[0].try_lock, try_lock), strict=True
        )
    ]
    both[0].start()
    joined(station)
    both[1].start()
    until(lambda: len(refused) >= 2)
    station.window()
    until(lambda: receivers[0].frames == [10])
    assert receivers[1].got == []
    both[0].close()
    joined(station).window()
    until(lambda: receivers[1].frames)
    both[1].close()


def test_where_sources_are_scattered_a_worker_without_one_leaves_the_ways_to_others(
    feeds: SimpleNamespace,
) -> None:
    """In push mode with several workers each source is in one of them."""
    groups, receivers = two_workers(), [Receiver(), Receiver()]
    none, station = SimpleNamespace(default=None), ThirtyHertz()
    feeds.default = feed(station)
    both = []
    for of, group, receiver in zip((none, feeds), groups, receivers, strict=True):
        guard = SenderGuard(
            "a", lambda _, one=receiver: one, group.try_lock, SharedMetrics(group).output("a")
        )
        both.append(Outputs([guard], of, lambda: "fake", OWN.manifest, scattered=True))  # type: ignore[arg-type]  # by what is asked of them
        both[-1].start()
    joined(station).window()
    until(lambda: receivers[1].frames == [10])
    assert receivers[0].got == []

    feeds.default = None  # the client is gone, and comes back at the other worker
    other = ThirtyHertz()
    none.default = feed(other)
    joined(other).window()
    until(lambda: receivers[0].frames == [10])
    assert receivers[1].got[-1] == "rest"
    for one in both:
        one.close()


# --- models that change ---------------------------------------------------------------------------------


class MakerOfModels(FakeMaker):
    def __init__(self, station: OfModels) -> None:
        super().__init__(station.fails, station.spoilt)
        self._station = station

    def frame(self, end: int) -> Any:
        return self._station.of_model(super().frame(end))


class OfModels(ThirtyHertz):
    """The same with frames of the model that the test names; None: with the signal alone."""

    def __init__(self, model: Artefact | None) -> None:
        self.model = model
        super().__init__()

    def _make(self, options: StreamOptions) -> FakeMaker:
        self.makers.append(MakerOfModels(self))
        return self.makers[-1]

    def of_model(self, frame: Frame | None) -> Frame | SignalFrame | None:
        if frame is None or self.model is not None:
            return frame and replace(frame, model=self.model)
        return SignalFrame(
            timestamp=0.0, cpu_percent=0.0, sample_index=frame.sample_index, age_ms=0.0, truth=None, missing=0
        )


def test_another_model_is_said_before_its_first_frame_and_none_is_lost(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    station = OfModels(OWN)
    feeds.default = feed(station)
    joined(station).window()
    until(lambda: receiver.frames == [10])
    station.model = OTHER
    station.window()
    until(lambda: receiver.frames == [10, 20])
    assert receiver.got[receiver.got.index("now other") :][:2] == ["now other", 20]
    assert receiver.closed == 0


def test_where_no_model_reads_the_source_it_is_rest_until_one_does(
    outputs: Outputs, receiver: Receiver, feeds: SimpleNamespace
) -> None:
    """Frames of the signal alone come meanwhile; a robot would go on with the last decision."""
    station = OfModels(OWN)
    feeds.default = feed(station)
    joined(station).window()
    until(lambda: receiver.frames == [10])
    station.model = None
    station.window()
    until(lambda: receiver.got[-3:] == ["rest"] * 3)
    station.model = OTHER
    station.window()
    until(lambda: receiver.frames == [10, 30])
    assert receiver.got[receiver.got.index("now other") :][:2] == ["now other", 30]
    assert receiver.closed == 0


def test_a_server_without_a_model_of_its_own_sends_once_one_is_chosen(feeds: SimpleNamespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        outputs = made_for(Settings(udp=receiver.getsockname()), feeds, None)
        assert outputs is not None
        station = OfModels(None)
        feeds.default = feed(station, None)
        outputs.start()
        joined(station).window()
        until(lambda: station.frames)
        station.model = OTHER
        station.window()
        assert receiver.recv(100) == b"1 0.50\n"  # nothing before it, not even rest
        station.model = OWN
        station.window()
        line = next_but(receiver, b"1 0.00\n")
        assert line == b'0 0.00 {"model": "own", "classes": ["rest", "fist"]}\n'
        assert receiver.recv(100) == b"1 0.50\n"
        outputs.close()
        assert next_but(receiver, b"1 0.50\n") == b"0 0.00\n"  # the new model's rest


def test_a_sender_of_another_kind_takes_the_place_of_one_that_cannot_follow(feeds: SimpleNamespace) -> None:
    class Stubborn(Receiver):
        def follow(self, manifest: Manifest) -> bool:
            return False

    made: list[Receiver] = []

    def opened() -> Receiver:
        made.append(Stubborn())
        return made[-1]

    station = OfModels(OWN)
    feeds.default = feed(station)
    outputs = outputs_to(feeds, a=opened)
    outputs.start()
    joined(station).window()
    until(lambda: made[0].frames)
    station.model = OTHER
    station.window()
    until(lambda: len(made) == 2 and made[1].frames == [20])
    assert (made[0].got[-1], made[0].closed) == ("rest", 1)
    outputs.close()


# --- senders that raise ----------------------------------------------------------------------------------


class Broken(Receiver):
    """Raises at every frame, while it is broken."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = True

    def frame(self, frame: Frame) -> None:
        if self.broken:
            raise OSError("liblsl has lost its network")
        super().frame(frame)


def windows_until(station: Station, holds: Callable[[], object]) -> None:
    """Have one window after the other come until it holds."""

    def another() -> object:
        if station.broadcast.running:
            station.source.window(30.0)
        return holds()

    until(another)


def test_a_sender_that_raises_stops_no_other(feeds: SimpleNamespace) -> None:
    station, broken, other = ThirtyHertz(), Broken(), Receiver()
    feeds.default = feed(station)
    outputs = outputs_to(feeds, broken=lambda: broken, other=lambda: other)
    outputs.start()
    windows_until(station, lambda: len(other.frames) > 3)
    outputs.close()
    assert (broken.frames, broken.closed) == ([], 1)
    assert other.got[-1] == "rest"


def test_one_that_fails_in_a_worker_is_taken_over_by_another(feeds: SimpleNamespace) -> None:
    """Its right to send goes before it is closed: that may take long, or raise as well."""
    worker_groups, station = two_workers(), ThirtyHertz()
    feeds.default = feed(station)
    held, closing, other = threading.Event(), threading.Event(), Receiver()

    class ClosesLate(Broken):
        def close(self) -> None:
            closing.set()
            held.wait(5.0)
            raise OSError("and it does not close")

    one, two = (
        outputs_to(feeds, worker_groups[0], a=ClosesLate),
        outputs_to(feeds, worker_groups[1], a=lambda: other),
    )
    one.start()
    windows_until(station, closing.is_set)
    two.start()
    windows_until(station, lambda: other.frames)
    assert SharedMetrics(worker_groups[0]).outputs()["a"].state == "open"
    assert one.ways[0].reason == "OSError: liblsl has lost its network"
    held.set()
    one.close()
    two.close()


def test_one_that_fails_is_opened_again(feeds: SimpleNamespace) -> None:
    station, worker_group, made = ThirtyHertz(), WorkerGroup.alone(), []

    def opened() -> Receiver:
        made.append(Broken() if not made else Receiver())
        return made[-1]

    feeds.default = feed(station)
    outputs = outputs_to(feeds, worker_group, a=opened)
    outputs.start()
    windows_until(station, lambda: SharedMetrics(worker_group).outputs()["a"].state == "failed")
    windows_until(station, lambda: len(made) == 2 and made[1].frames)
    counts = SharedMetrics(worker_group).outputs()["a"]
    assert (counts.state, counts.failures) == ("open", 1)
    assert counts.frames >= 1
    outputs.close()
    assert SharedMetrics(worker_group).outputs()["a"].state == "closed"


def test_a_source_that_raises_leaves_the_ways_to_another_worker(feeds: SimpleNamespace) -> None:
    worker_groups, receiver, other, station = two_workers(), Receiver(), Receiver(), ThirtyHertz()

    def no_backend() -> str:
        raise StopIteration

    one = outputs_to(feeds, worker_groups[0], a=lambda: receiver)
    one._backend = no_backend
    feeds.default = feed(station)
    one.start()
    until(lambda: receiver.closed)
    two = outputs_to(feeds, worker_groups[1], a=lambda: other)
    two.start()
    windows_until(station, lambda: other.frames)
    assert receiver.got[-1] == "rest"
    one.close()
    two.close()


class Failing(Broken):
    """Cannot even be opened, while it is broken."""

    broken = True

    def __init__(self) -> None:
        if Failing.broken:
            raise OSError("no socket")
        Receiver.__init__(self)
        self.broken = False


def test_a_guard_says_it_once_and_waits_longer_each_time(
    clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_group = WorkerGroup.alone()
    row = SharedMetrics(worker_group).output("a")
    guard = SenderGuard("a", lambda _: Failing(), worker_group.try_lock, row, clock)
    guard.read_by(OWN.manifest)
    waits: list[float] = []
    for _ in range(8):
        assert not guard.open()
        waits.append(0.0)
        while SharedMetrics(worker_group).outputs()["a"].failures == len(waits):
            clock.advance(0.5)
            waits[-1] += 0.5
            guard.open()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert guard.reason == "OSError: no socket"
    monkeypatch.setattr(Failing, "broken", False)
    clock.advance(30.0)
    assert guard.open()
    guard.rest()
    clock.advance(30.0)
    guard.rest()
    assert guard.reason is None
    guard.close()
    assert [record.message for record in caplog.records] == [
        "the output a failed, and is opened again by and by: no socket",
        "the output a sends again",
    ]


def test_a_failure_that_says_what_to_do_is_a_line_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def refused(manifest: Manifest) -> Sender:
        raise UinputError("load the module (modprobe uinput)")

    worker_group = WorkerGroup.alone()
    guard = SenderGuard("a", refused, worker_group.try_lock, SharedMetrics(worker_group).output("a"))
    guard.read_by(OWN.manifest)
    assert not guard.open()
    assert guard.reason == "load the module (modprobe uinput)"
    (record,) = caplog.records
    assert record.message.endswith(": load the module (modprobe uinput)")
    assert record.exc_info is None


# --- what the settings ask for ------------------------------------------------------------------------


def made_for(settings: Settings, feeds: SimpleNamespace, manifest: Manifest | None) -> Outputs | None:
    worker_group = WorkerGroup.alone()
    return make_outputs(
        settings,
        manifest,
        feeds,
        lambda: "fake",
        worker_group,
        SharedMetrics(worker_group),
    )


def test_without_settings_there_are_none(feeds: SimpleNamespace) -> None:
    assert made_for(Settings(), feeds, OWN.manifest) is None


def test_a_decision_goes_out_as_a_line_and_a_stall_as_the_rest_class(feeds: SimpleNamespace) -> None:
    manifest = make_manifest(classes=("fist", "rest"), rest_class="rest")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        settings = Settings(udp=receiver.getsockname())
        outputs = made_for(settings, feeds, manifest)
        assert outputs is not None
        station = ThirtyHertz()
        feeds.default = feed(station, manifest)
        outputs.start()
        joined(station).window()
        assert next_but(receiver, b"1 0.00\n") == b"1 0.50\n"  # decision 1, intensity 0.5
        station.source.state = "disconnected"
        assert receiver.recv(100) == b"1 0.00\n"
        outputs.close()


def next_but(receiver: socket.socket, skipped: bytes) -> bytes:
    """The next line that is not that one: before the first frame the decision is rest."""
    lines = (receiver.recv(100) for _ in range(50))
    return next(line for line in lines if line != skipped)
