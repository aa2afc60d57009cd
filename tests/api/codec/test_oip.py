"""The Open Inference Protocol as bytes: what is read of a request, and what is written of an answer."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.codec.oip import DTYPES, OipRequest, OutputTensor, choose, read_request, write_answer
from app.errors import DataError

Json = dict[str, Any]


def asked(*inputs: Json, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def one(**more: Any) -> Json:
    return {"name": "emg", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4], **more}


@pytest.mark.parametrize("datatype", [kind for kind in DTYPES if kind != "BF16"])
def test_the_same_numbers_as_json_nested_flat_and_binary(datatype: str) -> None:
    values = np.array([[1, 2], [3, 100]], DTYPES[datatype])
    flat = read_request(asked(one(datatype=datatype, data=values.reshape(-1).tolist())), None)
    nested = read_request(asked(one(datatype=datatype, data=values.tolist())), None)
    said = {"name": "emg", "datatype": datatype, "shape": [2, 2]}
    head = asked({**said, "parameters": {"binary_data_size": values.nbytes}})
    binary = read_request(head + values.tobytes(), str(len(head)))
    for request in (flat, nested, binary):
        found = request.inputs["emg"]
        assert found.tolist() == values.tolist()
        assert found.dtype == values.dtype


def test_bf16_is_the_upper_half_of_a_float32() -> None:
    values = np.array([1.0, -2.5, 3e38, 0.0], np.float32)
    content = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    said = {"name": "emg", "datatype": "BF16", "shape": [4], "parameters": {"binary_data_size": len(content)}}
    found = read_request(asked(said) + content, str(len(asked(said)))).inputs["emg"]
    assert found.tolist() == pytest.approx(values.tolist(), rel=2**-8)


def test_several_inputs_lie_behind_the_json_in_their_order() -> None:
    first, second = np.arange(3, dtype="<f4"), np.arange(5, dtype="<i2")
    head = asked(
        {"name": "a", "datatype": "FP32", "shape": [3], "parameters": {"binary_data_size": 12}},
        one(name="between"),
        {"name": "b", "datatype": "INT16", "shape": [5], "parameters": {"binary_data_size": 10}},
    )
    found = read_request(head + first.tobytes() + second.tobytes(), str(len(head))).inputs
    assert (found["a"].tolist(), found["b"].tolist()) == (first.tolist(), second.tolist())
    assert found["between"].tolist() == [[1, 2], [3, 4]]


def test_a_header_length_of_0_says_that_the_body_is_the_only_input() -> None:
    request = read_request(np.arange(4, dtype="<f4").tobytes(), "0")
    assert request.inputs[None].tolist() == [0, 1, 2, 3]
    assert request.binary


BAD = {
    "not JSON": (b"{", None, "the body is not JSON"),
    "a list": (b"[]", None, "must be a JSON object with inputs"),
    "nothing": (b"{}", None, "inputs must be a list of at least one object"),
    "no inputs": (asked(), None, "inputs must be a list of at least one object"),
    "too many": (asked(*(one(name=str(n)) for n in range(17))), None, "at most 16, got 17"),
    "no name": (asked(one(name="")), None, "inputs[].name"),
    "twice": (asked(one(), one()), None, "the input emg is there twice"),
    "datatype": (asked(one(datatype="FLOAT")), None, "datatype of the input emg must be one of INT8"),
    "no datatype": (asked(one(datatype=None)), None, "datatype of the input emg must be one of INT8"),
    "texts": (asked(one(datatype="BYTES", data=["a"] * 4)), None, "datatype of the input emg must be one of"),
    "empty batch": (asked(one(shape=[0, 2], data=[])), None, "shape of the input emg must be 1 to 3"),
    "negative": (asked(one(shape=[-1, 2])), None, "shape of the input emg must be 1 to 3"),
    "a boolean": (asked(one(shape=[True, 4])), None, "shape of the input emg must be 1 to 3"),
    "no shape": (asked(one(shape=None)), None, "shape of the input emg must be 1 to 3"),
    "a billion": (asked(one(shape=[1000, 1000, 1000])), None, "has 4 values; its shape 1000x1000x1000"),
    "beyond 64 bits": (asked(one(shape=[2**62, 2**62])), None, "has 4 values; its shape"),
    "no data": (asked({"name": "emg", "datatype": "FP32", "shape": [1]}), None, "needs data, a list of numbers"),
    "a text among numbers": (asked(one(data=[1, 2, 3, "4"])), None, "must hold numbers and nothing else"),
    "a boolean among numbers": (asked(one(data=[1, 2, 3, True])), None, "must hold numbers and nothing else"),
    "null": (asked(one(data=[1, 2, 3, None])), None, "must hold numbers and nothing else"),
    "ragged": (asked(one(data=[[1, 2, 3], [4]])), None, "nested in lists of equal lengths"),
    "NaN": (b'{"inputs":[{"name":"emg","datatype":"FP32","shape":[1],"data":[NaN]}]}', None, "not JSON"),
    "a fraction": (asked(one(datatype="INT8", data=[1, 2, 3, 0.5])), None, "whole numbers from -128 to 127"),
    "too large": (asked(one(datatype="UINT8", data=[1, 2, 3, 256])), None, "whole numbers from 0 to 255"),
    "id": (asked(one(), id=7), None, "id must be a text"),
    "parameters": (asked(one(), parameters=[]), None, "parameters of the request must be an object"),
    "a flag": (asked(one(), parameters={"binary_data_output": 1}), None, "must be true or false"),
    "outputs": (asked(one(), outputs=["a"]), None, "outputs must be a list of at least one object"),
    "no outputs": (asked(one(), outputs=False), None, "outputs must be a list of at least one object"),
    "both": (asked(one(parameters={"binary_data_size": 0})), None, "only one of them can hold"),
    "header too long": (asked(one()), "100000", "Inference-Header-Content-Length must be 0 to the"),
    "header of words": (asked(one()), "many", "Inference-Header-Content-Length must be 0 to the"),
    "header below 0": (asked(one()), "-1", "Inference-Header-Content-Length must be 0 to the"),
    "left over": (asked(one()) + b"1234", str(len(asked(one()))), "4 bytes follow that belong to no input"),
    "raw of no floats": (b"12345", "0", "FP32 in the body is a multiple of 4 bytes, got 5"),
    "raw of nothing": (b"", "0", "FP32 in the body is a multiple of 4 bytes, got 0"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(BAD))
def test_what_is_wrong_is_said(what: str) -> None:
    body, header, words = BAD[what]
    with pytest.raises(DataError) as caught:
        read_request(body, header)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (2**40, "is 1099511627776, and 16 bytes are left for it"),
        (8, "has 2 values; its shape 2x2 needs 4"),
        (15, "a multiple of 4 bytes, got 15"),
        (-1, "must be a whole number of at least 0"),
        (True, "must be a whole number of at least 0"),
        ("16", "must be a whole number of at least 0"),
    ],
)
def test_a_binary_size_that_lies_is_said(size: Any, words: str) -> None:
    said = {"name": "emg", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": size}}
    head = asked(said)
    with pytest.raises(DataError) as caught:
        read_request(head + bytes(16), str(len(head)))
    assert words in str(caught.value)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "datatype", "shape", "data", "parameters"]),
        JSONS | st.just("emg") | st.just("FP32") | st.just([2, 2]) | st.just({"binary_data_size": 16}),
    ),
    st.binary(max_size=20),
    st.none() | st.integers(-1, 200).map(str) | st.text(max_size=3),
    st.dictionaries(st.sampled_from(["id", "outputs", "parameters"]), JSONS),
)
def test_nothing_is_an_error_of_the_server(said: Json, tail: bytes, header: str | None, more: Json) -> None:
    body = json.dumps({"inputs": [said], **more}).encode() + tail
    with suppress(DataError):
        assert read_request(body, header).inputs


def answered(request: OipRequest, *tensors: OutputTensor) -> tuple[Json, bytes]:
    body, head = write_answer("m", "1.0.0", request, choose(request, tensors), backend="numpy")
    told: Json = orjson.loads(body if head is None else body[:head])
    return told, b"" if head is None else body[head:]


LOGITS = OutputTensor("logits", "FP32", np.array([[0.5, 2.0], [3.0, -1.0]], np.float32), ("rest", "fist"))
LABEL = OutputTensor("label", "BYTES", ["fist", "größer"])


def test_all_outputs_as_json_where_none_is_named() -> None:
    told, tail = answered(read_request(asked(one(), id="7"), None), LOGITS, LABEL)
    assert told == {
        "model_name": "m",
        "model_version": "1.0.0",
        "id": "7",
        "parameters": {"backend": "numpy"},
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [2, 2], "data": [0.5, 2.0, 3.0, -1.0]},
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["fist", "größer"]},
        ],
    }
    assert tail == b""


def test_each_output_as_it_is_asked_for() -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "logits"}]
    told, tail = answered(read_request(asked(one(), outputs=outputs), None), LOGITS, LABEL)
    label, logits = told["outputs"]
    assert (label["name"], label["parameters"]) == ("label", {"binary_data_size": len(tail)})
    assert tail == b"\x04\0\0\0fist\x08\0\0\0" + "größer".encode()
    assert logits["data"] == [0.5, 2.0, 3.0, -1.0]


def test_all_outputs_as_bytes() -> None:
    told, tail = answered(read_request(asked(one(), parameters={"binary_data_output": True}), None), LOGITS)
    assert told["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert np.frombuffer(tail, "<f4").tolist() == [0.5, 2.0, 3.0, -1.0]


def test_the_largest_with_their_places_and_labels() -> None:
    outputs = [{"name": "logits", "parameters": {"classification": 1}}]
    told, _ = answered(read_request(asked(one(), outputs=outputs), None), LOGITS)
    assert told["outputs"][0] == {
        "name": "logits",
        "datatype": "BYTES",
        "shape": [2, 1],
        "data": ["2.000000:1:fist", "3.000000:0:rest"],
    }


def test_an_output_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(DataError, match="no output softmax; it has logits, label"):
        answered(read_request(asked(one(), outputs=[{"name": "softmax"}]), None), LOGITS, LABEL)


def test_the_largest_of_what_has_no_row_are_refused() -> None:
    outputs = [{"name": "label", "parameters": {"classification": 1}}]
    with pytest.raises(DataError, match="classification of the output label"):
        answered(read_request(asked(one(), outputs=outputs), None), LABEL)
