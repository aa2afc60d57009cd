"""`/emg`: sources that clients declare and push, and what is said of them."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from marshmallow import RAISE

from app import create_app
from app.api.routes import emg as routes
from app.api.schemas import emg as emg_schemas
from app.emg.pushed_source import PushSource
from app.errors import TooFastError
from app.inference.artefact import Artefact
from app.serving.runtime import Runtime
from app.serving.sources import acquisition
from tests.api.conftest import CHANNELS, LENGTH, pushed_to
from tests.inference.artefacts import make_artefact

DECLARED = {"channels": CHANNELS, "sampling_rate_hz": 200}
ARM, SAMPLES = "/emg/sources/arm", "/emg/sources/arm/samples"
RAW = "application/octet-stream"
Until = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return make_artefact(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def open_door(artefact: Artefact) -> Iterator[Runtime]:
    runtime = pushed_to(artefact)
    yield runtime
    runtime.close()


@pytest.fixture
def pushing(open_door: Runtime) -> FlaskClient:
    return create_app(open_door).test_client()


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, CHANNELS)).astype("<f4")


def test_a_declared_source_is_listed_and_is_the_default(pushing: FlaskClient) -> None:
    assert pushing.get("/emg/sources").get_json() == {"default": None, "sources": []}
    declared = pushing.post(ARM, json=DECLARED)
    assert declared.status_code == 201
    assert emg_schemas.SourceSchema(unknown=RAISE).validate(declared.get_json()) == {}
    listed = pushing.get("/emg/sources").get_json()
    assert (listed["default"], [source["name"] for source in listed["sources"]]) == ("arm", ["arm"])
    assert pushing.get(ARM).get_json()["state"] == "starting"


def test_declaring_the_same_again_goes_on_where_it_was(pushing: FlaskClient) -> None:
    pushing.post(ARM, json=DECLARED)
    pushing.post(f"{SAMPLES}?first_sample=0", data=noise(7).tobytes(), content_type=RAW)
    again = pushing.post(ARM, json=DECLARED)
    assert (again.status_code, again.get_json()["next_sample"]) == (200, 7)


def test_declaring_it_otherwise_is_a_conflict_that_names_both(pushing: FlaskClient) -> None:
    pushing.post(ARM, json={**DECLARED, "units": "uV"})
    answer = pushing.post(ARM, json={**DECLARED, "units": "mV"})
    assert answer.status_code == 409
    assert "is open in other units than mV (times 1, they are uV)" in answer.get_json()["detail"]
    same = pushing.post(ARM, json={**DECLARED, "units": "microvolts"})
    assert same.status_code == 200


@pytest.mark.parametrize(
    ("units", "scale"), [("mV", 1e3), ("UV", 1), ("microvolts", 1), ("\u00b5V", 1), ("V", 1e6), ("nV", 1e-3)]
)
def test_units_that_are_known_become_the_models_and_that_is_said(
    pushing: FlaskClient, open_door: Runtime, until: Until, units: str, scale: float
) -> None:
    """In mV on a model in uV they were taken as they were: a fist became rest."""
    declared = pushing.post(ARM, json={**DECLARED, "units": units}).get_json()
    assert (declared["units"], declared["scale"]) == ("uV", scale)
    pushing.post(SAMPLES, json={"first_sample": 0, "samples": (noise(3) / scale).tolist()})
    pushing.post(
        f"{SAMPLES}?first_sample=3", data=(noise(3) / scale).astype("<f4").tobytes(), content_type=RAW
    )
    pipeline = open_door.pipelines.named("arm")
    heard: list[np.ndarray] = []
    pipeline.acquisition.taps.append(lambda chunk, _: heard.append(chunk.samples))
    pushing.post(
        f"{SAMPLES}?first_sample=6", data=(noise(3) / scale).astype("<f4").tobytes(), content_type=RAW
    )
    until(lambda: pipeline.acquisition.samples == 9 and heard)
    np.testing.assert_allclose(heard[-1][-3:], noise(3), rtol=1e-5)  # with what waited before it


@pytest.mark.parametrize("units", ["counts", "furlongs", "uA", "0"])
def test_units_that_cannot_be_converted_are_refused_with_those_that_can(
    pushing: FlaskClient, units: str
) -> None:
    answer = pushing.post(ARM, json={**DECLARED, "units": units})
    assert answer.status_code == 422
    assert f"units '{units}' cannot be made into uV" in answer.get_json()["detail"]
    assert "V, mV, uV, nV" in answer.get_json()["detail"]


def test_samples_come_as_json_float32_and_int16(
    pushing: FlaskClient, open_door: Runtime, until: Until
) -> None:
    pushing.post(ARM, json=DECLARED)
    emg = np.round(noise(3) * 10)
    as_json = pushing.post(SAMPLES, json={"first_sample": 0, "samples": emg.tolist()})
    floats = pushing.post(f"{SAMPLES}?first_sample=3", data=emg.tobytes(), content_type=RAW)
    counts = pushing.post(
        f"{SAMPLES}?first_sample=6&dtype=int16&scale=0.5",
        data=(emg * 2).astype("<i2").tobytes(),
        content_type=RAW,
    )
    answers = [answer.get_json() for answer in (as_json, floats, counts)]
    assert [answer["next_sample"] for answer in answers] == [3, 6, 9]
    ring = open_door.pipelines.named("arm").ring
    until(lambda: ring.newest == 9)
    assert ring.gaps.number == 0


def test_a_sound_push_is_answered_without_flask_as_with_it(pushing: FlaskClient, open_door: Runtime) -> None:
    """A media type with a parameter is not plain: that request goes to the view."""
    pushing.post(ARM, json=DECLARED)
    chunk = noise(5).tobytes()
    fast = pushing.post(f"{SAMPLES}?first_sample=0", data=chunk, content_type=RAW)
    slow = pushing.post(f"{SAMPLES}?first_sample=5", data=chunk, content_type=f"{RAW}; v=1")
    assert fast.get_json() == {"accepted": 5, "duplicates": 0, "lost_samples": 0, "next_sample": 5}
    assert slow.get_json() == {**fast.get_json(), "next_sample": 10}
    assert fast.content_type == slow.content_type


def test_a_stream_of_a_pushed_source_has_its_frames(
    pushing: FlaskClient, until: Until, open_door: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisition, "STALL_S", 60.0)  # however slow this machine is
    pushing.post(ARM, json=DECLARED)
    pushing.post(f"{SAMPLES}?first_sample=0", data=noise(10 * LENGTH).tobytes(), content_type=RAW)
    until(lambda: open_door.pipelines.named("arm").ring.newest == 10 * LENGTH)
    answer = pushing.post("/infer/stream", json={"source": "arm", "fps": 10, "duration_seconds": 0.1})
    frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert frames[0]["sample_index"] == 10 * LENGTH
    assert frames[0]["truth"] is None


def test_windows_can_be_taken_from_a_pushed_source(
    pushing: FlaskClient, until: Until, open_door: Runtime
) -> None:
    pushing.post(ARM, json=DECLARED)
    pushing.post(f"{SAMPLES}?first_sample=0", data=noise(LENGTH).tobytes(), content_type=RAW)
    until(lambda: open_door.pipelines.named("arm").ring.newest == LENGTH)
    assert pushing.post("/infer", json={"source": "arm"}).status_code == 200


def test_a_deleted_source_is_gone_and_its_name_free(pushing: FlaskClient) -> None:
    pushing.post(ARM, json=DECLARED)
    assert pushing.delete(ARM).status_code == 204
    assert pushing.get(ARM).status_code == 404
    assert pushing.post(f"{SAMPLES}?first_sample=0", data=b"", content_type=RAW).status_code == 404
    assert pushing.post(ARM, json=DECLARED).status_code == 201


def test_a_source_that_vanishes_ends_and_makes_room(artefact: Artefact, until: Until) -> None:
    runtime = pushed_to(artefact, source_idle_s=0.2)
    try:
        client = create_app(runtime).test_client()
        client.post(ARM, json=DECLARED)
        until(lambda: client.get("/emg/sources").get_json()["sources"] == [])
    finally:
        runtime.close()


def test_there_are_as_many_sources_as_the_operator_allows(pushing: FlaskClient) -> None:
    for name in ("one", "two"):
        assert pushing.post(f"/emg/sources/{name}", json=DECLARED).status_code == 201
    refused = pushing.post("/emg/sources/three", json=DECLARED)
    assert refused.status_code == 503
    assert "EMG_MAX_SOURCES" in refused.get_json()["detail"]
    assert "Retry-After" in refused.headers


def test_without_any_source_the_server_is_ready_and_says_what_to_do(pushing: FlaskClient) -> None:
    """Were it not ready, no traffic would reach it, and nobody could declare one."""
    assert pushing.get("/health/ready").status_code == 200
    assert pushing.get("/health").get_json()["source"] is None
    for answer in (pushing.post("/infer"), pushing.post("/infer/stream"), pushing.get("/emg/quality")):
        assert answer.status_code == 503
        assert "POST /emg/sources/<name>" in answer.get_json()["detail"]


def test_a_client_that_outruns_its_rate_is_told_when_to_go_on(pushing: FlaskClient) -> None:
    pushing.post(ARM, json=DECLARED)
    chunk = noise(3000).tobytes()
    answers = [
        pushing.post(f"{SAMPLES}?first_sample={3000 * k}", data=chunk, content_type=RAW) for k in range(4)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "required"),
        ({**DECLARED, "channels": 5}, "the source has 5 channels and the model tiny reads 4"),
        ({**DECLARED, "sampling_rate_hz": 20}, "a source of 20 Hz holds nothing above 10 Hz"),
        ({**DECLARED, "channels": "4"}, "whole number"),
        ({**DECLARED, "channels": 0}, "whole number"),
        ({**DECLARED, "sampling_rate_hz": -1}, "above 0"),
        ({**DECLARED, "units": ""}, "1"),
        ({**DECLARED, "colour": "red"}, "unknown field"),
        ([], "JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_declaration_says_what_is_right(pushing: FlaskClient, body: Any, says: str) -> None:
    answer = pushing.post(ARM, json=body)
    assert answer.status_code == 422
    assert says in json.dumps(answer.get_json())


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "a%00b", "x" * 65, "%2e%2e", "na\u00efve"])
def test_a_name_is_plain(pushing: FlaskClient, name: str) -> None:
    answer = pushing.post(f"/emg/sources/{name}", json=DECLARED)
    assert answer.status_code in (404, 405, 422)  # some never reach the route
    assert pushing.get("/emg/sources").get_json()["sources"] == []


@pytest.mark.parametrize(
    ("query", "data", "says"),
    [
        ("", b"\0" * 16, "first_sample"),
        ("?first_sample=-1", b"\0" * 16, "whole number"),
        ("?first_sample=1e400", b"\0" * 16, "whole number"),
        ("?first_sample=9007199254740992", b"\0" * 16, "whole number"),
        ("?first_sample=0", b"\0" * 15, "multiple of 16 bytes"),
        ("?first_sample=0", b"", "multiple of 16 bytes"),
        ("?first_sample=0&dtype=float64", b"\0" * 16, "float32"),
        ("?first_sample=0&scale=0", b"\0" * 16, "above 0"),
        ("?first_sample=0", np.full(4, np.inf, "<f4").tobytes(), "infinite"),
    ],
)
def test_wrong_samples_say_what_is_right(pushing: FlaskClient, query: str, data: bytes, says: str) -> None:
    pushing.post(ARM, json=DECLARED)
    answer = pushing.post(SAMPLES + query, data=data, content_type=RAW)
    assert answer.status_code == 422
    assert says in json.dumps(answer.get_json())


@pytest.mark.parametrize("samples", [[], [1, 2, 3, 4], "none"], ids=["none", "one row", "text"])
def test_samples_that_are_no_rows_are_refused_in_words_of_samples(
    pushing: FlaskClient, samples: object
) -> None:
    """They were told of windows and batches, which are what /infer takes."""
    pushing.post(ARM, json=DECLARED)
    answer = pushing.post(SAMPLES, json={"first_sample": 0, "samples": samples})
    assert answer.status_code == 422
    (told,) = answer.get_json()["errors"]["samples"]
    assert told == "must be nested lists of numbers: (n, channels), one sample at least"


@pytest.mark.parametrize("query", ["first_sample=0", "first_sample=9007199254740992", "scale=0.5", "x=1"])
def test_a_query_beside_json_is_refused_and_not_lost(pushing: FlaskClient, query: str) -> None:
    pushing.post(ARM, json=DECLARED)
    body = {"first_sample": 0, "samples": [[0.0] * CHANNELS]}
    answer = pushing.post(f"{SAMPLES}?{query}", json=body)
    assert (answer.status_code, "query" in answer.get_json()["errors"]) == (422, True)
    assert pushing.post(SAMPLES, json=body).get_json()["accepted"] == 1


def test_samples_of_another_media_type_are_refused(pushing: FlaskClient) -> None:
    pushing.post(ARM, json=DECLARED)
    assert pushing.post(SAMPLES, data=b"1,2,3,4", content_type="text/csv").status_code == 415


def test_rows_of_another_width_say_how_many_channels_there_are(pushing: FlaskClient) -> None:
    pushing.post(ARM, json=DECLARED)
    answer = pushing.post(SAMPLES, json={"first_sample": 0, "samples": [[1, 2, 3]]})
    assert answer.status_code == 422
    assert "(n, 4)" in answer.get_json()["detail"]


def test_the_servers_own_source_is_no_ones_to_push_declare_or_end(client: FlaskClient) -> None:
    name = client.get("/emg/sources").get_json()["default"]
    push = client.post(f"/emg/sources/{name}/samples", json={"first_sample": 0, "samples": [[1, 2, 3, 4]]})
    assert (push.status_code, client.delete(f"/emg/sources/{name}").status_code) == (409, 409)
    declared = client.post(ARM, json=DECLARED)
    assert declared.status_code == 409
    assert "EMG_MODE=push" in declared.get_json()["detail"]


def test_quality_is_told_for_every_channel(client: FlaskClient) -> None:
    answer = client.get("/emg/quality")
    assert emg_schemas.QualitySchema(unknown=RAISE).validate(answer.get_json()) == {}
    assert [channel["channel"] for channel in answer.get_json()["channels"]] == list(range(CHANNELS))


@pytest.mark.parametrize("path", ["/emg/quality?source=nobody", "/infer/stream?source=nobody"])
def test_an_unknown_source_says_which_there_are(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert "there is live" in answer.get_json()["errors"]["source"][0]


def test_a_source_may_be_called_by_a_number(pushing: FlaskClient) -> None:
    """The query's values were read as JSON, and a source called 7 could not be named in one."""
    pushing.post("/emg/sources/7", json=DECLARED)
    assert pushing.get("/emg/quality?source=7").get_json()["source"] == "7"
    assert pushing.get("/emg/quality?source=null").get_json()["source"] == "7"  # the default one


