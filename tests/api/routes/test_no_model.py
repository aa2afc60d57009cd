"""Sources that no model reads: shown, judged, recorded, and honest about what they cannot do."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from marshmallow import RAISE

from app import create_app
from app.api.schemas import emg as emg_schemas
from app.api.schemas import health as health_schemas
from app.api.sse import events as sse
from app.config import ROOT, EmgMode, Settings
from app.emg.auxiliary import AuxStream
from app.serving.build import make_runtime
from app.serving.engine.opening import expected_artefact, make_engine, no_engine
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import read_by_model
from tests.fakes import SteadySource

OF_PREDICTIONS = {
    *("prediction", "label", "confidence", "probabilities", "decision", "decision_label"),
    *("intensity", "shape", "backend", "latency_ms"),
}
ACCELEROMETER = AuxStream(name="accelerometer", channel_names=("x", "y", "z"), units="g", sampling_rate=50.0)


@contextmanager
def serving(source: SteadySource, instance: Path, model: str | None = "none") -> Iterator[Runtime]:
    """A running server with that source; its folder of recordings is empty."""
    (instance / "models").symlink_to(ROOT / "instance" / "models")
    settings = Settings(model=model, backends=("onnxruntime",), instance=instance)
    usual = expected_artefact(settings)
    opened = read_by_model(settings, source, None if usual is None else usual.manifest)
    runtime = Runtime(
        settings=settings,
        artefact=usual,
        engine=no_engine() if usual is None else make_engine(settings, usual),
        acquisition=Acquisition(source, opened.path, length=opened.length),
        reads=opened.manifest is not None,
        encode=sse.encode,
    )
    runtime.start()
    try:
        deadline = time.monotonic() + 10
        while runtime.health.not_ready() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield runtime
    finally:
        runtime.close()


def streamed(client: FlaskClient, **options: Any) -> list[dict[str, Any]]:
    answer = client.post("/infer/stream", json={"fps": 20, "duration_seconds": 1, **options})
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def expect_a_second_of(frames: list[dict[str, Any]]) -> None:
    """See that there are 20; on a machine that is busy some are left out, and counted."""
    dropped = frames[-1]["dropped"]
    assert len(frames) == 20 if dropped == 0 else 20 - dropped <= len(frames) <= 20, (len(frames), dropped)


@pytest.fixture(scope="module", params=["none", None], ids=["EMG_MODEL=none", "no EMG_MODEL"])
def four(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """The issue's own example: four channels at 1000 Hz."""
    source = SteadySource(4, 1000.0, [ACCELEROMETER])
    with serving(source, tmp_path_factory.mktemp("instance"), request.param) as runtime:
        yield create_app(runtime).test_client()


def test_health_says_that_nothing_is_wrong_and_which_models_could_read_it(four: FlaskClient) -> None:
    health = four.get("/health").get_json()
    assert health_schemas.HealthSchema(unknown=RAISE).validate(health) == {}
    assert (health["status"], health["fitting_models"]) == ("ok", [])
    assert health["source"]["state"] == "running"
    assert four.get("/health/ready").status_code == 200


def test_the_source_says_what_it_is_how_it_is_filtered_and_what_to_do(four: FlaskClient) -> None:
    (source,) = four.get("/emg/sources").get_json()["sources"]
    assert emg_schemas.SourceSchema(unknown=RAISE).validate(source) == {}
    assert (source["model"], source["montage"]) == (None, None)
    assert source["advice"] == (
        "no model fits 4 channels at 1000 Hz: record and train one, or choose channels with EMG_CHANNELS"
    )
    assert source["channel_names"] == ["ch1", "ch2", "ch3", "ch4"]
    band, *notches = source["filters"]
    assert (band["kind"], band["low_hz"], band["high_hz"]) == ("bandpass", 20, 450)
    assert [notch["frequency_hz"] for notch in notches] == [50, 100, 150, 200, 250, 300, 350, 400]
    assert source["aux"] == [
        {
            "name": "accelerometer",
            "channel_names": ["x", "y", "z"],
            "units": "g",
            "sampling_rate_hz": 50.0,
        }
    ]


