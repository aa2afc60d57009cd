"""From a request's bytes to a job. Everything that can be wrong with them is said here, by field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from flask import request
from marshmallow import Schema, ValidationError, fields
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from app.api.codec.npy import read_npy
from app.api.errors import InvalidBody
from app.counted import counted
from app.emg.source import Samples
from app.errors import DataError
from app.inference.manifest import Manifest

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
LARGEST = 1e18  # far beyond any amplifier; a network's sums of more overflow float32, and say nothing
PIECE_BYTES = 2**18
SMALL = 2**18  # bytes; of less nothing can be too much
# 256 windows of 200 samples x 16 channels are 0.8 million values in 51,456 lists; read in some 0.1 s
MOST_VALUES, MOST_LISTS = 2**21, 2**18
MOST_ITEMS = 500  # values of a body beside its arrays: 64 gestures of a plan are the most that anything takes
ARRAYS = ("emg", "samples")
# what curl's -d and an absent header say; what they bring must still be JSON
UNDECLARED = ("", "application/x-www-form-urlencoded")


def expect_plain() -> None:
    """See that the body is not compressed.

    Raises:
        UnsupportedMediaType: it is.
    """
    coding = request.headers.get("Content-Encoding", "").strip()
    if coding.lower() not in ("", "identity"):
        raise UnsupportedMediaType(f"Content-Encoding: {coding[:64]} is not taken; send the body as it is")


@lru_cache
def _defaults(schema: Schema) -> Any:
    """Return the job that says nothing; jobs are frozen, so all may share it."""
    return validated(schema, {})


def whole_body() -> bytes:
    """Return the request's body.

    Raises:
        UnsupportedMediaType: it is compressed; its bytes would be taken for samples.
        BadRequest: it ended before its declared length.
        RequestEntityTooLarge: it is chunked, and goes on after EMG_MAX_BODY; werkzeug takes these bytes for all.
    """
    expect_plain()
    body = request.get_data()
    if request.content_length is not None and len(body) < request.content_length:
        raise BadRequest(f"the body ended after {len(body)} of its {request.content_length} bytes")
    if request.content_length is None and body and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def body_pieces() -> Iterator[bytes]:
    """Yield the request's body as it comes, for what need not be in memory at once.

    Raises:
        BadRequest: it ended before its declared length, as that of a client who left does.
        RequestEntityTooLarge: it goes on after EMG_MAX_BODY.
    """
    stream, declared, came = request.stream, request.content_length, 0
    while piece := stream.read(PIECE_BYTES):
        yield piece
        came += len(piece)
    if declared is not None and came < declared:
        raise BadRequest(f"the body ended after {came} of its {declared} bytes")


def load_json(schema: Schema) -> Any:
    """Return the job in a JSON body. No body and no content type: all defaults.

    Raises:
        UnsupportedMediaType, BadRequest, InvalidBody: what was wrong, and what is right.
    """
    kind = request.mimetype
    if kind != JSON and kind not in UNDECLARED:
        raise UnsupportedMediaType(f"the body must be {JSON}, got {kind}")
    body = whole_body()
    if not body and kind in UNDECLARED:
        return validated(schema, {})
    if not body:
        raise BadRequest("the body is empty; send a JSON object, {} for the defaults")
    expect_modest(body)
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if kind in UNDECLARED and not body.lstrip().startswith(b"{"):
            raise UnsupportedMediaType(f"the body must be {JSON}, got {kind or 'no content type'}") from None
        raise BadRequest(f"the body is not JSON: {error}") from None
    return validated(schema, values)


def expect_modest(body: bytes) -> None:
    """See that a body has no more in it than windows can have: millions of lists take seconds to read.

    Raises:
        DataError: it has.
    """
    if len(body) > SMALL and (
        body.count(b",") > MOST_VALUES or body.count(b"[") + body.count(b"{") > MOST_LISTS
    ):
        raise DataError(
            f"JSON may hold {MOST_VALUES} values and {MOST_LISTS} lists; send more as {NPY} or {RAW}, or in parts"
        )


def load_query(schema: Schema) -> Any:
    """Return the job in the query; a value is read as JSON would be, unless its field is a text or it is no JSON."""
    if not request.query_string:
        return _defaults(schema)
    return validated(schema, query_values(schema, request.args))


def query_values(schema: Schema, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return texts by the names of fields as what these fields take."""
    return {name: _plain(value, schema.fields.get(name)) for name, value in texts.items()}


def load_json_or_query(schema: Schema) -> Any:
    """Return the job in the JSON body; without a body, the one in the query.

    Raises:
        InvalidBody: both are there, and one would be lost.
    """
    if not request.args:
        return load_json(schema)
    if whole_body():
        raise InvalidBody({"query": ["say it in the body or in the query, not in both"]})
    return load_query(schema)


def load_windows(body: Schema, query: Schema) -> Any:
    """Return a job with windows: JSON, `.npy`, or raw float32 (little-endian) that the query describes.

    Returns the job and, for a binary body, its array; the array is in the job already for JSON.
    """
    kind = request.mimetype
    if kind not in (NPY, RAW):
        if kind != JSON and kind not in UNDECLARED:
            raise UnsupportedMediaType(f"the body must be {JSON}, {NPY} or {RAW}, got {kind}")
        job = load_json_or_query(body)
        return job, job.emg
    job = load_query(query)
    content = whole_body()
    if not content:
        raise BadRequest("the body is empty; send float32 windows")
    return job, read_npy(content) if kind == NPY else read_floats(content)


