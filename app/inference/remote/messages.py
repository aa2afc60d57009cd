"""Questions to a fleet and its answers, with tensors as bytes behind the JSON, or in it.

The protocol: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md); binary
tensors: Triton's extension, https://github.com/triton-inference-server/server (docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from app.inference.backend import Batch
from app.inference.manifest import shown
from app.inference.remote.connection import Reply
from app.inference.remote.target import RemoteError
from app.inference.remote.terms import FP32, Terms

HEADER_LENGTH = "Inference-Header-Content-Length"
JSON, RAW = "application/json", "application/octet-stream"
SPIKES = "spikes"
OK, NOT_FOUND = 200, 404
_CURE = "See the log of the server at EMG_OIP_URL"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a fleet said of windows. `version` is that of its model, empty where it says none."""

    output: Floats  # (windows, columns)
    spikes: Floats  # (windows,)
    version: str


def question(windows: Batch, terms: Terms, identity: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers that ask for windows (batch, reads, channels), normalised."""
    emg = np.ascontiguousarray(windows.transpose(0, 2, 1) if terms.channels_first else windows, "<f4")
    tensor: dict[str, Any] = {"name": terms.input, "datatype": FP32, "shape": emg.shape}
    outputs: list[dict[str, Any]] = [{"name": terms.output}, *([{"name": SPIKES}] if terms.spikes else [])]
    if terms.binary:
        tensor["parameters"] = {"binary_data_size": emg.nbytes}
        outputs = [{**one, "parameters": {"binary_data": True}} for one in outputs]
    else:
        tensor["data"] = emg.reshape(-1)
    said: dict[str, Any] = {"id": identity, "inputs": [tensor], "outputs": outputs}
    if terms.ours:  # they are normalised already; nor may two servers ask each other in a circle
        said["parameters"] = {"preprocess": False, "remote": False}
    head = orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY)
    if not terms.binary:
        return head, {"Content-Type": JSON}
    return head + emg.tobytes(), {"Content-Type": RAW, HEADER_LENGTH: str(len(head))}


def answered(reply: Reply, terms: Terms, windows: int, identity: str) -> Answered:
    """Return what a reply says of so many windows.

    Raises:
        RemoteError: it is no answer to that question.
    """
    expect_success(reply)
    head, tensors = _split(reply)
    said = _object(head)
    if said.get("id") not in (None, "", identity):
        raise RemoteError(
            f"the answer is to the question {shown(said['id'])}, not to {identity}", _CURE, grave=True
        )
    listed = said.get("outputs")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise RemoteError("the answer has no list of outputs", _CURE, grave=True)
    found: dict[str, Floats] = {}
    for one in listed:
        values, tensors = _tensor(one, tensors, terms, windows)
        if values is not None:
            found[one["name"]] = values
    wanted = {terms.output, *([SPIKES] if terms.spikes else [])}
    if not wanted <= found.keys():
        raise RemoteError(
            f"the answer has no output {', '.join(sorted(wanted - found.keys()))}", _CURE, grave=True
        )
    if not all(np.isfinite(values).all() for values in found.values()):
        raise RemoteError("the answer has NaN or infinity in it", _CURE)
    spikes = found[SPIKES] if terms.spikes else np.zeros(windows, np.float32)
    return Answered(found[terms.output], spikes, str(said.get("model_version") or ""))


def expect_success(reply: Reply) -> None:
    """See that a server did what it was asked.

    Raises:
        RemoteError: it did not; says what the server says. One that is at fault itself may be asked again.
    """
    if reply.status == OK:
        return
    try:
        said = orjson.loads(reply.body)
        why = str(said.get("error") or said.get("detail") or said) if isinstance(said, dict) else str(said)
    except orjson.JSONDecodeError:
        why = reply.body[:200].decode("utf-8", "replace")
    grave = 300 <= reply.status < 500 and reply.status not in (408, 429)
    raise RemoteError(f"it answered {reply.status}: {shown(why)}", _CURE, grave=grave)


def read_json(reply: Reply) -> object:
    """Return what a server says of itself or of a model.

    Raises:
        RemoteError: it is no JSON, or as `expect_success`.
    """
    expect_success(reply)
    return _object(reply.body)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError as error:  # NaN is one
        raise RemoteError(f"the answer is no JSON: {error}", _CURE) from None
    if not isinstance(said, dict):
        raise RemoteError("the answer is no JSON object", _CURE, grave=True)
    return said


def _split(reply: Reply) -> tuple[bytes, bytes]:
    length = reply.headers.get(HEADER_LENGTH.lower())
    if length is None:
        return reply.body, b""
    if not (length.isascii() and length.isdigit()) or int(length) > len(reply.body):
        raise RemoteError(
            f"{HEADER_LENGTH} of the answer is {length[:20]}, of {len(reply.body)} bytes", _CURE, grave=True
        )
    return reply.body[: int(length)], reply.body[int(length) :]


def _tensor(
    one: Mapping[str, Any], tensors: bytes, terms: Terms, windows: int
) -> tuple[Floats | None, bytes]:
    """Return an output's values, None of one that was not asked for, and what is left of the bytes behind the JSON."""
    name, parameters = one.get("name"), one.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    content = None
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(tensors):
            raise RemoteError(
                f"binary_data_size of {shown(name)} is {shown(size)}, and {len(tensors)} bytes are there",
                _CURE,
                grave=True,
            )
        content, tensors = tensors[:size], tensors[size:]
    if name not in (terms.output, SPIKES) or (name == SPIKES and not terms.spikes):
        return None, tensors
    wanted = [windows] if name == SPIKES else [windows, terms.columns]
    if one.get("datatype") != FP32 or one.get("shape") not in (
        wanted,
        [*wanted, 1] if name == SPIKES else wanted,
    ):
        what = f"{shown(one.get('datatype'))} {shown(one.get('shape'))}"
        raise RemoteError(f"{name} came as {what}, not as {FP32!r} {wanted}", _CURE, grave=True)
    return _values(one, content, wanted), tensors


def _values(one: Mapping[str, Any], content: bytes | None, wanted: list[int]) -> Floats:
    count = int(np.prod(wanted))
    if content is not None:
        if len(content) != 4 * count:
            raise RemoteError(
                f"{one['name']} came as {len(content)} bytes; its shape has {4 * count}", _CURE, grave=True
            )
        return np.frombuffer(content, "<f4").astype(np.float32).reshape(wanted)
    try:
        found = np.array(one.get("data"), np.float32)
    except (TypeError, ValueError):
        raise RemoteError(f"data of {one['name']} are no numbers", _CURE, grave=True) from None
    if found.size != count:
        raise RemoteError(
            f"{one['name']} came as {found.size} values; its shape has {count}", _CURE, grave=True
        )
    return found.reshape(wanted)
