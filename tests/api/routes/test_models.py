"""`/models`: what lies here, what comes in proven or not at all, and what may not go."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import config, create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference import artefact
from app.inference.artefact import Artefact, save_child
from app.inference.verification.archive import pack
from app.serving.engine.opening import make_engine
from app.serving.models import shelf, uploads
from app.serving.runtime import Runtime
from tests.api.test_bad_input import expect_problem
from tests.inference.artefacts import make_artefact
from tests.inference.foreign_models import answers, draft, emg, golden, graph

ZIP = "application/zip"
MAX_BODY = 2**18


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models lie that came with the code; none, but for tests that put one there."""
    monkeypatch.setattr(config, "SHIPPED_MODELS", tmp_path / "shipped")
    return tmp_path / "shipped"


@pytest.fixture
def here(instance: Path) -> Artefact:
    """The model that the server runs."""
    return make_artefact(instance / "models" / "tiny")


@pytest.fixture
def app(instance: Path, here: Artefact) -> Iterator[Flask]:
    chosen = Settings(
        emg_mode=EmgMode.PUSH,
        backends=("pytorch",),
        mains_hz=None,
        instance=instance,
        max_body=MAX_BODY,
        model="tiny",
    )
    runtime = Runtime(settings=chosen, artefact=here, engine=make_engine(chosen, here), encode=sse.encode)
    runtime.start()
    yield create_app(runtime)
    runtime.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def zip_of(model: Artefact) -> bytes:
    file = io.BytesIO()
    pack(model, file)
    return file.getvalue()


