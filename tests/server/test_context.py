"""A real server's stream of a covariance model is features and head offline, from the first window of each segment."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from app.emg.signal.windows import Grid
from app.inference.artefact import Artefact
from tests.inference.covariance.models import CHANNELS, CONTEXT, LENGTH, RATE, covariance_model, offline
from tests.server.live import LATE_S, Client, Live, gunicorn

pytestmark = pytest.mark.server

FPS, CHUNK = 20, 5
SEGMENTS = ((0, 400), (520, 920))  # samples; the gap between is far above what is filled


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return covariance_model(tmp_path_factory.mktemp("models") / "tiny")


def signal() -> np.ndarray:
    random = np.random.default_rng(5)
    mix = random.standard_normal((CHANNELS, CHANNELS)) * np.geomspace(0.2, 3, CHANNELS)
    level = 1 + np.sin(np.arange(SEGMENTS[-1][1]) / 40)[:, np.newaxis]
    return (random.standard_normal((len(level), CHANNELS)) @ mix * level).astype("<f4")


def push(live: Live, samples: np.ndarray) -> None:
    """Both segments, as a device would send them."""
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    began, sent = time.monotonic(), 0
    for begin, end in SEGMENTS:
        for first in range(begin, end, CHUNK):
            path = f"/emg/sources/arm/samples?first_sample={first}"
            part = samples[first : first + CHUNK].tobytes()
            connection.request("POST", path, part, {"Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            assert answer.status < 300, answer.read()
            answer.read()
            sent += CHUNK
            time.sleep(max(0.0, began + sent / RATE - time.monotonic()))
    connection.close()


def declare(live: Live) -> None:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    described = json.dumps({"channels": CHANNELS, "sampling_rate_hz": RATE})
    connection.request("POST", "/emg/sources/arm", described, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status < 300, answer.read()
    connection.close()


def streamed(model: Artefact, folder: Path, samples: np.ndarray) -> dict[int, list[float]]:
    """Return the probabilities of each frame of a server with that model, by the sample that its window ends before."""
    with gunicorn(folder, EMG_MODE="push", EMG_MODEL=str(model.path)) as live:
        declare(live)
        client = Client(live.port, source="arm", fps=FPS)
        pusher = threading.Thread(target=push, args=(live, samples))
        pusher.start()
        found = {}
        last = Grid(RATE, FPS).end_of(Grid(RATE, FPS).last_at_or_before(SEGMENTS[-1][1]))
        for event in client.events():
            if "prediction" in event:
                found[event["sample_index"]] = event["probabilities"]
                if event["sample_index"] >= last:
                    break
        pusher.join(LATE_S)
        client.close()
    return found


def test_a_stream_is_the_head_on_offline_features_from_the_first_window_and_after_a_gap(
    tmp_path: Path,
) -> None:
    model = covariance_model(tmp_path / "tiny")
    samples = signal()

    found = streamed(model, tmp_path, samples)

    for begin, end in SEGMENTS:
        ends = np.array([at for at in found if begin < at <= end])
        assert len(ends) >= 0.8 * (end - begin - LENGTH) * FPS / RATE  # a busy machine may skip some
        expected = offline(model, samples[begin:end], ends - begin)
        np.testing.assert_allclose([found[at] for at in ends], expected, atol=5e-4)
        assert (
            ends.min() - begin < LENGTH + CONTEXT // 2
        )  # it does not wait for its context; late frames are skipped