@pytest.mark.parametrize("body", [{}, {"batch": 2}, {"source": "steady"}])
def test_windows_of_the_source_cannot_be_predicted_and_the_answer_says_what_to_do(
    four: FlaskClient, body: dict[str, Any]
) -> None:
    for path in ("/infer", "/infer/onnx", "/infer/tensorrt"):
        if "batch" in body and path != "/infer":
            continue
        answer = four.post(path, json=body)
        assert answer.status_code == 503, (path, answer.text)
        assert answer.get_json()["detail"].startswith("no model fits 4 channels at 1000 Hz: record and train")


def test_its_frames_have_signal_and_no_prediction(four: FlaskClient) -> None:
    *frames, last = streamed(four, include_signal=True)
    assert (last["status"], last["total_frames"]) == ("completed", len(frames))
    expect_a_second_of(frames)
    for frame in frames:
        assert not OF_PREDICTIONS & set(frame)
        assert {"timestamp", "frame", "sample_index", "age_ms", "cpu_percent", "dropped", "truth"} <= set(
            frame
        )
        assert np.shape(frame["signal"]) == (4, 50)  # 1000 Hz / 20, fewer than a screen has columns
    indices, dropped = np.array([[frame["sample_index"], frame["dropped"]] for frame in frames]).T
    assert np.diff(indices).tolist() == (50 * (1 + np.diff(dropped))).tolist()


def test_what_a_stream_asks_of_a_model_is_accepted_and_does_nothing(four: FlaskClient) -> None:
    options = {"votes": 5, "min_confidence": 0.9, "preprocess": False, "backend": "tensorrt"}
    *frames, last = streamed(four, **options)
    assert last["status"] == "completed"
    expect_a_second_of(frames)


def test_quality_judges_each_channel(four: FlaskClient) -> None:
    quality = four.get("/emg/quality").get_json()
    assert [channel["channel"] for channel in quality["channels"]] == [0, 1, 2, 3]
    assert quality["loss"] == 0.0


def test_what_came_beside_it_comes_at_its_own_rate_and_lies_where_it_was(four: FlaskClient) -> None:
    *frames, _ = streamed(four, include_aux=True, duration_seconds=2)
    pieces = [frame["aux"]["accelerometer"] for frame in frames if frame["aux"]]
    values = np.concatenate([np.array(piece["values"]) for piece in pieces], axis=1)
    assert values.shape[0] == 3
    assert np.diff(values[0]).tolist() == [1.0] * (values.shape[1] - 1)  # none lost, none twice
    assert 80 <= values.shape[1] <= 110  # 2 s of 50 Hz
    for piece in pieces:
        assert piece["sample_index"] == piece["values"][0][0] * 20  # 1000 Hz / 50 Hz
        assert (piece["units"], piece["sampling_rate_hz"]) == ("g", 50.0)
    for frame in frames:
        for piece in frame["aux"].values():
            assert abs(frame["sample_index"] - piece["sample_index"]) < 250  # of 1000 Hz
    assert "aux" not in streamed(four)[0]


def test_nothing_is_there_to_be_measured(four: FlaskClient) -> None:
    stats = four.get("/infer/stream/stats").get_json()
    model = four.get("/health").get_json()["model"]
    answer = four.post("/benchmark", json={"num_iterations": 5})
    if model is None:
        assert answer.status_code == 503, answer.text
        assert "EMG_MODEL" in answer.get_json()["detail"]
        assert (stats["decision_delay_ms"], stats["expected_latency_ms"]) == (None, None)
    else:
        assert answer.status_code == 200
    assert stats["decision_delay_ms"] is None
    assert four.get("/metrics").status_code == 200


def test_own_windows_need_a_model(tmp_path: Path) -> None:
    with serving(SteadySource(), tmp_path) as runtime:
        client = create_app(runtime).test_client()
        answer = client.post("/infer", json={"emg": [[0.0] * 16] * 200})
        assert answer.status_code == 503
        assert "EMG_MODEL" in answer.get_json()["detail"]
        health = client.get("/health").get_json()
        assert health["model"] is None
        assert {state["available"] for state in health["backends"].values()} == {False}


