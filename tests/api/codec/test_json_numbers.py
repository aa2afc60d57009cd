"""Nothing but numbers reaches numpy, and what is refused costs little more than its own bytes."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from app.api.codec.json_numbers import as_array, only_windows
from app.serving.engine.engine import Engine
from tests.api.conftest import CHANNELS, LENGTH

TEXT = "x" * 30_000


@pytest.mark.parametrize(
    "values",
    [["1"], [[1.0, "2"]], [[1], [None]], [[True, 1]], [[{}]], [1, [2]], [[1], 2], [[[[1]]]], [[2**70]]],
    ids=repr,
)
def test_what_is_no_number_is_none(values: list[Any]) -> None:
    assert as_array(values) is None


@pytest.mark.parametrize("values", [[], [[]], [1, 2.5], [[1, 2], [3, 4]], [[[0.5]]]], ids=repr)
def test_numbers_are_an_array_of_the_same_shape(values: list[Any]) -> None:
    array = as_array(values)
    assert array is not None
    assert array.tolist() == values


@pytest.mark.parametrize(
    "values", [[[1, 2], [3, 4]], [[[0.5]]], [[1e5, -2e-7]], [[[[1]]]], [[2**70]]], ids=repr
)
def test_a_body_of_numbers_alone_is_known_by_its_bytes_and_gives_the_same(values: list[Any]) -> None:
    assert only_windows(json.dumps({"emg": values}, indent=2).encode())
    known, looked_at = as_array(values, numbers_only=True), as_array(values)
    assert (known is None) == (looked_at is None)
    if known is not None and looked_at is not None:
        assert (known.dtype, known.tolist()) == (looked_at.dtype, looked_at.tolist())


@pytest.mark.parametrize(
    "body",
    [
        b'{"emg": [["1"]]}',
        b'{"emg": [[1, null]]}',
        b'{"emg": [[true, 1]]}',
        b'{"emg": [[false]]}',
        b'{"emg": [{}]}',
        b'{"emg": [[1]], "batch": 1}',
        b'{"emg": [[1]], "emg": [["x"]]}',
        b"[[1]]",
        b"",
    ],
)
def test_a_body_with_anything_else_is_looked_at_value_by_value(body: bytes) -> None:
    assert not only_windows(body)


def test_rows_of_unequal_length_are_told_apart() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        as_array([[1, 2], [3]])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/infer", "emg"),
        ("/infer/onnx", "emg"),
        ("/infer?preprocess=true", "emg"),
        ("/emg/sources/a/samples", "samples"),
    ],
)
def test_a_text_among_numbers_costs_a_small_multiple_of_the_body(
    client: FlaskClient, path: str, name: str
) -> None:
    """numpy padded each of 10,000 numbers to the text's 30,000 characters: 70 kB of body took 1.2 GB."""
    rows: list[Any] = [[1] * CHANNELS for _ in range(2500)]
    rows[7][1] = TEXT
    body = orjson.dumps({name: rows, **({"first_sample": 0} if name == "samples" else {})})
    tracemalloc.start()
    try:
        answer = client.post(path, data=body, content_type="application/json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code in (404, 409, 422)
    assert peak < 50 * len(body)
    assert len(answer.data) < 2000


def test_an_error_of_a_backend_is_no_reason_to_run_it_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend's own ValueError was taken for a body that is not what it says, and Flask ran the window again."""
    calls = []

    def fail(*_: Any, **__: Any) -> None:
        calls.append(1)
        raise ValueError("the runtime's own")

    monkeypatch.setattr(Engine, "infer", fail)
    window = [[0.0] * CHANNELS] * LENGTH
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.post("/infer", json={"emg": window}).status_code == 500
    assert len(calls) == 1
