"""A model that reads a source through a montage: chosen channels in their order, at its own rate, on its own grid."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app import config, create_app
from app.api.sse import events as sse
from app.config import Settings
from app.emg.source import Chunk
from app.errors import DataError
from app.inference.artefact import Artefact
from app.serving.engine.opening import make_engine
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import read_by_model
from tests.fakes import SteadySource
from tests.inference.artefacts import make_artefact

RATE, MODEL_RATE, LENGTH, FPS = 250.0, 200, 20, 10
CHOSEN = "9,3,12,1-2,4-5,16"  # of 16
COLUMNS = (8, 2, 11, 0, 1, 3, 4, 15)
DEAD_UNREAD, DEAD_READ = 6, 11


class Marked(SteadySource):
    """Each channel lies at a height of its own, so that it can be told; two carry nothing; 125 samples are lost."""

    lost_at, lost = 1000, 125

    def read(self) -> Chunk | None:
        chunk = super().read()
        if chunk is None:
            return None
        samples = chunk.samples + 1000 * np.arange(1, self.channels + 1, dtype=np.float32)
        samples[:, [DEAD_UNREAD, DEAD_READ]] = 1000 * np.array([DEAD_UNREAD + 1, DEAD_READ + 1], np.float32)
        index = chunk.index + (self.lost if chunk.index >= self.lost_at else 0)
        return replace(chunk, index=index, samples=samples)


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    path = tmp_path_factory.mktemp("models") / "tiny"
    return make_artefact(path, channels=len(COLUMNS), length=LENGTH, rate=MODEL_RATE, rest_rms=1e-6)


@contextmanager
def reading(artefact: Artefact, source: SteadySource, channels: str | None) -> Iterator[Runtime]:
    settings = Settings(
        model=str(artefact.path), montage=channels, backends=("pytorch",), mains_hz=None, faults=""
    )
    opened = read_by_model(settings, source, artefact.manifest)
    runtime = Runtime(
        settings=settings,
        artefact=artefact,
        engine=make_engine(settings, artefact),
        acquisition=Acquisition(source, opened.path, length=opened.length),
        encode=sse.encode,
    )
    runtime.start()
    try:
        deadline = time.monotonic() + 20
        while runtime.pipelines.named().unbroken < LENGTH and time.monotonic() < deadline:
            time.sleep(0.01)
        yield runtime
    finally:
        runtime.close()


@pytest.fixture(scope="module")
def client(artefact: Artefact) -> Iterator[FlaskClient]:
    with reading(artefact, Marked(16, RATE), CHOSEN) as runtime:
        yield create_app(runtime).test_client()


def streamed(client: FlaskClient, **options: Any) -> list[dict[str, Any]]:
    answer = client.post("/infer/stream", json={"fps": FPS, "duration_seconds": 1, **options})
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def test_windows_lie_on_the_models_grid_and_say_where_they_end_in_the_source(client: FlaskClient) -> None:
    """A window ends every 20 samples of the model's, and the last of those has seen 25 more of the source's."""
    frames = [frame for frame in streamed(client) if "prediction" in frame]
    assert len(frames) >= 8
    indices = np.array([frame["sample_index"] for frame in frames])
    assert set(np.diff(indices) % 25) == {0}
    # sample n of 200 Hz has seen the source's up to floor(n * 5 / 4)
    ends = np.arange(1, indices[-1] // 25 + 3) * 20
    assert set(indices) <= set((ends - 1) * 5 // 4 + 1)


def test_the_chosen_channels_come_in_their_order(client: FlaskClient) -> None:
    frame = next(frame for frame in streamed(client, include_signal=True) if "prediction" in frame)
    heights = np.array(frame["signal"]).mean(axis=1)
    assert np.rint(heights / 1000).astype(int).tolist() == [column + 1 for column in COLUMNS]


def test_the_source_says_what_lies_between(client: FlaskClient) -> None:
    (source,) = client.get("/emg/sources").get_json()["sources"]
    assert (source["channels"], source["sampling_rate_hz"], source["model"]) == (16, 250.0, "tiny")
    assert "9,3,12" in source["montage"].replace(" ", "")
    assert "200 Hz" in source["montage"]
    assert (source["units"], source["advice"]) == ("uV", None)


def test_quality_counts_channels_as_the_source_does(client: FlaskClient) -> None:
    """A frame complains of those alone that the model reads; the page of quality of all."""
    deadline = time.monotonic() + 10
    while True:
        frame = [frame for frame in streamed(client, duration_seconds=0.5) if "prediction" in frame][-1]
        if "quality" in frame or time.monotonic() > deadline:
            break
    named = {channel for channels in frame["quality"].values() for channel in channels}
    assert named == {DEAD_READ}
    judged = client.get("/emg/quality").get_json()["channels"]
    assert len(judged) == 16
    assert {one["channel"] for one in judged if not one["ok"]} >= {DEAD_READ, DEAD_UNREAD}


def test_what_was_lost_is_counted_in_the_sources_samples(client: FlaskClient) -> None:
    deadline = time.monotonic() + 20
    while client.get("/health").get_json()["source"]["samples"] < Marked.lost_at + 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    source = client.get("/health").get_json()["source"]
    assert (source["gaps"], source["lost_samples"]) == (1, Marked.lost)


def test_single_windows_come_through_it_too(client: FlaskClient) -> None:
    answer = client.post("/infer", json={"batch": 2})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["shape"] == "[2, 3]"


def test_the_delay_of_a_decision_grows_by_that_of_the_montage(artefact: Artefact) -> None:
    delays = []
    for source in (SteadySource(8, float(MODEL_RATE)), SteadySource(8, RATE)):
        with reading(artefact, source, None) as runtime:
            client = create_app(runtime).test_client()
            found = client.get("/infer/stream/stats").get_json()["decision_delay_ms"]
            montage = runtime.pipelines.named().montage
            delays.append((found, 0.0 if montage is None else montage.delay_ms))
    (plain, none), (resampled, montage_ms) = delays
    assert none == 0.0
    assert montage_ms > 1.0
    assert resampled - plain == pytest.approx(montage_ms, abs=0.11)  # both are rounded to 0.1 ms


@pytest.mark.parametrize(
    ("source", "channels", "words"),
    [
        (SteadySource(8, 200.0), None, "a source of 200 Hz"),
        (SteadySource(16, 2000.0), None, "choose channels with EMG_CHANNELS=1-8"),
        (SteadySource(16, 2000.0), "1-9", "EMG_CHANNELS=1-9 chooses 9 channels; the model fast reads 8"),
        (SteadySource(16, 2000.0), "10-17", "16"),
        (SteadySource(4, 2000.0), None, "record and train one of 4 channels"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: SteadySource,
    channels: str | None,
    words: str,
) -> None:
    monkeypatch.setattr(config, "SHIPPED_MODELS", tmp_path / "models")  # none
    band = {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450}
    fast = make_artefact(tmp_path / "fast", name="fast", channels=8, length=200, rate=2000, filters=(band,))
    settings = Settings(model=str(fast.path), montage=channels, instance=tmp_path)
    with pytest.raises(DataError) as refused:
        read_by_model(settings, source, fast.manifest)
    assert words in str(refused.value)
    assert "no model here fits" in str(refused.value)
    assert "\n" not in str(refused.value)
    if source.sampling_rate == 200.0:
        assert "20-450 Hz" in str(refused.value)