def own_graph(**changes: bytes) -> bytes:
    """A zip of somebody's own graph."""
    entries = {
        "manifest.json": draft(),
        "model.onnx": graph().SerializeToString(),
        "golden.npz": golden(),
        **changes,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return file.getvalue()


def post(client: FlaskClient, content: bytes, query: str = "", kind: str = ZIP) -> TestResponse:
    return client.post(f"/models{query}", data=content, content_type=kind)


def refused(answer: TestResponse, status: int, says: str) -> None:
    """A problem of that status, whose detail matches."""
    expect_problem(answer, status)
    assert re.search(says, answer.json["detail"]), answer.json["detail"]


def names(client: FlaskClient) -> list[str]:
    return [one["name"] for one in client.get("/models").json["models"]]


def left(instance: Path) -> list[str]:
    return sorted(entry.name for entry in (instance / "models").iterdir())


def test_a_model_is_told_with_what_reads_it_and_where_it_comes_from(
    client: FlaskClient, here: Artefact, instance: Path
) -> None:
    training = {"person": "S01", "hashes": ["ab", "cd"]}
    child = save_child(
        here, instance / "models" / "child", {}, ["weights.safetensors"], name="child", training=training
    )
    client.post("/emg/sources/arm", json={"channels": 4, "sampling_rate_hz": 200})
    client.post("/emg/sources/leg", json={"channels": 4, "sampling_rate_hz": 200})

    one, other = client.get("/models/tiny").json, client.get("/models/child").json

    assert (one["name"], one["version"], one["sha256"]) == ("tiny", "1.0.0", here.sha256)
    assert one["input"] == {
        "channels": 4, "length": 20, "context": 0, "sampling_rate_hz": 200.0, "units": "uV", "layout": "ntc",
    }  # fmt: skip
    assert one["classes"] == ["rest", "a", "b"]
    assert one["files"] == dict(here.manifest.files)
    assert one["lineage"]["children"] == ["child"]
    assert one["sources"][0] == {"source": "arm", "fits": True, "how": "as it is", "uses": True}
    assert (one["used"], other["used"]) == (True, False)
    assert other["lineage"] == {
        "parent": {"name": "tiny", "sha256": here.sha256, "here": True},
        "children": [], "person": "S01", "recordings": ["ab", "cd"],
    }  # fmt: skip
    assert [source["uses"] for source in other["sources"]] == [False, False]
    assert other["sha256"] == child.sha256
    assert one["bytes"] == sum(path.stat().st_size for path in here.path.iterdir())


def test_a_source_that_a_model_does_not_fit_says_why(client: FlaskClient, instance: Path) -> None:
    make_artefact(instance / "models" / "wide", name="wide", channels=16)
    client.post("/emg/sources/arm", json={"channels": 4, "sampling_rate_hz": 200})

    (found,) = client.get("/models/wide").json["sources"]

    assert (found["fits"], found["uses"]) == (False, False)
    assert "the source has 4 channels and the model wide reads 16" in found["how"]


def test_a_damaged_model_is_listed_with_its_reason_and_can_be_deleted(
    client: FlaskClient, instance: Path
) -> None:
    assert names(client) == ["tiny"]
    broken = make_artefact(instance / "models" / "broken", name="broken")
    assert names(client) == ["broken", "tiny"]
    (broken.path / "weights.safetensors").write_bytes(b"short")

    listed = client.get("/models").json
    refused(client.get("/models/broken"), 503, "the model broken is damaged: .*sha256 differs")
    refused(client.get("/models/broken/archive"), 503, "is damaged")

    assert [one["name"] for one in listed["models"]] == ["tiny"]
    assert [one["name"] for one in listed["damaged"]] == ["broken"]
    assert client.delete("/models/broken").status_code == 204
    assert client.get("/models").json["damaged"] == []


def test_a_model_whose_filter_cannot_be_built_is_damaged_and_the_others_are_listed(
    client: FlaskClient, instance: Path
) -> None:
    """`GET /models` was a 500 for all of them: a KeyError where the band of its filters was looked for."""
    band = {"kind": "highpass", "low_hz": 20.5, "order": 2}
    manifest = make_artefact(instance / "models" / "odd", name="odd", filters=(band,)).path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"low_hz"', '"hz"'))

    listed = client.get("/models").json

    assert [one["name"] for one in listed["models"]] == ["tiny"]
    assert listed["damaged"][0]["name"] == "odd"
    assert "input.filters[0] takes exactly kind, low_hz, order" in listed["damaged"][0]["reason"]
    assert client.delete("/models/odd").status_code == 204


def test_an_archive_goes_out_and_comes_in_the_same(
    client: FlaskClient, here: Artefact, instance: Path
) -> None:
    other = make_artefact(instance / "models" / "other", name="other")
    answer = client.get("/models/other/archive")

    assert (answer.status_code, answer.mimetype) == (200, ZIP)
    assert answer.headers["Content-Disposition"] == "attachment; filename=other.zip"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert answer.data == zip_of(other)
    answer.close()
    assert client.delete("/models/other").status_code == 204
    refused(client.get("/models/other"), 404, "no model 'other'")

    made = post(client, answer.data)

    assert made.status_code == 201, made.json
    assert made.json["sha256"] == other.sha256
    assert made.json["proof"] == {"by": "reference", "windows": 16, "difference": None}
    assert left(instance) == ["other", "tiny"]


def test_somebodys_own_graph_comes_in_and_is_served(client: FlaskClient, instance: Path) -> None:
    made = post(client, own_graph())

    assert made.status_code == 201, made.json
    assert (made.json["name"], made.json["architecture"]) == ("mine", "onnx")
    assert made.json["proof"]["by"] == "golden vectors"
    assert made.json["proof"]["difference"] < 1e-5

    kept = artefact.load(instance / "models" / "mine")
    settings = Settings(emg_mode=EmgMode.PUSH, backends=("tensorrt", "onnxruntime", "pytorch"), mains_hz=None)
    runtime = Runtime(settings=settings, artefact=kept, engine=make_engine(settings, kept), encode=sse.encode)
    runtime.start()
    try:
        other = create_app(runtime).test_client()
        answer = other.post("/infer", json={"emg": emg().tolist(), "batch": len(emg())}).json
        reasons = other.get("/health").json["backends"]
    finally:
        runtime.close()
    expected = answers(emg(), probabilities=True)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-4)
    assert answer["backend"] == "onnxruntime"
    for name in ("pytorch", "tensorrt"):
        assert "mine is somebody's own ONNX graph" in reasons[name]["reason"]


def test_there_is_one_model_of_a_name_unless_it_is_replaced(
    client: FlaskClient, here: Artefact, instance: Path
) -> None:
    assert post(client, own_graph()).status_code == 201
    newer = json.loads(draft())
    newer["version"] = "2.0.0"
    content = own_graph(**{"manifest.json": json.dumps(newer).encode()})

    refused(post(client, content), 409, "there is a model mine already; replace=true takes its place")
    replaced = post(client, content, "?replace=true")

    assert (replaced.status_code, replaced.json["version"]) == (201, "2.0.0")
    assert client.get("/models/mine").json["version"] == "2.0.0"


