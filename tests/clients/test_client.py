"""The calls of the Python client, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from myostream_client import Completed, Frame, RefusedError, StreamingInferenceClient
from tests.server.live import Live

pytestmark = pytest.mark.server


@pytest.fixture
def client(server: Live) -> Iterator[StreamingInferenceClient]:
    with StreamingInferenceClient(server.url) as client:
        yield client


def test_health_and_stats_are_the_servers(client: StreamingInferenceClient) -> None:
    client.wait_until_ready(10)
    health = client.health_check()
    assert health["status"] == "ok"
    assert health["tensorrt_available"] is False
    assert {"active_streams", "max_throughput_qps", "latency_ms"} <= set(client.stream_stats())


def test_a_single_inference_has_the_documented_texts(client: StreamingInferenceClient) -> None:
    answer = client.single_inference(batch=1, channels=16, length=200, steps=1)
    assert answer["shape"] == "[1, 7]"
    assert float(answer["latency_ms"]) > 0
    assert isinstance(answer["spikes"], str)
    assert len(client.single_inference(batch=3)["label"]) == 3


def test_tensorrt_is_refused_with_reason_and_cure_where_there_is_none(
    client: StreamingInferenceClient,
) -> None:
    with pytest.raises(RefusedError, match="503 Service Unavailable: tensorrt is not available") as caught:
        client.single_inference_tensorrt()
    assert caught.value.problem["backend"] == "tensorrt"
    assert caught.value.problem["cure"]
    assert not caught.value.passing


@pytest.mark.parametrize("backend", [None, "onnxruntime"])
def test_own_windows_are_judged_alike_as_bytes_and_as_lists(
    client: StreamingInferenceClient, backend: str | None
) -> None:
    windows = np.random.default_rng(1).normal(0, 40, (4, 200, 16))
    as_bytes = client.infer_batch(windows, backend=backend)
    as_lists = client.infer_batch(windows.tolist(), backend=backend)
    alone = client.infer(windows[2], backend=backend)
    turned = client.infer(np.asfortranarray(windows[2].astype(np.float32)), backend=backend)
    assert len(as_bytes) == len(as_lists) == 4
    for one, other in [*zip(as_bytes, as_lists, strict=True), (as_bytes[2], alone), (alone, turned)]:
        assert (one.prediction, one.label, one.backend) == (other.prediction, other.label, other.backend)
        assert one.probabilities == pytest.approx(other.probabilities, abs=2e-3)
    assert len({one.probabilities for one in as_bytes}) > 1
    bare = client.infer(windows[2], backend=backend, preprocess=False)  # the model's statistics are 0 and 1
    assert bare.probabilities == alone.probabilities
    wrong: Any = "hardly"
    for form in (windows[2], windows[2].tolist()):  # as bytes and as lists it is asked for
        with pytest.raises(RefusedError, match=r"422.*preprocess"):
            client.infer(form, backend=backend, preprocess=wrong)


def test_windows_of_a_wrong_shape_are_refused_with_what_is_right(client: StreamingInferenceClient) -> None:
    with pytest.raises(ValueError, match=r"a window is \(length, channels\), got an array of \(1, 200, 16\)"):
        client.infer(np.zeros((1, 200, 16)))
    with pytest.raises(ValueError, match=r"windows are \(batch, length, channels\)"):
        client.infer_batch(np.zeros((200, 16)))
    with pytest.raises(ValueError, match="backend must be None, 'onnxruntime' or 'tensorrt', got 'cuda'"):
        client.infer(np.zeros((200, 16)), backend="cuda")
    with pytest.raises(RefusedError, match="422 Unprocessable Entity: channels: the model takes 16, got 8"):
        client.infer(np.zeros((200, 8)))
    with pytest.raises(RefusedError, match="422"):
        client.infer(np.full((200, 16), np.nan))


def test_a_benchmark_names_every_backend(client: StreamingInferenceClient) -> None:
    found = client.benchmark(num_iterations=20)
    assert set(found) == {"pytorch", "tensorrt", "onnxruntime"}
    assert found["onnxruntime"]["throughput_qps"] > 0
    assert found["tensorrt"] is None


def test_a_stream_gives_each_event_to_the_callback_and_then_its_figures(
    client: StreamingInferenceClient,
) -> None:
    events: list[dict[str, Any]] = []
    done = client.stream_inference(1, use_tensorrt=False, fps=20, preprocess=True, callback=events.append)
    *frames, last = events
    assert last["status"] == "completed"
    assert done.frames == len(frames) == last["total_frames"] == sum(done.gestures.values())
    assert 18 <= done.frames + done.dropped <= 20
    assert done.interruptions == 0
    assert done.fps == pytest.approx(20, rel=0.3)
    assert done.latency_ms is not None
    assert 0 < done.latency_ms < 1000


def test_a_callback_that_says_false_ends_the_stream(client: StreamingInferenceClient) -> None:
    done = client.stream_inference(fps=20, callback=lambda event: event["frame"] < 4)
    assert done.frames == 5


def test_typed_events_have_every_key_of_the_servers_frame(client: StreamingInferenceClient) -> None:
    stream = client.stream(duration_seconds=0.5, fps=10, votes=3, min_confidence=0.2, include_signal=True)
    *frames, last = stream
    assert isinstance(last, Completed)
    raw = [said for said in client.stream(duration_seconds=0.3, fps=10).raw() if isinstance(said, dict)]
    for frame in frames:
        assert isinstance(frame, Frame)
        assert set(raw[0]) <= set(Frame.__slots__)
        assert frame.signal is not None
        assert len(frame.signal) == 16
        assert frame.shape == (1, 7)
        assert sum(frame.probabilities) == pytest.approx(1, abs=0.01)


def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(
    client: StreamingInferenceClient,
) -> None:
    client.health_check()
    connection = client._caller._connection
    assert connection is not None
    connection.sock.shutdown(2)  # as after the server's keep-alive time
    assert client.health_check()["status"] == "ok"
    assert client._caller._connection is not connection
