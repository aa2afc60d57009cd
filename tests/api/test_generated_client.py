"""A client that openapi-python-client makes of `/openapi.json` is whole, and its calls succeed as they are typed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from flask import Flask

from app import create_app
from tests.api.conftest import CHANNELS, LENGTH, pushed_to, running
from tests.inference.artefacts import make_artefact

pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")
httpx = pytest.importorskip("httpx")  # it comes with it

PACKAGE = "generated_client"
# docs/clients.md has it: the generator knows no .npy, and takes raw bytes
CONFIG = {"post_hooks": [], "content_type_overrides": {"application/x-npy": "application/octet-stream"}}

Module = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application with a folder of recordings of its own."""
    folder = tmp_path_factory.mktemp("recording")
    runtime = running(make_artefact(folder / "tiny"), instance=folder / "instance")
    yield create_app(runtime)
    runtime.close()


@pytest.fixture(scope="module")
def generated(recorded: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Module]:
    """Import a part of the client that was made of this application's description."""
    folder = tmp_path_factory.mktemp("generated")
    description, config = folder / "openapi.json", folder / "config.json"
    description.write_bytes(recorded.test_client().get("/openapi.json").data)
    config.write_text(json.dumps(CONFIG))
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--fail-on-warning",
        "--meta",
        "none",
    ]
    command += ["--path", str(description), "--config", str(config), "--output-path", str(folder / PACKAGE)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")


def client_of(app: Flask, generated: Module) -> Any:
    transport = httpx.WSGITransport(app=app)
    return generated("client").Client(
        base_url="http://localhost",
        raise_on_unexpected_status=True,
        httpx_args={"transport": transport},
    )


@pytest.fixture(scope="module")
def client(recorded: Flask, generated: Module) -> Any:
    return client_of(recorded, generated)


def test_it_has_a_model_for_every_schema_of_the_description(recorded: Flask, generated: Module) -> None:
    """Schemas whose names collide were dropped, and with them what the routes answer (`Source`, `Sources`)."""
    models = generated("models")
    schemas = recorded.test_client().get("/openapi.json").get_json()["components"]["schemas"]
    assert [name for name in schemas if not hasattr(models, name)] == []


def test_the_health_and_the_sources_are_objects_of_their_own_types(client: Any, generated: Module) -> None:
    models = generated("models")
    health = generated("api.health.get_health").sync(client=client)
    assert (health.status, health.model.channels) == ("ok", CHANNELS)
    assert isinstance(health.source, models.SourceHealth)
    listed = generated("api.emg.get_emg_sources").sync(client=client)
    assert [type(source) for source in listed.sources] == [models.Source]
    one = generated("api.emg.get_emg_sources_name").sync(listed.default, client=client)
    assert (one.name, one.state, one.next_sample) == (listed.default, models.SourceState.RUNNING, None)


def test_windows_are_judged_as_json_and_as_bytes(client: Any, generated: Module) -> None:
    """A default in the query, which such a client sends along, contradicted each JSON body."""
    infer, models = generated("api.inference.post_infer"), generated("models")
    window = np.random.default_rng(2).normal(size=(LENGTH, CHANNELS)).astype("<f4")
    by_json = infer.sync(client=client, body=models.Infer(emg=window.tolist()))
    by_bytes = infer.sync(client=client, body=generated("types").File(payload=window.tobytes()))
    assert isinstance(by_json, models.InferResult)
    assert by_json.probabilities == by_bytes.probabilities
    of_the_source = infer.sync(client=client, body=models.Infer(batch=2))
    assert len(of_the_source.prediction) == 2


def test_a_benchmark_and_a_refusal_are_what_they_are_said_to_be(client: Any, generated: Module) -> None:
    models = generated("models")
    benchmark = generated("api.benchmark.post_benchmark")
    found = benchmark.sync(client=client, body=models.Benchmark(num_iterations=3))
    assert isinstance(found.pytorch, models.Latency)
    assert found.onnxruntime is None
    refused = generated("api.inference.post_infer_tensorrt").sync(client=client, body=models.Windows())
    assert isinstance(refused, models.Problem)
    assert (refused.status, refused.backend) == (503, "tensorrt")


def test_a_recording_is_made_taken_home_and_deleted(
    client: Any, generated: Module, until: Callable[[Callable[[], object]], None]
) -> None:
    part, models = (lambda name: generated(f"api.recordings.{name}")), generated("models")
    begun = part("post_emg_recordings").sync(client=client, body=models.RecordingStart(name="one"))
    assert (begun.name, begun.state) == ("one", models.RecordingState.RECORDING)
    assert isinstance(begun.model, models.RecordedModel)
    until(lambda: part("get_emg_recordings_name").sync("one", client=client).samples)
    assert part("post_emg_recordings_name_stop").sync("one", client=client).state == "complete"
    file = part("get_emg_recordings_name_download").sync("one", client=client)
    with np.load(file.payload) as arrays:
        assert arrays["emg"].shape[1] == CHANNELS
    gone = part("delete_emg_recordings_name").sync_detailed("one", client=client)
    assert gone.status_code == 204
    assert part("get_emg_recordings").sync(client=client).recordings == []


def test_a_source_is_declared_pushed_and_ended(generated: Module, tmp_path: Path) -> None:
    part, models = (lambda name: generated(f"api.emg.{name}")), generated("models")
    artefact = make_artefact(tmp_path / "tiny")
    runtime = pushed_to(artefact)
    try:
        client = client_of(create_app(runtime), generated)
        declared = models.Declare(channels=CHANNELS, sampling_rate_hz=artefact.manifest.sampling_rate)
        assert part("post_emg_sources_name").sync("band", client=client, body=declared).pushed
        push = part("post_emg_sources_name_samples")
        samples = np.zeros((5, CHANNELS), "<f4")
        body = models.Push(first_sample=0, samples=samples.tolist())
        assert push.sync("band", client=client, body=body).next_sample == 5
        raw = generated("types").File(payload=samples.tobytes())
        assert push.sync("band", client=client, body=raw, first_sample=5).next_sample == 10
        assert part("delete_emg_sources_name").sync_detailed("band", client=client).status_code == 204
    finally:
        runtime.close()
