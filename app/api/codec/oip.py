"""Requests and answers of the Open Inference Protocol v2, as JSON and with binary tensors. Knows no model.

The protocol: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md); binary
tensors: Triton's extension, https://github.com/triton-inference-server/server (docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from app.api.codec.decoding import expect_modest
from app.api.codec.json_numbers import DEEPEST, as_array
from app.errors import DataError

Array = npt.NDArray[Any]

HEADER_LENGTH = "Inference-Header-Content-Length"
BYTES, BF16 = "BYTES", "BF16"
DTYPES = {
    **{f"{kind}{8 * size}": f"<{code}{size}" for kind, code in (("INT", "i"), ("UINT", "u")) for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    BF16: "<u2",  # the upper half of a float32
}  # fmt: skip
MOST_TENSORS = 16  # inputs or outputs that one request names
MOST_NAME = 256  # characters of a tensor's name or an id


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that a request asks for; `classification`: the so many largest of it, as `value:index:label`."""

    name: str
    binary: bool
    classification: int = 0


@dataclass(frozen=True, slots=True)
class OipRequest:
    """What is asked of a model. An input whose shape nobody has said is one array of float32 in a row."""

    inputs: Mapping[str | None, Array]
    outputs: tuple[WantedOutput, ...] | None  # None: all there are
    binary: bool = False  # of outputs that say nothing of their own
    id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output. `labels` are the names of the last dimension's places, where these have some."""

    name: str
    datatype: str
    values: Array | Sequence[str]
    labels: tuple[str, ...] = ()

    @property
    def shape(self) -> list[int]:
        return [len(self.values)] if isinstance(self.values, Sequence) else list(self.values.shape)


def read_request(body: bytes, header_length: str | None) -> OipRequest:
    """Return the request of a body; `header_length` is what HEADER_LENGTH says: bytes of JSON before the tensors.

    One of 0 means that the whole body is the only input, float32, as Triton has it.

    Raises:
        DataError: what is wrong with it, and what would be right.
    """
    if header_length is None:
        binary = body[:1] == b"{" and b"binary_data_size" in body
        return _read(
            body, b"", f"; before bytes of tensors {HEADER_LENGTH} says how long it is" if binary else ""
        )
    if not (header_length.isascii() and header_length.isdigit()) or int(header_length) > len(body):
        raise DataError(
            f"{HEADER_LENGTH} must be 0 to the {len(body)} bytes of the body, got {header_length[:20]}"
        )
    at = int(header_length)
    if at == 0:
        return OipRequest({None: _raw(body, "FP32", "the body")}, None, binary=True)
    return _read(body[:at], body[at:])


def only_ready(body: bytes) -> bool:
    """Return whether an index of the repository is to have such models only as can be asked.

    Raises:
        DataError: the body says neither, or is no JSON.
    """
    return bool(body) and _flag(_object(body, "the body must be a JSON object"), "ready", "the request")


def expect_files_as_they_are(body: bytes) -> None:
    """See that a model is not to be loaded with another configuration or other files than it has.

    Raises:
        DataError: it is, or the body is no JSON.
    """
    if body:
        parameters = _parameters(_object(body, "the body must be a JSON object"), "the request")
        brought = [name for name in parameters if name == "config" or name.startswith("file:")]
        if brought:
            raise DataError(
                f"{brought[0][:40]} is not taken: a model is loaded as its files are; POST /models brings others"
            )


def _object(text: bytes, otherwise: str, hint: str = "") -> dict[str, Any]:
    expect_modest(text)
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"the body is not JSON: {error}{hint}") from None
    if not isinstance(said, dict):
        raise DataError(otherwise)
    return said