def as_windows(emg: Samples, job: Any, model: Manifest, most: int) -> Samples:
    """(batch, length, channels) float32, C order, finite, of the model's shape; context may be in front of the windows.

    Raises:
        DataError: says what came and what the model wants.
    """

    def wants() -> str:
        channels = counted(model.channels, "channel")
        return f"the model takes windows of {samples_of(model)} samples x {channels}"

    if emg.ndim == 1:  # raw bytes; their number must make whole windows
        samples = _samples_of_raw(emg, job, model)
        if not samples:
            values = model.length * model.channels
            raise DataError(f"{wants()}: a multiple of {values} float32 values, got {emg.size}")
        emg = emg.reshape(-1, samples, model.channels)
    windows = emg[np.newaxis] if emg.ndim == 2 else emg
    fits = windows.ndim == 3 and model.length <= windows.shape[1] <= model.reads
    if not fits or windows.shape[2] != model.channels:
        raise DataError(f"{wants()}, got an array of {'x'.join(map(str, emg.shape))}")
    if job.length is not None and job.length != windows.shape[1]:
        raise DataError(f"length is {job.length}, but windows of {windows.shape[1]} samples came")
    if not 1 <= len(windows) <= most:
        raise DataError(f"a batch has 1 to {counted(most, 'window')}, got {len(windows)}")
    if job.batch is not None and job.batch != len(windows):
        raise DataError(f"batch is {job.batch}, but {counted(len(windows), 'window')} came")
    windows = np.ascontiguousarray(windows, np.float32)
    flat = windows.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = math.isfinite(flat @ flat)  # one fast look; where it overflows, each value is looked at
    if not sound and not (np.abs(flat) <= LARGEST).all():
        raise DataError(
            f"emg holds NaN, infinite or absurd values; all must be numbers of at most {LARGEST:g}"
        )
    return windows


def samples_of(model: Manifest) -> str:
    """Return how many samples a window may have, for a message."""
    return f"{model.length} to {model.reads}" if model.context else str(model.length)


def _samples_of_raw(emg: Samples, job: Any, model: Manifest) -> int:
    """Return how many samples each window of a raw body has; 0 where it makes no whole ones.

    `length` or `batch` says it. Else a body that may be one window is one, and a longer one holds windows with all
    their context, or with none.
    """
    total, left = divmod(emg.size, model.channels)
    if left or not total:
        return 0
    share = total // (job.batch or 1)
    first = [share] if model.length <= share <= model.reads else []
    sizes = [job.length] if job.length is not None else [*first, model.reads, model.length]
    return next((samples for samples in sizes if total % samples == 0), 0)


def expect_shape(job: Any, model: Manifest, *, own: bool) -> None:
    """See that `length` and `channels`, where given, are the model's; `own` windows may bring context.

    Raises:
        InvalidBody: by field, what the model wants.
    """
    errors = {}
    longest = model.reads if own else model.length
    if job.length is not None and not model.length <= job.length <= longest:
        takes = samples_of(model) if own else model.length
        errors["length"] = [f"the model takes {takes}, got {job.length}"]
    if job.channels is not None and job.channels != model.channels:
        errors["channels"] = [f"the model takes {model.channels}, got {job.channels}"]
    if errors:
        raise InvalidBody(errors)


def validated(schema: Schema, values: Any) -> Any:
    """Return the job that `values` describe.

    Raises:
        InvalidBody: by field, what was wrong.
    """
    if not isinstance(values, dict):
        raise InvalidBody({"_schema": ["must be a JSON object"]})
    if not _is_small({name: value for name, value in values.items() if name not in ARRAYS}):
        known = ", ".join(schema.load_fields)
        raise InvalidBody({"_schema": [f"holds over {MOST_ITEMS} values; there are the fields {known}"]})
    try:
        return schema.load(values)
    except ValidationError as error:
        raise InvalidBody(_spoken(error.messages_dict, schema)) from None


def _is_small(values: Any) -> bool:
    """Return whether a body without its arrays has MOST_ITEMS values at most: each wrong one would be told of."""
    left, waiting = MOST_ITEMS, [values]
    while waiting:
        some = waiting.pop()
        left -= len(some)
        if left < 0:
            return False
        waiting.extend(
            one
            for one in (some.values() if isinstance(some, dict) else some)
            if isinstance(one, (dict, list))
        )
    return True


def _spoken(messages: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """marshmallow's "Unknown field." with the fields there are, also of an object within."""
    known = ", ".join(schema.load_fields)
    found: dict[str, Any] = {}
    for name, errors in messages.items():
        inner = schema.load_fields.get(name)
        if errors == ["Unknown field."]:
            found[name] = [f"unknown field; there are {known}"]
        elif isinstance(inner, fields.Nested) and isinstance(errors, dict) and not inner.many:
            found[name] = _spoken(errors, inner.schema)
        else:
            found[name] = errors
    return found


def _plain(value: str, field: Any) -> Any:
    if isinstance(field, fields.String) and value != "null":
        return value  # a source may be called 7
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def read_floats(content: bytes) -> Samples:
    """Return the values of a raw body, (n,) float32.

    Raises:
        DataError: they are not whole.
    """
    if len(content) % 4:
        raise DataError(f"a raw body is float32, 4 bytes a value; got {len(content)} bytes")
    return np.frombuffer(content, "<f4")
