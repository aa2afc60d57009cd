"""A model of values that was learned here, over HTTP: every backend says what the reference does, and a stream too."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.inference.artefact import Artefact
from app.inference.description import described
from app.inference.prediction import normalise
from app.inference.reference import reference_logits
from app.inference.values import within
from app.inference.verification.verify import verified
from app.learning.values.making import new_values
from app.serving.runtime import Runtime
from tests.api.conftest import running
from tests.learning.values.makers import NAMES, cursor, recording


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    folder = tmp_path_factory.mktemp("models")
    one = recording(folder / "a.npz", trajectory=cursor(60.0))
    return new_values([one], folder / "mine").artefact


@pytest.fixture(scope="module")
def runtime(model: Artefact) -> Iterator[Runtime]:
    runtime = running(model, backends=("onnxruntime", "pytorch"))
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def app(runtime: Runtime) -> Flask:
    return create_app(runtime)


@pytest.mark.parametrize("path", ["/infer", "/infer/onnx"])
def test_a_window_is_answered_as_the_reference_does(client: FlaskClient, model: Artefact, path: str) -> None:
    manifest = model.manifest
    window = np.random.default_rng(1).normal(0, 60, (1, manifest.reads, 8)).astype(np.float32)
    outputs = reference_logits(model, normalise(window, manifest.mean, manifest.std)).astype(np.float32)
    right = within(outputs, manifest.outputs.values).values[0]

    told = client.post(path, json={"emg": window[0].tolist()}).get_json()

    assert list(told["values"]) == list(NAMES)
    assert list(told["values"].values()) == pytest.approx(right.tolist(), abs=1e-3)


@pytest.mark.parametrize("backend", ["onnxruntime", "pytorch"])
def test_a_stream_of_each_backend_says_values(client: FlaskClient, backend: str) -> None:
    body = {"duration_seconds": 0.5, "fps": 20, "backend": backend}
    text = client.post("/infer/stream", json=body).get_data(as_text=True)
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]

    frames = [one for one in events if "values" in one]
    assert len(frames) >= 5
    assert {one["backend"] for one in frames} == {backend}
    assert all(set(one["values"]) == set(one["output"]) == set(NAMES) for one in frames)


def test_what_is_told_of_it_names_its_values_and_figures(model: Artefact) -> None:
    found = described(model)
    assert found["outputs"]["kind"] == "values"
    assert [one["name"] for one in found["outputs"]["values"]] == list(NAMES)
    assert found["metrics"]["values"]["r2"] > 0.5


def test_a_folder_that_comes_from_elsewhere_is_proved_by_the_reference(model: Artefact) -> None:
    proof = verified(model.path)
    assert (proof.by, proof.windows) == ("reference", 16)
