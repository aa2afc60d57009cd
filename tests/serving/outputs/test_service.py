from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from app.config import Settings
from app.serving.counters.worker_group import WorkerGroup, board_for
from app.serving.outputs.service import Outputs, make_outputs
from app.serving.streams.events import Frame
from tests.inference.artefacts import make_manifest
from tests.serving.station import Station, until


class Receiver:
    """A Sender that keeps what it was given: a frame's sample index, or "rest"."""

    def __init__(self) -> None:
        self.got: list[int | str] = []
        self.closed = 0

    def frame(self, frame: Frame) -> None:
        self.got.append(frame.sample_index)

    def rest(self) -> None:
        self.got.append("rest")

    def close(self) -> None:
        self.closed += 1

    @property
    def frames(self) -> list[int | str]:
        return [what for what in self.got if what != "rest"]


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


@pytest.fixture
def outputs(receiver: Receiver, feeds: SimpleNamespace) -> Iterator[Outputs]:
    made = Outputs(lambda: [receiver], feeds, lambda: "fake", WorkerGroup.alone().claim)
    made.start()
    yield made
    made.close()


def feed(station: Station) -> SimpleNamespace:
    return SimpleNamespace(name="hand", broadcast=station.broadcast)


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
    assert station.broadcast.running == {options: 2}
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
    outputs = Outputs(lambda: [receiver], feeds, lambda: "fake", WorkerGroup.alone().claim)
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
    outputs = Outputs(lambda: [slow], feeds, lambda: "fake", WorkerGroup.alone().claim)
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
    board = board_for(2)
    crews = [WorkerGroup(f"outputs-{time.time_ns()}", board, slot, workers=2) for slot in range(2)]
    crews[1] = WorkerGroup(crews[0].run, board, 1, workers=2)
    receivers, station = [Receiver(), Receiver()], ThirtyHertz()
    feeds.default = feed(station)
    refused: list[None] = []

    def claim(what: str) -> socket.socket | None:
        held = crews[1].claim(what)
        refused.extend([None] if held is None else [])
        return held

    both = [
        Outputs(lambda one=one: [one], feeds, lambda: "fake", claim)
        for one, claim in zip(receivers, (crews[0].claim, claim), strict=True)
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


# --- what the settings ask for ------------------------------------------------------------------------


def test_without_settings_there_are_none(feeds: SimpleNamespace) -> None:
    assert make_outputs(Settings(), make_manifest(), feeds, lambda: "fake", WorkerGroup.alone().claim) is None


def test_a_decision_goes_out_as_a_line_and_a_stall_as_the_rest_class(feeds: SimpleNamespace) -> None:
    manifest = make_manifest(classes=("fist", "rest"), rest_class="rest")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        settings = Settings(udp=receiver.getsockname())
        outputs = make_outputs(settings, manifest, feeds, lambda: "fake", WorkerGroup.alone().claim)
        assert outputs is not None
        station = ThirtyHertz()
        feeds.default = feed(station)
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
