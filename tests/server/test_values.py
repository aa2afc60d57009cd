"""A regression on a real server: streamed values are its author's, and what goes out is rest when in doubt."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.artefact import Artefact
from tests.inference import value_models as made
from tests.inference.value_models import regression
from tests.server.live import LATE_S, Client, Json, Live, until
from tests.server.own_project import project, serving
from tests.server.test_own_graph import FPS, GAP, in_place, push, sent

pytestmark = pytest.mark.server

NAMES = [one["name"] for one in made.VALUES]
REST = {"wrist_flexion": 0.0, "grip": 0.0, "elbow": 30.0}
SECONDS = 4.0


def streamed(live: Live, model: Artefact) -> tuple[Any, list[Json], int]:
    """Push a signal with a gap in its middle, and read its stream: samples, events, where the gap begins."""
    manifest = model.manifest
    rate = manifest.sampling_rate
    count, lost = round(SECONDS * rate), round(GAP * rate)
    noise = np.random.default_rng(3).normal(size=(count, manifest.channels))
    samples = (noise * np.geomspace(0.5, 8, count)[:, None]).astype(np.float32)
    body = json.dumps({"channels": manifest.channels, "sampling_rate_hz": rate})
    sent(live, "POST", "/emg/sources/arm", body, "application/json")
    client = Client(live.port, source="arm", fps=FPS, duration_seconds=SECONDS + 1)
    events: list[Json] = []
    reader = threading.Thread(target=lambda: events.extend(client.events()))
    reader.start()
    half = count // 2
    push(live, samples[:half], rate, 0)
    push(live, samples[half + lost :], rate, half + lost)
    reader.join(LATE_S)
    client.close()
    return samples, events, half


def expect_as_offline(live: Live, model: Artefact) -> None:
    reads, rate = model.manifest.reads, model.manifest.sampling_rate
    samples, events, half = streamed(live, model)
    frames = [event for event in events if "values" in event]
    resumes = half + round(GAP * rate)
    sound = [one for one in frames if one["sample_index"] <= half or one["sample_index"] - reads >= resumes]
    before = [one for one in sound if one["sample_index"] <= half]
    assert len(before) >= 10
    assert len(sound) - len(before) >= 5, [one["sample_index"] for one in frames]
    windows = np.stack([samples[one["sample_index"] - reads : one["sample_index"]] for one in sound])
    right = made.answers(windows)
    given = np.array([[one["values"][name] for name in NAMES] for one in sound])
    np.testing.assert_allclose(given, made.within(right), rtol=1e-3, atol=1e-3)
    assert [one.get("clipped", False) for one in sound] == (made.within(right) != right).any(axis=1).tolist()
    stalls = [event for event in events if event.get("status") == "stalled"]
    assert stalls, "the source fell silent before the stream ended"
    assert all(event["output"] == REST and "decision" not in event for event in stalls)


def test_what_is_streamed_is_what_the_author_computes_through_gaps_and_restarts(tmp_path: Path) -> None:
    root = project(tmp_path)
    model = in_place(root, regression(tmp_path / "made", layout="nct"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as robot:
        robot.bind(("127.0.0.1", 0))
        robot.settimeout(LATE_S)
        udp = f"127.0.0.1:{robot.getsockname()[1]}"
        with serving(root, EMG_MODE="push", EMG_MODEL="mine", EMG_MAINS="off", EMG_UDP=udp) as live:
            expect_as_offline(live, model)
            assert robot.recv(200).split()[:-1] == [b"0", b"0", b"30"], "rest before the first frame"
            until(lambda: robot.recv(200).split()[2] != b"30")  # and what should be acted upon with it
            (worker,) = live.workers()
            os.kill(worker, signal.SIGKILL)
            until(lambda: live.workers() not in ([], [worker]) and live.ready())
            expect_as_offline(live, model)