def test_a_model_in_use_is_neither_deleted_nor_replaced(
    client: FlaskClient, here: Artefact, instance: Path
) -> None:
    client.post("/emg/sources/arm", json={"channels": 4, "sampling_rate_hz": 200})
    content = zip_of(here)

    refused(client.delete("/models/tiny"), 409, "the model tiny is not deleted: this server runs it, for arm")
    refused(
        post(client, content, "?replace=true"), 409, "the model tiny is not replaced: this server runs it"
    )
    assert artefact.load(here.path).sha256 == here.sha256


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"nothing", "it is damaged or no zip"),
        (
            own_graph(**{"manifest.json": draft(input={"filters": [{"kind": "highpass", "hz": 20}]})}),
            r"input.filters\[0\] takes",
        ),
        (
            own_graph(**{"golden.npz": golden(output=answers(emg()) + 1)}),
            "differ from the golden vectors of mine",
        ),
        (own_graph(**{"model.onnx": b"none"}), "model.onnx: it is damaged or no ONNX file"),
        (own_graph(**{"../evil": b"none"}), "'../evil' cannot be a file of a model"),
        (own_graph(**{"weights.pkl": b"cos\nsystem\n"}), "the zip holds 'weights.pkl'"),
    ],
)
def test_of_what_is_refused_nothing_is_left(
    client: FlaskClient, instance: Path, content: bytes, says: str
) -> None:
    answer = post(client, content)

    refused(answer, 422, says)
    assert str(instance) not in answer.json["detail"]
    assert left(instance) == ["tiny"]


def test_a_body_is_a_zip_that_came_whole(client: FlaskClient, instance: Path) -> None:
    content = own_graph()
    wrong, right = "0" * 64, hashlib.sha256(content).hexdigest()

    refused(post(client, content, kind="application/json"), 415, "the body is a zip")
    refused(post(client, content, kind=""), 415, "got no content type")
    refused(post(client, b""), 400, "the body is empty")
    refused(post(client, content, f"?sha256={wrong}"), 422, f"the body's sha256 is {right}, not {wrong}")
    refused(post(client, content, "?sha256=AB"), 422, "64 hexadecimal digits")
    refused(post(client, content, "?replace=yes"), 422, "must be true or false")
    refused(post(client, bytes(MAX_BODY + 1)), 413, "larger than EMG_MAX_BODY")
    assert left(instance) == ["tiny"]
    assert post(client, content, f"?sha256={right}").status_code == 201


@pytest.mark.parametrize("name", ["none", "..", ".hidden", "%2e%2e", "a b", "x" * 300])
def test_a_model_that_is_not_there(client: FlaskClient, name: str) -> None:
    for path in (f"/models/{name}", f"/models/{name}/archive"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/models/{name}").status_code == 404


def test_a_disk_that_is_full_keeps_nothing(
    client: FlaskClient, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(uploads.ModelUploads, "write", full)
        refused(post(client, own_graph()), 503, "the model cannot be kept: No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(artefact.private_files, "write", full)
        refused(post(client, own_graph()), 503, "the model cannot be kept: No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(shelf, "pack", full)
        refused(client.get("/models/tiny/archive"), 503, "the archive cannot be made: No space left")
    assert left(instance) == ["tiny"]


def test_what_a_process_that_was_killed_has_left_goes_with_the_next(
    client: FlaskClient, instance: Path
) -> None:
    stale = instance / "models" / ".upload-stale"
    stale.mkdir()
    (stale / "model.zip").write_bytes(b"half")

    assert post(client, own_graph()).status_code == 201
    assert left(instance) == ["mine", "tiny"]


def test_as_many_come_in_as_may(client: FlaskClient, app: Flask) -> None:
    runtime: Runtime = app.extensions["runtime"]()
    with runtime.models.uploads.receiving(), runtime.models.uploads.receiving():
        refused(post(client, own_graph()), 503, "2 models are coming in, as many as may")
    assert post(client, own_graph()).status_code == 201


def test_a_model_that_came_with_the_code_is_found_and_only_read(
    client: FlaskClient, instance: Path, shipped: Path
) -> None:
    given = make_artefact(shipped / "given", name="given")

    found = client.get("/models/given").json

    assert names(client) == ["given", "tiny"]
    assert (found["sha256"], found["read_only"]) == (given.sha256, True)
    assert client.get("/models/tiny").json["read_only"] is False
    with client.get("/models/given/archive") as answer:
        assert answer.data == zip_of(given)
    says = "it came with the server; one of its name in EMG_INSTANCE would take its place"
    refused(client.delete("/models/given"), 409, f"the model given is not deleted: {says}")
    for query in ("", "?replace=true"):
        refused(post(client, zip_of(given), query), 409, f"the model given is not replaced: {says}")
    assert artefact.load(shipped / "given").sha256 == given.sha256
    assert left(instance) == ["tiny"]


def test_of_two_models_of_one_name_that_of_the_instance_counts(
    client: FlaskClient, instance: Path, shipped: Path
) -> None:
    given = make_artefact(shipped / "given", name="given")
    own = make_artefact(instance / "models" / "given", name="given", version="2.0.0")

    found = client.get("/models/given").json

    assert names(client) == ["given", "tiny"]
    assert own.sha256 != given.sha256
    assert (found["sha256"], found["read_only"]) == (own.sha256, False)
    assert client.delete("/models/given").status_code == 204
    assert client.get("/models/given").json["sha256"] == given.sha256
