"""`/emg/devices` and `/emg/source`: what is listed can be chosen, and what may not be is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from marshmallow import RAISE

from app import create_app
from app.api.routes.devices import shown
from app.api.schemas import devices as schemas
from app.api.schemas import emg as emg_schemas
from app.api.sse import events as sse
from app.config import Settings
from app.emg.devices import Device
from app.serving.build import make_runtime
from app.serving.runtime import Runtime
from app.serving.sources.chosen_settings import NAMES
from tests.api.conftest import pushed_to
from tests.inference.artefacts import make_artefact


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A server with the simulator of a small model, that listens for probes at every address."""
    folder = tmp_path_factory.mktemp("instance")
    make_artefact(folder / "tiny")
    settings = Settings(
        model=str(folder / "tiny"), backends=("pytorch",), instance=folder, otb_bind=("127.0.0.2", 0)
    )
    runtime = make_runtime(settings, sse.encode)
    runtime.start()
    yield runtime
    runtime.close()


@pytest.fixture
def client(own: Runtime) -> FlaskClient:
    return create_app(own).test_client()


def test_all_that_is_listed_is_as_documented_and_may_be_chosen_as_it_stands(client: FlaskClient) -> None:
    answer = client.get("/emg/devices?seconds=0")
    assert answer.status_code == 200
    found = answer.get_json()
    assert schemas.DevicesSchema(unknown=RAISE).validate(found) == {}
    kinds = {device["kind"] for device in found["devices"]}
    assert {"simulator", "otb"} <= kinds
    for device in found["devices"]:
        assert set(device["settings"]) <= set(NAMES), device
        assert "EMG_MODE" in device["settings"]
    assert found["current"]["EMG_MODE"] == "dummy"


def test_where_a_probe_dials_in_is_not_among_what_may_be_chosen() -> None:
    """It was, where the server listens wider than on this machine: its own list was refused."""
    probe = Device(
        kind="otb",
        name="muovi",
        there=True,
        settings={"EMG_MODE": "otb", "EMG_OTB": "muovi", "EMG_OTB_BIND": "0.0.0.0"},
    )
    assert shown(probe)["settings"] == {"EMG_MODE": "otb", "EMG_OTB": "muovi"}


def test_the_settings_of_now_may_be_chosen_again(client: FlaskClient, own: Runtime) -> None:
    current = client.get("/emg/devices?seconds=0").get_json()["current"]
    before = own.pipelines.named().acquisition
    answer = client.put("/emg/source", json={"settings": current})
    assert answer.status_code == 200, answer.text
    assert emg_schemas.SourceSchema(unknown=RAISE).validate(answer.get_json()) == {}
    assert own.pipelines.named().acquisition is before  # nothing was to be done


def test_a_source_is_chosen_and_left_again(client: FlaskClient) -> None:
    chosen = {"EMG_MODE": "dummy", "EMG_MODEL": "none", "EMG_CH": "3", "EMG_FS": "500"}
    source = client.put("/emg/source", json={"settings": chosen}).get_json()
    assert (source["channels"], source["sampling_rate_hz"], source["model"]) == (3, 500.0, None)
    assert client.get("/emg/devices?seconds=0").get_json()["current"] == chosen
    assert "fitting_models" in client.get("/health").get_json()
    back = client.delete("/emg/source").get_json()
    assert (back["channels"], back["model"]) == (4, "tiny")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"settings": {"EMG_MODE": "nonsense"}}, 422, "EMG_MODE='nonsense' is not allowed"),
        ({"settings": {"EMG_MODE": "realtime", "EMG_PORT": "/dev/ttyNONE9"}}, 503, "/dev/ttyNONE9"),
        ({"settings": {"EMG_MODE": "brainflow", "EMG_BOARD": "synthetc"}}, 422, "synthetic"),
        ({"settings": {"EMG_MODE": "dummy", "EMG_CHANNELS": "1-9"}}, 422, "EMG_CHANNELS=1-9"),
        ({"settings": {"EMG_MODE": "dummy", "EMG_MODEL": "none", "EMG_FS": "1"}}, 422, "10 Hz at least"),
        (
            {"settings": {"EMG_MODE": "dummy", "EMG_API_KEYS": "x"}},
            422,
            "EMG_API_KEYS is no setting of a source",
        ),
        ({"settings": {"EMG_MODE": 1}}, 422, "settings"),
        ({"settings": "EMG_MODE=dummy"}, 422, "settings"),
        ({}, 422, "settings"),
    ],
)
def test_what_cannot_be_read_is_refused_and_said(
    client: FlaskClient, own: Runtime, body: dict, status: int, words: str
) -> None:
    before = own.pipelines.named().acquisition
    answer = client.put("/emg/source", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert own.pipelines.named().acquisition is before
    assert before.state == "running"


def test_a_server_to_which_clients_push_keeps_to_that(tmp_path: Path) -> None:
    runtime = pushed_to(make_artefact(tmp_path / "tiny"))
    client = create_app(runtime).test_client()
    for answer in (
        client.put("/emg/source", json={"settings": {"EMG_MODE": "dummy"}}),
        client.delete("/emg/source"),
    ):
        assert answer.status_code == 409
    runtime.close()
