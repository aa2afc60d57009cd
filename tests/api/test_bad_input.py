"""Whatever a client sends, it is told what was wrong; it never sees a 500."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.api.conftest import CHANNELS, LENGTH, MAX_BODY

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
POSTS = ["/infer", "/infer/onnx", "/infer/tensorrt", "/infer/stream", "/benchmark"]


def expect_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.get_data())
    answer.close()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    assert body["detail"]
    return body


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "data", [b"{", b"nonsense", b"\xff\xfe", b'{"batch": NaN}', b'{"batch": Infinity}', b""]
)
def test_what_is_not_json_is_a_400(client: FlaskClient, path: str, data: bytes) -> None:
    expect_problem(client.post(path, data=data, content_type=JSON), 400)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("data", [b"[]", b"null", b"1", b'"x"', b"true"])
def test_json_that_is_no_object_is_a_422(client: FlaskClient, path: str, data: bytes) -> None:
    expect_problem(client.post(path, data=data, content_type=JSON), 422)


@pytest.mark.parametrize("path", POSTS)
def test_another_content_type_is_a_415(client: FlaskClient, path: str) -> None:
    expect_problem(client.post(path, data=b"<a/>", content_type="text/xml"), 415)


@pytest.mark.parametrize("path", POSTS)
def test_an_unknown_field_is_named_beside_those_there_are(client: FlaskClient, path: str) -> None:
    body = expect_problem(client.post(path, json={"bach": 1}), 422)
    assert "unknown field" in body["errors"]["bach"][0]


@pytest.mark.parametrize("value", ["1", True, 1.5, None, [], {}, -1, 0, 257, 10**30, -(10**30)])
def test_a_batch_that_is_no_whole_number_from_1_to_256_is_a_422(client: FlaskClient, value: Any) -> None:
    data = json.dumps({"batch": value})
    answer = client.post("/infer", data=data, content_type=JSON)
    assert answer.status_code in (400, 422)
    expect_problem(answer, answer.status_code)


@pytest.mark.parametrize(("field", "own"), [("channels", CHANNELS), ("length", LENGTH)])
def test_a_wrong_shape_is_told_what_the_model_takes(client: FlaskClient, field: str, own: int) -> None:
    body = expect_problem(client.post("/infer", json={field: own + 1}), 422)
    assert str(own) in body["errors"][field][0]


STREAMS: list[dict[str, Any]] = [
    *({"duration_seconds": value} for value in (0, -1, 1e300, "1", True)),
    *({"fps": value} for value in (0, -1, 201, 1e300, "30", True, None)),
    {"source": "nobody"},
    {"source": ""},
    {"source": 1},
    {"backend": "cuda"},
    {"votes": 0},
    {"votes": 1.5},
    {"min_confidence": 1.1},
    {"min_confidence": -0.1},
    *({name: value} for name in ("enter", "leave", "change") for value in (1.1, -0.1, "0.5", True)),
    {"use_tensorrt": 1},
    {"preprocess": "yes"},
    {"include_signal": None},
]


@pytest.mark.parametrize("options", STREAMS, ids=str)
def test_a_stream_that_cannot_be_is_refused_before_its_first_byte(
    client: FlaskClient, options: dict[str, Any]
) -> None:
    body = expect_problem(client.post("/infer/stream", json=options), 422)
    assert set(body["errors"]) == set(options)


@pytest.mark.parametrize("value", [0, -1, 100_001, "5", 2.5, False])
def test_a_benchmark_takes_1_to_100000_iterations(client: FlaskClient, value: Any) -> None:
    expect_problem(client.post("/benchmark", json={"num_iterations": value}), 422)


EMGS: dict[str, Any] = {
    "empty": [],
    "ragged": [[1, 2, 3, 4], [1]],
    "text": "abc",
    "texts": [["a"] * CHANNELS] * LENGTH,
    "null": None,
    "nulls": [[None] * CHANNELS] * LENGTH,
    "booleans": [[True] * CHANNELS] * LENGTH,
    "one dimension": [1.0] * CHANNELS * LENGTH,
    "four dimensions": [[[[1.0] * CHANNELS] * LENGTH]],
    "wrong channels": [[1.0] * (CHANNELS + 1)] * LENGTH,
    "wrong length": [[1.0] * CHANNELS] * (LENGTH - 1),
    "above float32": [[1e300] * CHANNELS] * LENGTH,
    "huge whole numbers": [[2**63] * CHANNELS] * LENGTH,
    "too many": [[[0] * CHANNELS] * LENGTH] * 257,
}
VALID_ANYWAY = {"huge whole numbers", "one dimension"}


@pytest.mark.parametrize("name", [name for name in EMGS if name not in VALID_ANYWAY])
@pytest.mark.parametrize("more", [{}, {"source": None}], ids=["fast path", "flask"])
def test_emg_that_is_no_window_of_the_model_is_a_422(
    client: FlaskClient, name: str, more: dict[str, Any]
) -> None:
    expect_problem(client.post("/infer", json={"emg": EMGS[name], **more}), 422)


def npy(array: np.ndarray, pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickle)
    return file.getvalue()


def crafted(header: str, version: int = 1) -> bytes:
    text = header.encode() + b"\n"
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


WINDOW = np.zeros((LENGTH, CHANNELS), np.float32)
NPYS = {
    "pickle": npy(np.array([{"a": 1}], dtype=object), pickle=True),
    "negative shape": crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}"),
    "claims much": crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 4)}"),
    "huge header": crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (20, 4)}" + " " * 60000),
    "truncated": npy(WINDOW)[:-7],
    "truncated header": npy(WINDOW)[:9],
    "trailing": npy(WINDOW) + b"xxxx",
    "texts": npy(np.array(["a", "b"])),
    "nan": npy(np.full((LENGTH, CHANNELS), np.nan, np.float32)),
    "infinite": npy(np.full((LENGTH, CHANNELS), np.inf, np.float32)),
    "above float32": npy(np.full((LENGTH, CHANNELS), 1e300)),
    "structured": npy(np.zeros(4, [("a", "<f4")])),
    "nonsense": b"nonsense",
    "deep header": crafted("(" * 3000),
}


@pytest.mark.parametrize("name", NPYS)
def test_an_npy_that_cannot_be_trusted_is_a_422(client: FlaskClient, name: str) -> None:
    expect_problem(client.post("/infer", data=NPYS[name], content_type=NPY), 422)


@pytest.mark.parametrize("shape", [f"(0, {2**63})", f"(True, {LENGTH}, {CHANNELS})"])
def test_an_npy_whose_sides_are_no_lengths_is_a_422(client: FlaskClient, shape: str) -> None:
    header = crafted(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}")
    body = b"" if shape.startswith("(0") else WINDOW.tobytes()
    expect_problem(client.post("/infer", data=header + body, content_type=NPY), 422)


@pytest.mark.parametrize(
    "data",
    [b"abc", bytes(4), bytes(4 * LENGTH * CHANNELS + 4), np.full(80, np.nan, "<f4").tobytes()],
    ids=["not a multiple of 4", "no whole window", "one value too many", "nan"],
)
def test_raw_bytes_that_make_no_windows_are_a_422(client: FlaskClient, data: bytes) -> None:
    expect_problem(client.post("/infer", data=data, content_type=RAW), 422)


@pytest.mark.parametrize("kind", [NPY, RAW])
def test_an_empty_binary_body_is_a_400(client: FlaskClient, kind: str) -> None:
    expect_problem(client.post("/infer", data=b"", content_type=kind), 400)


@pytest.mark.parametrize("kind", [JSON, NPY, RAW])
def test_a_body_above_the_limit_is_a_413(client: FlaskClient, kind: str) -> None:
    expect_problem(client.post("/infer", data=bytes(MAX_BODY + 1), content_type=kind), 413)


def test_a_batch_that_contradicts_the_windows_is_a_422(client: FlaskClient) -> None:
    body = expect_problem(client.post("/infer", json={"emg": WINDOW.tolist(), "batch": 2}), 422)
    assert "batch is 2" in body["detail"]


def test_an_unknown_page_is_a_404(client: FlaskClient) -> None:
    expect_problem(client.get("/nowhere"), 404)


@pytest.mark.parametrize("value", ["", "gpu", "pytorch,", "pytorch onnxruntime", ["pytorch"], 1, True])
def test_a_benchmark_takes_names_of_backends(client: FlaskClient, value: Any) -> None:
    expect_problem(client.post("/benchmark", json={"backends": value}), 422)


@pytest.mark.parametrize("path", ["/infer", "/benchmark"])
def test_another_method_is_a_405_that_names_the_right_one(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert "POST" in answer.headers["Allow"]
    expect_problem(answer, 405)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ["batch", "channels", "length", "steps", "emg", "preprocess", "fps", "votes", "backend", "source"]
objects = st.dictionaries(st.sampled_from([*FIELDS, "num_iterations", "x"]), values, max_size=4)
calm = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", POSTS)
@calm
@given(value=objects | values)
def test_no_json_gives_a_500(client: FlaskClient, path: str, value: Any) -> None:
    if isinstance(value, dict) and path == "/benchmark":
        value = {"num_iterations": "x"} | value  # without it, a thousand iterations
        if isinstance(value["num_iterations"], int):
            value["num_iterations"] = -1
    with client.post(path, data=json.dumps(value), content_type=JSON, buffered=False) as answer:
        assert answer.status_code < 500 or answer.status_code == 503


@pytest.mark.parametrize("path", POSTS)
@calm
@given(data=st.binary(min_size=1, max_size=400), kind=st.sampled_from([JSON, NPY, RAW, "a/b", "\xe9"]))
def test_no_bytes_give_a_500(client: FlaskClient, path: str, data: bytes, kind: str) -> None:
    if path == "/benchmark" and data.strip() == b"{}":
        return
    with client.post(path, data=data, content_type=kind) as answer:
        assert answer.status_code < 500 or answer.status_code == 503


DTYPES = ["<f4", ">f4", "<f8", "<f2", "<i2", ">i8", "|u1", "|b1", "<c8", "<U3", "<M8[s]"]
ONE = (LENGTH, CHANNELS)
SHAPES = [ONE, ONE, (2, *ONE), (LENGTH * CHANNELS,), (0, *ONE), (1, 2, 2, 2), ()]
OTHERS = {  # what a header may say instead
    "descr": ["|O", "<f16", "|V0", "i", "<f4,<f4", [("a", "<f4")], ("<f4", (4,)), "", None, 4],
    "fortran_order": [True, False, 1, None],
    "shape": [
        (-1, 4),
        (20.0, 4),
        [20, 4],
        80,
        ((20, 4),),
        (2**64, 4),
        (0, 2**63),
        (True, LENGTH, CHANNELS),
        (LENGTH, CHANNELS + 1),
        "",
        None,
    ],
}


@st.composite
def npys(draw: st.DrawFn) -> bytes:
    """An array as numpy would write it; often with one thing changed in the header, or some bytes anywhere."""
    array = np.ones(draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES)))
    array = np.asarray(array, order=draw(st.sampled_from("CF")))
    change = draw(st.sampled_from(["nothing", "header", "bytes of the header", "bytes of the body"]))
    fields = np.lib.format.header_data_from_array_1_0(array)
    if change == "header":
        name = draw(st.sampled_from(list(OTHERS)))
        fields[name] = draw(st.sampled_from(OTHERS[name]))
    version = draw(st.sampled_from([1, 1, 2, 2, 3]))
    header, body = bytearray(crafted(repr(fields), version)), bytearray(array.tobytes("A"))
    if change.startswith("bytes"):
        part = header if change.endswith("header") else body
        at = draw(st.integers(0, len(part)))
        part[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(header + body)


@pytest.mark.filterwarnings("ignore")  # as in a server, which a warning does not stop
@pytest.mark.parametrize("path", ["/infer", "/infer?preprocess=true"], ids=["fast path", "flask"])
@settings(calm, max_examples=200)
@given(data=npys())
def test_an_npy_that_was_changed_is_taken_or_refused_with_a_reason(
    client: FlaskClient, path: str, data: bytes
) -> None:
    with client.post(path, data=data, content_type=NPY) as answer:
        if answer.status_code != 200:
            assert answer.status_code in (400, 422)
            expect_problem(answer, answer.status_code)
