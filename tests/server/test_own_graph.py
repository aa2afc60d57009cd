"""Somebody's own graph on a real server: what is streamed is what its author's program gives, window for window."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.artefact import Artefact, load
from app.inference.foreign.make import make
from app.inference.verification.verify import verified
from examples import sklearn_model
from tests.inference import foreign_models as made
from tests.inference.foreign_models import draft, emg, foreign, golden, graph
from tests.server.live import LATE_S, Client, Json, Live, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

CHUNKS_A_S, FPS = 20, 20
GAP = 1.0  # s of signal that never comes
FROM_ELSEWHERE = "OWN_GRAPHS"  # a folder of artefacts, such as those of braindecode's networks

Expected = Callable[[Any], Any]  # windows (n, length, channels) -> probabilities (n, classes)


def in_place(root: Path, model: Artefact) -> Artefact:
    """The model in the server's own folder."""
    target = root / "instance" / "models" / model.path.name
    shutil.copytree(model.path, target)
    return load(target)


def network(root: Path, tmp_path: Path) -> tuple[Artefact, Expected]:
    """Channels before time, logits; its own normalisation."""
    one = foreign(tmp_path / "made", graph(layout="nct"), draft(input={"layout": "nct"}))
    return in_place(root, one), lambda windows: made.answers(windows, probabilities=True)


def probable(root: Path, tmp_path: Path) -> tuple[Artefact, Expected]:
    """Time before channels, probabilities."""
    vectors = golden(output=made.answers(emg(), probabilities=True))
    told = draft(outputs={"kind": "probabilities"})
    one = foreign(tmp_path / "made", graph(probabilities=True), told, vectors)
    return in_place(root, one), lambda windows: made.answers(windows, probabilities=True)


def scikit_learn(root: Path, tmp_path: Path) -> tuple[Artefact, Expected]:
    """The LDA of examples/sklearn_model.py, taught on a simple recording."""
    random = np.random.default_rng(5)
    label = np.repeat(np.tile([0, 1, 2], 4), 100)
    gain = np.array([[1, 1, 1, 1], [5, 1, 2, 1], [1, 6, 1, 3]])[label]
    recording = {
        "emg": (random.normal(size=gain.shape) * gain).astype(np.float32),
        "label": label,
        "fs": 200.0,
        "gesture_names": np.array(["rest", "fist", "point"]),
    }
    out = tmp_path / "lda"
    classifier = sklearn_model.write(recording, out, units="uV")
    one = make(
        tmp_path / "made" / "lda",
        out.with_suffix(".onnx"),
        out.with_suffix(".json").read_bytes(),
        out.with_suffix(".npz"),
    )
    return in_place(root, one), lambda windows: classifier.predict_proba(sklearn_model.features(windows))


def sent(live: Live, method: str, path: str, body: Any, kind: str) -> Json:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        found: Json = json.loads(content)
        return found
    finally:
        connection.close()


def push(live: Live, samples: Any, rate: float, first: int) -> None:
    """In real time, from the sample `first`."""
    chunk = round(rate / CHUNKS_A_S)
    began = time.monotonic()
    for k, start in enumerate(range(0, len(samples), chunk)):
        body = samples[start : start + chunk].astype("<f4").tobytes()
        path = f"/emg/sources/arm/samples?first_sample={first + start}"
        sent(live, "POST", path, body, "application/octet-stream")
        time.sleep(max(0.0, began + (k + 1) / CHUNKS_A_S - time.monotonic()))


def streamed(live: Live, model: Artefact, seconds: float) -> tuple[Any, list[Json], int]:
    """Push a signal with a gap in its middle, and read its stream: samples, frames, where the gap begins."""
    manifest = model.manifest
    rate = manifest.sampling_rate
    count, lost = round(seconds * rate), round(GAP * rate)
    noise = np.random.default_rng(int(seconds * 1000)).normal(size=(count, manifest.channels))
    samples = (noise * np.geomspace(0.5, 4, count)[:, None]).astype(np.float32)
    body = json.dumps({"channels": manifest.channels, "sampling_rate_hz": rate})
    sent(live, "POST", "/emg/sources/arm", body, "application/json")
    client = Client(live.port, source="arm", fps=FPS, duration_seconds=seconds)
    frames: list[Json] = []

    def read() -> None:
        frames.extend(event for event in client.events() if "prediction" in event)

    reader = threading.Thread(target=read)
    reader.start()
    half = count // 2
    push(live, samples[:half], rate, 0)
    push(live, samples[half + lost :], rate, half + lost)
    reader.join(LATE_S)
    client.close()
    return samples, frames, half