def test_own_windows_come_from_no_source(client: FlaskClient) -> None:
    emg = np.zeros((LENGTH, CHANNELS)).tolist()
    answer = client.post("/infer", json={"emg": emg, "source": "live"})
    assert answer.status_code == 422
    assert "source" in answer.get_json()["errors"]


def messages(first: int, count: int) -> bytes:
    """A record of an upload."""
    message = struct.pack("<BBBBIQ", 1, 1, 0, 0, count, first) + noise(count).tobytes()
    return struct.pack("<I", len(message)) + message


def test_where_there_is_no_live_socket_it_is_said_what_has_one(pushing: FlaskClient) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = pushing.get(f"{ARM}/live?channels={CHANNELS}&sampling_rate_hz=200", headers=upgrade)
    assert answer.status_code == 501
    assert "gunicorn" in answer.get_json()["detail"]


UPLOAD = "application/x-myostream-samples"


@pytest.mark.parametrize("chunked", [True, False])
def test_an_upload_may_be_larger_in_all_than_any_body(artefact: Artefact, chunked: bool) -> None:
    """Each record has the bound of a body; Flask's own was of all of them together."""
    runtime = pushed_to(artefact, max_body=20_000)
    try:
        client = create_app(runtime).test_client()
        client.post(ARM, json=DECLARED)
        body = b"".join(messages(20 * k, 20) for k in range(150))
        assert len(body) > 2 * runtime.settings.max_body
        chunks = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
        asked: dict[str, Any] = chunks if chunked else {"data": body}
        answer = client.post(SAMPLES, content_type=UPLOAD, **asked)
        assert (answer.status_code, answer.get_json()["accepted"]) == (200, 3000), answer.get_json()
    finally:
        runtime.close()