def _read(head: bytes, tensors: bytes, hint: str = "") -> OipRequest:
    said = _object(head, "the body must be a JSON object with inputs", hint)
    parameters = _parameters(said, "the request")
    binary = _flag(parameters, "binary_data_output", "the request")
    identity = said.get("id")
    if identity is not None and not (isinstance(identity, str) and len(identity) <= MOST_NAME):
        raise DataError(f"id must be a text of at most {MOST_NAME} characters")
    inputs: dict[str | None, Array] = {}
    for one in _listed(said, "inputs"):
        name = _name(one, "inputs")
        if name in inputs:
            raise DataError(f"the input {name} is there twice")
        inputs[name], tensors = _input(name, one, tensors)
    if tensors:
        raise DataError(f"{len(tensors)} bytes follow that belong to no input: see binary_data_size")
    outputs = None
    if said.get("outputs") not in (None, []):
        outputs = tuple(_wanted(one, binary) for one in _listed(said, "outputs"))
    return OipRequest(inputs, outputs, binary, identity, parameters)


def _listed(said: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    found = said.get(what)
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise DataError(f"{what} must be a list of at least one object")
    if len(found) > MOST_TENSORS:
        raise DataError(f"{what} may be at most {MOST_TENSORS}, got {len(found)}")
    return found


def _name(one: Mapping[str, Any], what: str) -> str:
    name = one.get("name")
    if not (isinstance(name, str) and 0 < len(name) <= MOST_NAME):
        raise DataError(f"{what}[].name must be a text of 1 to {MOST_NAME} characters")
    return name


def _parameters(one: Mapping[str, Any], whose: str) -> Mapping[str, Any]:
    found = one.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError(f"parameters of {whose} must be an object")
    return found


def _flag(parameters: Mapping[str, Any], name: str, whose: str, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise DataError(f"{name} of {whose} must be true or false")
    return value


def _count(parameters: Mapping[str, Any], name: str, whose: str) -> int | None:
    value = parameters.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise DataError(f"{name} of {whose} must be a whole number of at least 0")


def _input(name: str, one: Mapping[str, Any], tensors: bytes) -> tuple[Array, bytes]:
    """Return an input's array, of its shape, and what is left of the bytes behind the JSON."""
    whose, datatype = f"the input {name}", one.get("datatype")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise DataError(f"datatype of {whose} must be one of {', '.join(DTYPES)}, got {str(datatype)[:20]}")
    shape = one.get("shape")
    if not (
        isinstance(shape, list)
        and 1 <= len(shape) <= DEEPEST
        and all(type(size) is int and size >= 1 for size in shape)
    ):
        raise DataError(f"shape of {whose} must be 1 to {DEEPEST} whole numbers of at least 1")
    size = _count(_parameters(one, whose), "binary_data_size", whose)
    if size is None:
        values = _of_json(one.get("data"), datatype, whose)
    elif "data" in one:
        raise DataError(f"{whose} has data and binary_data_size: only one of them can hold")
    elif size > len(tensors):
        raise DataError(f"binary_data_size of {whose} is {size}, and {len(tensors)} bytes are left for it")
    else:
        values, tensors = _raw(tensors[:size], datatype, whose), tensors[size:]
    if values.size != math.prod(shape):
        raise DataError(
            f"{whose} has {values.size} values; its shape {'x'.join(map(str, shape))} needs {math.prod(shape)}"
        )
    return values.reshape(shape), tensors


def _raw(content: bytes, datatype: str, whose: str) -> Array:
    kind = np.dtype(DTYPES[datatype])
    if not content or len(content) % kind.itemsize:
        raise DataError(f"{datatype} in {whose} is a multiple of {kind.itemsize} bytes, got {len(content)}")
    found = np.frombuffer(content, kind)
    return (found.astype("<u4") << 16).view("<f4") if datatype == BF16 else found


def _of_json(data: Any, datatype: str, whose: str) -> Array:
    if datatype == BF16:
        raise DataError(f"{whose}: BF16 has no form in JSON; send it binary, or as FP32")
    if not isinstance(data, list) or not data:
        raise DataError(
            f"{whose} needs data, a list of numbers, or binary_data_size and its bytes behind the JSON"
        )
    kind = np.dtype(DTYPES[datatype])
    try:
        found = as_array(data)
    except ValueError:
        raise DataError(f"data of {whose} must be flat, or nested in lists of equal lengths") from None
    if found is None:
        raise DataError(
            f"data of {whose} must hold numbers and nothing else, in lists at most {DEEPEST} deep"
        )
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return found.astype(kind)
    lowest, largest = np.iinfo(kind).min, np.iinfo(kind).max
    if found.dtype.kind not in "iu" or found.min() < lowest or found.max() > largest:
        raise DataError(
            f"data of {whose} must be whole numbers from {lowest} to {largest}, as {datatype} has them"
        )
    return found.astype(kind)


def _wanted(one: Mapping[str, Any], binary: bool) -> WantedOutput:
    name = _name(one, "outputs")
    whose = f"the output {name}"
    parameters = _parameters(one, whose)
    most = _count(parameters, "classification", whose)
    return WantedOutput(name, _flag(parameters, "binary_data", whose, binary), most or 0)


def choose(request: OipRequest, there: Sequence[OutputTensor]) -> list[tuple[OutputTensor, bool]]:
    """Return the outputs that are to be answered, each with whether as bytes.

    Raises:
        DataError: one is wanted that is not there.
    """
    if request.outputs is None:
        return [(one, request.binary) for one in there]
    named = {one.name: one for one in there}
    found = []
    for wanted in request.outputs:
        tensor = named.get(wanted.name)
        if tensor is None:
            raise DataError(f"the model has no output {wanted.name[:40]}; it has {', '.join(named)}")
        found.append(
            (_largest(tensor, wanted.classification) if wanted.classification else tensor, wanted.binary)
        )
    return found


def _largest(tensor: OutputTensor, count: int) -> OutputTensor:
    """Return the so many largest of each row, as Triton's classification extension writes them."""
    values = tensor.values
    if isinstance(values, Sequence) or values.ndim != 2:
        raise DataError(f"classification of the output {tensor.name}: it has one value for each window")
    count = min(count, values.shape[1])
    rows = np.argsort(-values, axis=1, kind="stable")[:, :count]
    texts = np.array(
        [
            [f"{row[at]:f}:{at}" + (f":{tensor.labels[at]}" if tensor.labels else "") for at in best]
            for row, best in zip(values.tolist(), rows.tolist(), strict=True)
        ],
        dtype=object,
    )
    return OutputTensor(tensor.name, BYTES, texts)


def write_answer(
    model: str,
    version: str,
    request: OipRequest,
    outputs: Sequence[tuple[OutputTensor, bool]],
    **parameters: Any,
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and how many bytes of it are JSON; None where all are."""
    told, tensors = [], []
    for tensor, binary in outputs:
        one: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if binary:
            content = _bytes_of(tensor)
            one["parameters"] = {"binary_data_size": len(content)}
            tensors.append(content)
        else:
            one["data"] = _plain(tensor)
        told.append(one)
    head = orjson.dumps(
        {
            "model_name": model,
            "model_version": version,
            **({} if request.id is None else {"id": request.id}),
            "parameters": parameters,
            "outputs": told,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (b"".join((head, *tensors)), len(head)) if tensors else (head, None)


def _flat(tensor: OutputTensor) -> list[str]:
    values = tensor.values
    return list(values) if isinstance(values, Sequence) else values.reshape(-1).tolist()


def _plain(tensor: OutputTensor) -> Any:
    """Return the data of a tensor for JSON, in a row."""
    if tensor.datatype == BYTES or isinstance(tensor.values, Sequence):
        return _flat(tensor)
    return np.ascontiguousarray(tensor.values).reshape(-1)


def _bytes_of(tensor: OutputTensor) -> bytes:
    if tensor.datatype == BYTES or isinstance(tensor.values, Sequence):  # each text behind its length
        texts = [text.encode() for text in _flat(tensor)]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    kind = "|b1" if tensor.datatype == "BOOL" else DTYPES[tensor.datatype]
    return np.ascontiguousarray(tensor.values, kind).tobytes()
