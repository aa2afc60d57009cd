"""The Python client where no model reads the source, and with what comes beside the EMG."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from examples import robot_loop
from myostream_client import (
    Aux,
    Completed,
    Frame,
    RefusedError,
    SignalFrame,
    SourceChange,
    StreamingInferenceClient,
    event_of,
    line_of,
)
from tests.clients.conftest import ClientOf
from tests.clients.small_server import Answer, Asked, answering, problem
from tests.server.live import ROOT, Live, gunicorn

FRAME = {"timestamp": 1.0, "truth": None, "sample_index": 40, "age_ms": 2.0, "cpu_percent": 3.0}
ACCELEROMETER = {
    "sample_index": 38.5,
    "sampling_rate_hz": 50.0,
    "units": "g",
    "channels": ["x", "y"],
    "values": [[0.1], [0.9]],
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A source of four channels that no model reads."""
    settings = {"EMG_MODEL": "none", "EMG_CH": "4", "EMG_FS": "1000"}
    with gunicorn(tmp_path_factory.mktemp("none"), **settings) as live:
        yield live


def test_a_frame_without_a_prediction_has_a_type_of_its_own_and_what_came_beside_it() -> None:
    event = event_of({**FRAME, "frame": 7, "dropped": 0, "aux": {"accelerometer": ACCELEROMETER}})
    assert isinstance(event, SignalFrame)
    assert event.aux is not None
    assert event.aux["accelerometer"] == Aux(
        sample_index=38.5, sampling_rate_hz=50.0, units="g", channels=("x", "y"), values=((0.1,), (0.9,))
    )
    assert "no model" in line_of(event)


def test_a_source_that_no_model_reads_decides_nothing_when_it_breaks_off() -> None:
    change = event_of({"status": "stalled", "timestamp": 1.0, "source_state": "stalled", "frame": 1})
    assert isinstance(change, SourceChange)
    assert change.decision_label is None
    assert line_of(change) == "the source has stalled"


def test_a_robot_stops_where_no_model_reads_the_source() -> None:
    event = event_of({**FRAME, "frame": 7, "dropped": 0})
    assert event is not None
    pilot = robot_loop.Pilot([event])
    pilot.read()
    assert pilot.command().reason == "no model reads the source"


def test_another_source_is_chosen_by_the_settings_that_a_device_has(client_of: ClientOf) -> None:
    asked: list[Asked] = []
    settings = {"EMG_MODE": "lsl", "EMG_LSL": "name=armband"}

    def answer(request: Asked) -> Answer:
        asked.append(request)
        if request.method == "GET":
            device = {"kind": "lsl", "name": "armband", "detail": "", "settings": settings}
            return Answer(200, {"devices": [device], "current": {}})
        if len(asked) == 2:
            return problem(409, "Conflict", "it is recorded now")
        return Answer(200, {"name": "armband", "channels": 8})

    with answering(answer) as url:
        client = client_of(url)
        (device,) = client.devices()["devices"]
        with pytest.raises(RefusedError, match="it is recorded now"):
            client.use_source(device["settings"])
        assert client.use_source(device["settings"])["channels"] == 8
    assert [(one.method, one.path) for one in asked] == [
        ("GET", "/emg/devices"),
        *[("PUT", "/emg/source")] * 2,
    ]
    assert json.loads(asked[2].body) == {"settings": settings}


@pytest.mark.server
def test_its_stream_is_of_signal_frames_with_every_key_of_the_servers(
    live: Live, client_of: ClientOf
) -> None:
    client: StreamingInferenceClient = client_of(live.url)
    options: dict[str, Any] = {
        "duration_seconds": 0.5,
        "fps": 10,
        "include_signal": True,
        "include_aux": True,
    }
    *frames, last = client.stream(**options)
    assert isinstance(last, Completed)
    assert frames
    for frame in frames:
        assert isinstance(frame, SignalFrame)
        assert frame.signal is not None
        assert len(frame.signal) == 4
        assert frame.aux == {}
    raw = [said for said in client.stream(**options).raw() if isinstance(said, dict)]
    assert set(raw[0]) <= set(SignalFrame.__slots__)
    (source,) = client.sources()["sources"]
    assert (source["model"], source["channels"]) == (None, 4)


@pytest.mark.server
def test_old_code_that_looks_for_predictions_sees_none_and_its_figures_are_right(
    live: Live, client_of: ClientOf
) -> None:
    client: StreamingInferenceClient = client_of(live.url)
    assert not [e for e in client.stream(duration_seconds=0.3, fps=10) if isinstance(e, Frame)]
    done = client.stream_inference(0.5, fps=10)
    assert (done.frames + done.dropped, done.latency_ms, done.gestures) == (5, None, {})
    assert done.age_ms is not None


@pytest.mark.server
def test_the_examples_and_the_command_line_say_what_is_missing(live: Live) -> None:
    command = [sys.executable, "examples/streaming_client.py", "--url", live.url]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    for expected in (
        "no model: the source is shown",
        "no prediction: no model fits 4 channels",
        "-> rest (no model)",
    ):
        assert expected in said.stdout
    command += ["--json", "--signal", "--duration", "0.3"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    first = json.loads(lines.splitlines()[0])
    assert "prediction" not in first
    assert len(first["signal"]) == 4
