"""A refusal is small and soon there, however large what is refused; and what was cut is not taken for the whole."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

ROUTES = ["/infer", "/infer/onnx", "/infer/stream", "/benchmark", "/emg/recordings"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        {f"field{number}": number for number in range(50_000)},
        {"x" * 100_000: 1},
        {f"{'y' * 2000}{number}": None for number in range(100)},
        {"plan": {"gestures": [[1]] * 50_000}, "votes": ["a"] * 50_000},
        {"emg": {f"field{number}": number for number in range(50_000)}},
    ],
    ids=["many fields", "a long name", "long names", "long lists", "an object for an array"],
)
def test_an_answer_does_not_grow_with_its_question(client: FlaskClient, path: str, body: Any) -> None:
    """Each unknown field was answered in full: 1.9 MB of body gave 36 MB of answer."""
    answer = client.post(path, data=orjson.dumps(body), content_type="application/json")
    assert answer.status_code == 422
    assert len(answer.data) < 8000
    assert len(answer.get_json()["errors"]) <= 11


def test_ten_errors_are_named_and_how_many_more_there_are(client: FlaskClient) -> None:
    errors = client.post("/infer", json={f"field{number}": 1 for number in range(25)}).get_json()["errors"]
    assert len(errors) == 11
    assert errors.pop("...") == ["and 15 more"]
    assert all(error.startswith("unknown field; there are batch, ") for (error,) in errors.values())


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity", "GZIP"])
def test_a_compressed_body_is_415_and_not_taken_for_samples(
    client: FlaskClient, path: str, coding: str
) -> None:
    body = gzip.compress(b"{}")
    for kind in ("application/json", "application/octet-stream"):
        answer = client.post(path, data=body, content_type=kind, headers={"Content-Encoding": coding})
        assert answer.status_code == 415
        assert answer.mimetype == "application/problem+json"
    told = client.post(path, data=body, content_type="application/json", headers={"Content-Encoding": coding})
    assert f"Content-Encoding: {coding} is not taken" in told.get_json()["detail"]


def test_identity_is_no_compression(client: FlaskClient) -> None:
    answer = client.post("/benchmark", json={"num_iterations": 1}, headers={"Content-Encoding": "identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [*ROUTES, "/infer?preprocess=true", "/benchmark?num_iterations=1"])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/octet-stream", ""], ids=["json", "raw", "none"]
)
@pytest.mark.parametrize("body", [b"", b'{"batch": 1}'], ids=["nothing", "a part"])
def test_a_body_that_is_cut_is_refused(client: FlaskClient, path: str, kind: str, body: bytes) -> None:
    """One that was cut before its first byte counted as all defaults: a recording began."""
    answer = client.post(
        path,
        data=body,
        content_type=kind,
        environ_overrides={"CONTENT_LENGTH": "200", "wsgi.input_terminated": True},
    )
    assert answer.status_code in (400, 415)
    if answer.status_code == 400:
        assert f"ended after {len(body)} of its 200 bytes" in answer.get_json()["detail"]
