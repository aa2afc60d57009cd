"""EMG_MODE=lsl and the outputs for real: sender, server and receiver are three processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.emg.lsl.library import load_pylsl
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own, sending
from tests.server.live import LATE_S, ROOT, START_S, Json, Live, connecting, gunicorn, until
from tests.server.test_start import expect_one_line, start

pytestmark = pytest.mark.server

GUNICORN = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
CHANNELS, RATE = 16, 2000.0  # of the default model
READER = """
import json, sys
import pylsl

def inlet(kind):
    found = pylsl.resolve_bypred(f"type='{kind}' and starts-with(source_id, 'myostream:{sys.argv[1]}')", 1, 20.0)
    return pylsl.StreamInlet(found[0])

predictions, markers = inlet("Predictions"), inlet("Markers")
markers.open_stream(10.0)
frames = [predictions.pull_sample(10.0) for _ in range(60)]
print(json.dumps({"frames": frames, "now": pylsl.local_clock(),
                  "labels": predictions.info(5.0).get_channel_labels()}), flush=True)
label = markers.pull_sample(30.0)[0]
print(json.dumps(label), flush=True)
"""

needs_pylsl = pytest.mark.usefixtures("pylsl")


@pytest.fixture
def pylsl() -> None:
    require_extra(load_pylsl)


def source(live: Live) -> Json:
    with urlopen(f"{live.url}/emg/sources", timeout=LATE_S) as answer:
        (found,) = json.load(answer)["sources"]
        return found


@needs_pylsl
def test_a_stream_goes_through_the_server_and_comes_back(tmp_path: Path) -> None:
    name = own("through")
    with (
        sending(name, CHANNELS, RATE, "--noise") as sender,
        gunicorn(tmp_path, EMG_MODE="lsl", EMG_LSL=f"name={name}") as live,
        connecting(live.port) as connect,
    ):
        frames = connect(fps=30).frames(90)
        assert frames[-1]["sample_index"] > frames[0]["sample_index"]
        assert all(frame["age_ms"] < 1000 for frame in frames)
        state = source(live)
        assert (state["name"], state["state"], state["gaps"]) == ("lsl", "running", 0)
        sender.kill()
        until(lambda: source(live)["state"] == "disconnected")
        assert name in source(live)["error"]
        with sending(name, CHANNELS, RATE, "--noise"):
            until(lambda: source(live)["state"] == "running")
            assert len(connect(fps=30).frames(10)) == 10
        assert source(live)["gaps"] == 1
        assert live.stop() == 0
        assert "Traceback" not in live.log


@needs_pylsl
def test_a_stream_that_contradicts_the_model_stops_the_start_with_one_line() -> None:
    name = own("contradicts")
    with sending(name, 8, RATE):
        settings = {"EMG_MODE": "lsl", "EMG_LSL": f"name={name}", "EMG_MODEL": "synthetic-16ch-2khz"}
        expect_one_line(*start(GUNICORN, settings), ["has 8 channels", "synthetic-16ch-2khz reads 16"])


@needs_pylsl
def test_decisions_leave_as_lsl_streams_and_as_udp_lines(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(LATE_S)
        port = receiver.getsockname()[1]
        with (
            gunicorn(tmp_path, EMG_LSL_OUTLET="1", EMG_UDP=f"127.0.0.1:{port}") as live,
            reading(live) as reader,
            connecting(live.port) as connect,
        ):
            assert reader.stdout is not None
            told = json.loads(reader.stdout.readline())
            label = json.loads(reader.stdout.readline())
            classes = [name.removeprefix("p_") for name in told["labels"][4:]]
            assert label[0] in classes
            for values, _ in told["frames"]:
                assert 0 <= values[0] < len(classes)
                assert sum(values[4:]) == pytest.approx(1.0, abs=1e-3)
            stamps = [stamp for _, stamp in told["frames"]]
            spacing = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
            assert spacing == pytest.approx(1 / 30, rel=0.1), "every frame"
            assert 0.0 < told["now"] - stamps[-1] < 5.0
            frames = connect(fps=30).frames(60)
            lines = drained(receiver)
            decisions = {b"%d %.2f\n" % (frame["decision"], frame["intensity"]) for frame in frames}
            assert len(decisions & set(lines)) > len(decisions) // 2, "those of the stream, rounded alike"
            assert live.stop() == 0
            assert "Traceback" not in live.log
        assert drained(receiver)[-1] == b"%d 0.00\n" % classes.index("rest"), "the last word"


def test_a_receiver_that_is_not_there_disturbs_nothing(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with gunicorn(tmp_path, EMG_UDP=f"127.0.0.1:{port}") as live, connecting(live.port) as connect:
        frames = connect(fps=30).frames(60)
        assert frames[-1]["dropped"] == 0
        assert live.stop() == 0
        assert "Traceback" not in live.log


def test_another_worker_takes_over_when_the_one_that_sends_is_killed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(START_S)
        with gunicorn(tmp_path, EMG_UDP=f"127.0.0.1:{receiver.getsockname()[1]}") as live:
            assert receiver.recv(100)
            os.kill(live.workers()[0], signal.SIGKILL)
            until(lambda: drained(receiver), START_S)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"EMG_MODE": "lsl", "EMG_LSL": "color=blue"}, ["EMG_LSL", "color=blue", "name=..."]),
        ({"EMG_MODE": "lsl"}, ["EMG_LSL", "EMG_MODE=lsl"]),
        ({"EMG_LSL": "type=EMG"}, ["EMG_LSL=type=EMG", "EMG_MODE=lsl"]),
        ({"EMG_UDP": "nowhere"}, ["EMG_UDP", "nowhere", "host:port"]),
        ({"EMG_UDP": "127.0.0.1:0"}, ["EMG_UDP", "host:port"]),
        ({"EMG_UDP": "no.such.host.invalid:12346"}, ["EMG_UDP=no.such.host.invalid:12346", "not found"]),
        ({"EMG_LSL_OUTLET": "perhaps"}, ["EMG_LSL_OUTLET", "perhaps", "1 or 0"]),
    ],
    ids=["no query", "no stream", "no mode", "no port", "port 0", "no host", "no flag"],
)
def test_a_mistake_stops_the_start_with_one_line(settings: dict[str, str], words: list[str]) -> None:
    expect_one_line(*start(GUNICORN, settings), words)


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"EMG_MODE": "lsl", "EMG_LSL": "type=EMG"}, "pylsl"),
        ({"EMG_LSL_OUTLET": "1"}, "pylsl"),
        ({"EMG_MODE": "brainflow", "EMG_BOARD": "synthetic"}, "brainflow"),
    ],
    ids=["lsl", "outlet", "brainflow"],
)
def test_an_absent_extra_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str], package: str
) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{package}'\")\n")
    expect_one_line(
        *start(GUNICORN, {**settings, "PYTHONPATH": str(tmp_path)}),
        [f"needs {package} (No module named '{package}'): install requirements-devices.txt"],
    )


def reading(live: Live) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READER, f"127.0.0.1:{live.port}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def drained(receiver: socket.socket) -> list[bytes]:
    """All lines that have come."""
    lines = []
    receiver.setblocking(False)
    try:
        while True:
            lines.append(receiver.recv(100))
    except BlockingIOError:
        return lines
    finally:
        receiver.settimeout(LATE_S)
