"""What a client says when it opens a live socket: in the query, or in its first message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from marshmallow import Schema, fields, post_load
from marshmallow.validate import Length, Range

from app.api.codec.decoding import query_values, validated
from app.api.errors import InvalidBody
from app.api.schemas.emg import DeclareSchema
from app.api.schemas.fields import Choice, Choices, Number, about
from app.api.schemas.inference import WindowsQuerySchema
from app.api.schemas.params import LiveJob
from app.api.schemas.streaming import StreamQuerySchema, StreamSchema

SEND = ("frames", "decisions", "quality", "states")
DEFAULT_SENT = frozenset(("frames", "states"))
FORMATS = ("json", "binary")
_BACK = "What comes back beside acknowledgements and errors"


class LiveSchema(Schema):
    """The first message of a live socket: a JSON object, all of it optional."""

    declare = fields.Nested(DeclareSchema, allow_none=True, **about("As for POST /emg/sources/<name>"))
    stream = fields.Nested(StreamSchema, allow_none=True, **about("As for POST /infer/stream"))
    windows = fields.Nested(
        WindowsQuerySchema, allow_none=True, **about("Of binary messages that are windows; /infer/live only")
    )
    send = fields.List(
        Choice(*SEND), load_default=sorted(DEFAULT_SENT), validate=Length(0, len(SEND)), **about(_BACK)
    )
    format = Choice(
        *FORMATS, load_default="json", **about("Of frames and decisions: JSON, or records of 32 bytes")
    )
    scale = Number(
        load_default=1.0,
        validate=Range(0, min_inclusive=False, error="must be above 0"),
        **about("The source's or the model's units for one count of int16 and int24", exclusiveMinimum=True),
    )
    last_event_id = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, 100),
        **about("The `id` of the last frame you had, to go on after it"),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> LiveJob:
        values["send"], event_id = frozenset(values["send"]), values.pop("last_event_id")
        job = LiveJob(**{name: value for name, value in values.items() if value is not None})
        return job if event_id is None else job.resuming(event_id)


class _SendSchema(Schema):
    send = Choices(
        *SEND, **about(f"{_BACK}, with commas between; none of them: `none`", default="frames,states")
    )


_live, _declare, _stream, _windows = LiveSchema(), DeclareSchema(), StreamQuerySchema(), WindowsQuerySchema()
_OWN = ("format", "scale")
_OF_NOBODY = ("ticket",)  # looked at before


def _in_query(*parts: tuple[Mapping[str, Any], Iterable[str]]) -> type[Schema]:
    """Return a schema with those fields of others, none of them required."""
    chosen: dict[str, Any] = {"send": _SendSchema().fields["send"]}
    for all_fields, names in parts:
        for name in names:
            chosen[name] = copy(all_fields[name])
            chosen[name].required = False
    return Schema.from_dict(chosen)


_STREAM_NAMES = tuple(name for name in StreamSchema().fields if name not in ("source", "model"))
_OF_BROWSERS = ("ticket", "last_event_id")
SourceLiveQuerySchema = _in_query(
    (_declare.fields, _declare.fields),
    (_stream.fields, (*_STREAM_NAMES, *_OF_BROWSERS)),
    (_live.fields, _OWN),
)
InferLiveQuerySchema = _in_query(
    (
        _windows.fields,
        [name for name in _windows.fields if name != "batch"],
    ),  # a message says how many it brings
    (_stream.fields, (*_STREAM_NAMES, "source", "model", *_OF_BROWSERS)),
    (_live.fields, _OWN),
)


def live_job(values: Any) -> LiveJob:
    """Return what a first message asks for.

    Raises:
        InvalidBody: by field, what was wrong.
    """
    job: LiveJob = validated(_live, values)
    return job


def live_query(texts: Mapping[str, str], *, pushes: bool) -> LiveJob | None:
    """Return what a query asks for; None where it says nothing, and the first message is to say it.

    `pushes`: of the socket that samples come by, else of the one for readers and windows.

    Raises:
        InvalidBody: by field, what was wrong.
    """
    texts = {name: text for name, text in texts.items() if name not in _OF_NOBODY}
    if not texts:
        return None
    known = (SourceLiveQuerySchema if pushes else InferLiveQuerySchema)().fields
    if unknown := [name for name in texts if name not in known]:
        raise InvalidBody({name: [f"unknown field; there are {', '.join(known)}"] for name in unknown})
    values: dict[str, Any] = {}
    if "send" in texts:
        values["send"] = _sent(texts["send"])
    values |= query_values(_live, {name: texts[name] for name in _OWN if name in texts})
    # the model of a pushed source is declared with it; what reads a stream may name another
    first, name = (_declare, "declare") if pushes else (_windows, "windows")
    begins = "channels" in texts or "sampling_rate_hz" in texts if pushes else "length" in texts
    if begins:
        values[name] = query_values(first, {key: texts[key] for key in first.fields if key in texts})
    left = {
        key: text
        for key, text in texts.items()
        if key not in ("send", *_OWN) and key not in values.get(name, {})
    }
    values["stream"] = query_values(
        _stream, {key: text for key, text in left.items() if key in _stream.fields}
    )
    if lost := left.keys() - values["stream"].keys():
        needs = "channels and sampling_rate_hz, which are" if pushes else "length, which is"
        raise InvalidBody({key: [f"goes with {needs} missing"] for key in sorted(lost)})
    values["last_event_id"] = values["stream"].pop("last_event_id", None)
    try:
        return live_job(values)
    except InvalidBody as error:
        raise InvalidBody(_flat(error.errors)) from None


def _sent(text: str) -> list[str]:
    chosen = [] if text == "none" else text.split(",")
    if not set(chosen) <= set(SEND):
        raise InvalidBody(
            {"send": [f"must be of {', '.join(SEND)}, with commas between, or none; got {text!r}"]}
        )
    return chosen


def _flat(errors: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was wrong by the names that a query has."""
    flat: dict[str, Any] = {}
    for name, error in errors.items():
        flat |= (
            error if name in ("declare", "stream", "windows") and isinstance(error, dict) else {name: error}
        )
    return flat