def test_an_upload_that_is_too_fast_is_read_more_slowly_and_not_refused(
    pushing: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleeping = SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept))
    monkeypatch.setattr(routes, "time", sleeping)
    pushing.post(ARM, json=DECLARED)
    refusals = iter([TooFastError("too fast", 7.0)] * 20)
    push = PushSource.push

    def slow(self: PushSource, *given: Any) -> Any:
        for refusal in refusals:
            raise refusal
        return push(self, *given)

    monkeypatch.setattr(PushSource, "push", slow)
    answer = pushing.post(SAMPLES, data=messages(0, 20), content_type=UPLOAD)
    assert (answer.status_code, answer.get_json()["accepted"]) == (200, 20)
    assert slept == [1.0] * 20


def test_an_upload_whose_source_is_gone_ends_where_it_was(
    pushing: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushing.post(ARM, json=DECLARED)
    push = PushSource.push

    def withdrawn(self: PushSource, *given: Any) -> Any:
        taken = push(self, *given)
        assert pushing.application.test_client().delete(ARM).status_code == 204
        return taken

    monkeypatch.setattr(PushSource, "push", withdrawn)
    answer = pushing.post(SAMPLES, data=messages(0, 20) + messages(20, 20), content_type=UPLOAD)
    assert answer.status_code == 409
    assert "the source arm has ended, or been declared anew" in answer.get_json()["detail"]


def test_a_long_upload_leaves_the_others_their_turn_however_short_its_records(
    pushing: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that has come is read without a wait, so that nobody else was answered for seconds."""
    turns: list[float] = []
    monkeypatch.setattr(routes, "time", SimpleNamespace(sleep=turns.append, monotonic=time.monotonic))
    pushing.post(ARM, json=DECLARED)
    record = struct.pack("<BBBBIQ", 1, 1, 0, 0, 1, 0) + noise(1).tobytes()
    body = (struct.pack("<I", len(record)) + record) * (5 * routes.TURN)
    answer = pushing.post(SAMPLES, data=body, content_type="application/x-myostream-samples")
    assert (answer.status_code, answer.get_json()["duplicates"]) == (200, 5 * routes.TURN - 1)
    assert turns == [0] * 5
