"""Nothing but numbers reaches numpy, and what is refused costs little more than its own bytes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from app.api.codec.json_numbers import as_array
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
