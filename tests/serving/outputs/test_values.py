"""What goes out of a model of values: what should be acted upon, and rest where there is nothing to act upon."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.config import Settings
from app.inference.artefact import Artefact
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.outputs.opening import make_outputs
from app.serving.outputs.values import ValueLslSender, ValueUdpSender
from app.serving.streams.events import ValueFrame
from app.serving.streams.value_reader import ValueWindow
from app.serving.streams.window_facts import WindowFacts
from tests.inference.value_models import regression
from tests.serving.outputs.test_service import OfModels, feed
from tests.serving.recorded import hand_model
from tests.serving.station import make_frame, until

LATE_S = 5.0


@pytest.fixture
def model(tmp_path: Path) -> Artefact:
    return regression(tmp_path)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(LATE_S)
        yield one


def frame(**changes: float) -> ValueFrame:
    facts = WindowFacts(intensity=0.5, missing=0, dead=[], truth=None, acquired_at=None)
    values = {"wrist_flexion": -12.5, "grip": 0.25, "elbow": 90.0}
    window = ValueWindow(
        segment=0,
        values=list(values.values()),
        clipped=False,
        backend="onnxruntime",
        latency_ms=0.1,
        wait_ms=0.0,
        facts=facts,
    )
    return ValueFrame(
        timestamp=1764000000.25,
        window=window,
        values=values,
        output={**values, **changes},
        cpu_percent=0.0,
        sample_index=20,
        age_ms=1.0,
    )


def test_a_line_has_what_should_be_acted_upon_and_the_time(model: Artefact, receiver: socket.socket) -> None:
    sender = ValueUdpSender(("127.0.0.1", receiver.getsockname()[1]), model.manifest)
    sender.frame(make_frame(10))  # of a model of classes: not for this one
    sender.frame(frame(wrist_flexion=0.0))
    sender.rest()
    sender.close()

    assert receiver.recv(200) == b"0 0.25 90 1764000000.250\n"
    assert receiver.recv(200).startswith(b"0 0 30 1")


def test_lsl_has_names_and_units_and_the_time_of_the_last_sample(
    model: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[object, ...]] = []
    pushed: list[tuple[list[float], float]] = []

    def outlet(*what: object) -> SimpleNamespace:
        opened.append(what)
        return SimpleNamespace(push=lambda *sample: pushed.append(sample), close=lambda: None)

    monkeypatch.setattr("app.serving.outputs.values.ValueOutlet", outlet)
    sender = ValueLslSender(Settings(), model.manifest)
    sender.frame(make_frame(10))
    sender.frame(frame(grip=0.0))
    sender.rest()

    assert opened[0][1:] == ("mine", ("wrist_flexion", "grip", "elbow"), ["deg", "", "deg"])
    assert pushed[0] == ([-12.5, 0.0, 90.0], 1764000000.249)
    assert pushed[1][0] == [0.0, 0.0, 30.0]


def test_a_server_with_such_a_model_sends_it_that_way(model: Artefact, receiver: socket.socket) -> None:
    group = WorkerGroup.alone()
    outputs = make_outputs(
        Settings(udp=("127.0.0.1", receiver.getsockname()[1])),
        model.manifest,
        SimpleNamespace(default=None),  # type: ignore[arg-type]  # no source yet
        lambda: "onnxruntime",
        group,
        SharedMetrics(group),
    )
    assert outputs is not None
    outputs.start()
    assert receiver.recv(200).startswith(b"0 0 30 1"), "rest until there is a frame"
    outputs.close()


def test_a_model_of_gestures_takes_its_place_after_a_last_rest(
    receiver: socket.socket, model: Artefact
) -> None:
    """A robot would go on with the last values; lines of the other form follow."""
    station, group = OfModels(hand_model("other", "rest", "fist")), WorkerGroup.alone()
    pipeline = feed(station, model.manifest)
    outputs = make_outputs(
        Settings(udp=("127.0.0.1", receiver.getsockname()[1])),
        model.manifest,
        SimpleNamespace(default=pipeline),  # type: ignore[arg-type]  # a source by what is asked of it
        lambda: "fake",
        group,
        SharedMetrics(group),
    )
    assert outputs is not None
    outputs.start()
    until(lambda: station.broadcast.running)
    station.window()
    lines = [receiver.recv(200)]
    while lines[-1] != b"1 0.50\n":
        lines.append(receiver.recv(200))
    outputs.close()
    assert lines[-2].startswith(b"0 0 30 1")
    assert SharedMetrics(group).outputs()["udp"].failures == 0
