"""What a job says in sentences it says by codes too, and what it found of the labels lies beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app import create_app
from app.inference import artefact
from tests.api.conftest import pushed_to
from tests.api.routes.test_jobs import over, train
from tests.inference.artefacts import make_artefact
from tests.serving.jobs.taught import record

DELAY_S = 0.4


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there, aside = tmp_path_factory.mktemp("instance"), tmp_path_factory.mktemp("aside")
    make_artefact(there / "models" / "own", name="own", classes=("rest", "fist", "open", "point"))
    record(there, "anna", aside, delay_s=DELAY_S)
    record(there, "alike", aside, same=[(2, 1)])
    record(there, "lazy", aside, names=("rest", "fist"), weak=(1,))
    record(there, "short", aside, held_s=0.3)
    return there


@pytest.fixture(scope="module")
def client(instance: Path) -> Iterator[FlaskClient]:
    own = artefact.find("own", instance / "models")
    runtime = pushed_to(own, instance=instance, model="own")
    yield create_app(runtime).test_client()
    runtime.close()


def test_each_sentence_of_advice_has_its_code_and_values(client: FlaskClient) -> None:
    result = over(client, train(client, "alike", "alike"))["result"]
    assert [hint["text"] for hint in result["advised"]] == result["advice"]
    found = {hint["code"]: hint["values"] for hint in result["advised"]}
    assert found["short"] == {"gestures": ["fist", "open", "point"], "every": True, "seconds": 4.0}
    pair = found.get("mistaken") or found["taken_for"]
    assert set(pair["gestures"]) == {"fist", "open"}


@pytest.mark.parametrize(("name", "code"), [("lazy", "guessing"), ("short", "too_short")])
def test_a_failure_has_a_code_beside_its_sentence(client: FlaskClient, name: str, code: str) -> None:
    job = over(client, train(client, name, name))
    assert job["state"] == "failed"
    assert job["failure"]["code"] == code
    assert job["error"]


def test_what_goes_well_has_no_problem(client: FlaskClient, instance: Path) -> None:
    """And the edges that it found are in the download, as late as the person was."""
    folder = instance / "recordings" / "anna"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    job = over(client, train(client, "mine", "anna"))
    assert (job["state"], job["failure"]) == ("done", None)
    with client.get("/emg/recordings/anna/download?format=npz") as answer:
        content = answer.get_data()
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays: dict[str, Any] = {key: file[key] for key in file.files}
    cue, edge = arrays["edges"].T
    np.testing.assert_allclose((edge - cue) / arrays["fs"], DELAY_S, atol=0.06)
    assert str(arrays["edges_model"]) == "mine"
    assert (arrays["label_refined"] != arrays["label"]).any()
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert client.delete("/emg/recordings/anna").status_code == 204
    assert not folder.exists()
