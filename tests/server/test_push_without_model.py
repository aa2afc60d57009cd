"""A source that a client brings and no model reads: six channels at a rate that is no whole number."""

from __future__ import annotations

import io
import json
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.live import LATE_S, Client, Live
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

CHANNELS, RATE, CHUNK = 6, 1259.259, 63
DECLARED = {"channels": CHANNELS, "sampling_rate_hz": RATE, "units": "mV"}
SAMPLES = np.random.default_rng(0).normal(0, 0.03, (20_000, CHANNELS)).astype("<f4")


def asked(live: Live, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if body else {})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    assert answer.status < 300, content
    return content


class Pushing(threading.Thread):
    """Pushes in real time until it is told to stop."""

    def __init__(self, live: Live) -> None:
        super().__init__(daemon=True)
        self.live, self.sent, self.over = live, 0, threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self.over.wait(max(0.0, began + self.sent / RATE - time.monotonic())):
            body = SAMPLES[self.sent : self.sent + CHUNK].tobytes()
            path = f"/emg/sources/six/samples?first_sample={self.sent}"
            asked(self.live, "POST", path, body, "application/octet-stream")
            self.sent += CHUNK


def test_it_is_shown_recorded_and_exported_without_a_model(tmp_path: Path) -> None:
    with serving(project(tmp_path), EMG_MODE="push") as live:
        source = json.loads(asked(live, "POST", "/emg/sources/six", json.dumps(DECLARED)))
        assert (source["channels"], source["sampling_rate_hz"], source["units"]) == (CHANNELS, RATE, "mV")
        assert source["model"] is None
        assert source["advice"].startswith(
            f"no model fits {CHANNELS} channels at 1259.26 Hz: record and train"
        )
        asked(live, "POST", "/emg/recordings", json.dumps({"name": "six", "source": "six"}))
        pushing = Pushing(live)
        pushing.start()
        client = Client(live.port, fps=10, duration_seconds=2, include_signal=True)
        *frames, last = client.events()
        client.close()
        pushing.over.set()
        pushing.join()
        assert last["status"] == "completed"
        frames = [frame for frame in frames if "sample_index" in frame]
        assert len(frames) >= 15
        assert not any("prediction" in frame or "decision" in frame for frame in frames)
        assert {len(frame["signal"]) for frame in frames} == {CHANNELS}
        stopped = json.loads(asked(live, "POST", "/emg/recordings/six/stop"))
        assert (stopped["state"], stopped["samples"]) == ("complete", pushing.sent)
        with np.load(io.BytesIO(asked(live, "GET", "/emg/recordings/six/download?format=npz"))) as found:
            assert found["fs"] == RATE
            np.testing.assert_array_equal(found["emg"], SAMPLES[: pushing.sent])
        for form, begins in (("xdf", b"XDF:"), ("bdf", b"PK")):
            assert asked(live, "GET", f"/emg/recordings/six/download?format={form}").startswith(begins)
        assert live.stop() == 0
        assert "Traceback" not in live.log, live.log