@pytest.mark.parametrize(
    ("channels", "rate"),
    [(1, 50.0), (8, 148.148), (6, 1259.259), (4, 1925.926), (1, 10_000.0), (256, 50.0), (256, 10_000.0)],
)
def test_any_number_of_channels_and_any_rate(tmp_path: Path, channels: int, rate: float) -> None:
    with serving(SteadySource(channels, rate), tmp_path) as runtime:
        client = create_app(runtime).test_client()
        started = client.post("/emg/recordings", json={"name": "any"})
        assert started.status_code == 201, started.text
        *frames, last = streamed(client, include_signal=True)
        assert last["status"] == "completed"
        assert len(frames) >= 10
        assert len(frames[-1]["signal"]) == channels
        steps = np.diff([frame["sample_index"] for frame in frames if frame["dropped"] == 0])
        assert np.abs(steps - rate / 20).max() <= 1
        (source,) = client.get("/emg/sources").get_json()["sources"]
        assert (source["channels"], source["sampling_rate_hz"]) == (channels, rate)
        assert source["filters"][0]["high_hz"] == pytest.approx(min(450, 0.45 * rate), abs=1e-3)
        assert len(client.get("/emg/quality").get_json()["channels"]) == channels
        stopped = client.post("/emg/recordings/any/stop").get_json()
        assert stopped["state"] == "complete"
        with client.get("/emg/recordings/any/download?format=npz") as taken:
            content = io.BytesIO(taken.data)
        with np.load(content) as found:
            assert found["fs"] == rate
            assert found["emg"].shape[1] == channels
            assert found["emg"].shape[0] >= 0.9 * rate


def test_more_frames_than_samples_are_refused(tmp_path: Path) -> None:
    with serving(SteadySource(2, 50.0), tmp_path) as runtime:
        answer = create_app(runtime).test_client().post("/infer/stream", json={"fps": 60})
        assert answer.status_code == 422
        assert answer.get_json()["errors"] == {"fps": ["must be at most the sampling rate, 50 Hz, got 60"]}


def test_a_source_that_a_model_reads_through_a_montage_is_offered_and_not_chosen(tmp_path: Path) -> None:
    """Without EMG_MODEL only what reads the source as it is takes it; what needs a choice is said."""
    source = SteadySource(16, 200.0)
    source.units = "counts"  # the model's own
    with serving(source, tmp_path, None) as runtime:
        client = create_app(runtime).test_client()
        (fitting,) = client.get("/health").get_json()["fitting_models"]
        assert fitting["name"] == "myo-8ch-200hz"
        assert "EMG_CHANNELS=1-8" in fitting["how"]
        (source,) = client.get("/emg/sources").get_json()["sources"]
        assert "EMG_MODEL=myo-8ch-200hz could" in source["advice"]


Declare = Callable[..., Any]


@pytest.fixture
def pushing(tmp_path: Path) -> Iterator[tuple[Runtime, FlaskClient]]:
    """A server without EMG_MODEL to which clients push."""
    (tmp_path / "models").symlink_to(ROOT / "instance" / "models")
    settings = Settings(emg_mode=EmgMode.PUSH, backends=("onnxruntime",), instance=tmp_path, source_idle_s=5)
    runtime = make_runtime(settings, sse.encode)
    runtime.start()
    yield runtime, create_app(runtime).test_client()
    runtime.close()


def test_a_pushed_source_that_no_model_reads_says_nothing_of_its_units(
    pushing: tuple[Runtime, FlaskClient],
) -> None:
    """It was said to be in those of a model that does not read it."""
    _, client = pushing
    answer = client.post("/emg/sources/six", json={"channels": 6, "sampling_rate_hz": 1259.259})
    assert answer.status_code == 201
    source = answer.get_json()
    assert (source["units"], source["scale"], source["model"]) == ("unknown", 1.0, None)
    assert source["sampling_rate_hz"] == 1259.259
    said = client.post(
        "/emg/sources/mv", json={"channels": 6, "sampling_rate_hz": 1259.259, "units": "mV"}
    ).get_json()
    assert (said["units"], said["scale"]) == ("mV", 1.0)
    again = client.post("/emg/sources/mv", json={"channels": 6, "sampling_rate_hz": 1259.259, "units": "mV"})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("channels", "rate", "words"),
    [(4, 0.01, "10 Hz at least"), (1024, 100_000, "102400000 values a second")],
)
def test_a_declaration_of_what_cannot_be_shown_is_refused(
    pushing: tuple[Runtime, FlaskClient], channels: int, rate: float, words: str
) -> None:
    answer = pushing[1].post("/emg/sources/odd", json={"channels": channels, "sampling_rate_hz": rate})
    assert answer.status_code == 422, answer.text
    assert words in answer.get_json()["detail"]
    assert pushing[1].get("/emg/sources").get_json()["sources"] == []