def expect_as_offline(live: Live, model: Artefact, expected: Expected, seconds: float = 4.0) -> None:
    """Every window that holds no lost sample is what the author's program makes of it."""
    length, rate = model.manifest.reads, model.manifest.sampling_rate
    samples, frames, half = streamed(live, model, seconds)
    resumes = half + round(GAP * rate)
    sound = [one for one in frames if one["sample_index"] <= half or one["sample_index"] - length >= resumes]
    before = [one for one in sound if one["sample_index"] <= half]
    assert len(before) >= 10
    assert len(sound) - len(before) >= 5, [one["sample_index"] for one in frames]
    windows = np.stack([samples[one["sample_index"] - length : one["sample_index"]] for one in sound])
    probabilities = np.array([one["probabilities"] for one in sound])
    np.testing.assert_allclose(probabilities, expected(windows), atol=2e-3)
    assert np.ptp(probabilities, axis=0).max() > 0.05, "the windows tell nothing apart"
    assert {one["backend"] for one in sound} == {"onnxruntime"}


@pytest.mark.parametrize("kind", [network, probable, scikit_learn])
def test_what_is_streamed_is_what_the_author_computes_through_gaps_and_restarts(
    tmp_path: Path, kind: Callable[[Path, Path], tuple[Artefact, Expected]]
) -> None:
    root = project(tmp_path)
    model, expected = kind(root, tmp_path)
    verified(model.path)
    with serving(root, EMG_MODE="push", EMG_MODEL=model.path.name, EMG_MAINS="off") as live:
        expect_as_offline(live, model, expected)
        (worker,) = live.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: live.workers() not in ([], [worker]) and live.ready())
        expect_as_offline(live, model, expected)
        assert live.log.count("onnxruntime answers as the golden vectors") == 2


def test_networks_from_elsewhere(tmp_path: Path) -> None:
    """braindecode's SensingDynamics and NeuroPose, say, whose packages are too large for every run of the tests."""
    folder = os.environ.get(FROM_ELSEWHERE)
    if not folder:
        pytest.skip(f"{FROM_ELSEWHERE} names no folder of models; docs/models.md says how they are made")
    for path in sorted(Path(folder).iterdir()):
        root = project(tmp_path / path.name)
        model = in_place(root, load(path))
        with serving(root, EMG_MODE="push", EMG_MODEL=model.path.name, EMG_MAINS="off") as live:
            expect_as_offline(live, model, offline(model), 16.0)


def offline(model: Artefact) -> Expected:
    """The graph as anybody runs it."""
    import onnxruntime

    manifest = model.manifest
    session = onnxruntime.InferenceSession(str(model.file("model.onnx")), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def run(windows: Any) -> Any:
        normal = ((windows - manifest.mean) / manifest.std).astype(np.float32)
        shaped = normal.transpose(0, 2, 1) if manifest.layout == "nct" else normal
        logits = session.run(None, {given.name: np.ascontiguousarray(shaped)})[0].astype(np.float64)
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)

    return run


def test_a_graph_that_was_changed_on_the_disk_is_not_served(tmp_path: Path) -> None:
    root = project(tmp_path)
    model, _ = network(root, tmp_path)
    content = bytearray(model.file("model.onnx").read_bytes())
    content[len(content) // 2] ^= 0xFF
    model.file("model.onnx").write_bytes(content)

    with (
        pytest.raises(AssertionError, match="sha256 differs"),
        serving(root, EMG_MODE="push", EMG_MODEL="mine"),
    ):
        pass
