"""What a worker asks the owner of a source about its streams, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import MyostreamError, NotReadyError
from app.serving.streams.carried_events import VERSION, decode, joined, model_fields, model_of, parted
from app.serving.streams.events import ModelChange
from app.serving.streams.remote_group import Kept, Origin

KIND = "streams"  # of the calls


class FieldsError(MyostreamError):
    """What is asked for cannot be; says why, by field."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in errors.items()))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A topic, as who asks for it is told: where it goes on being published, and what there is of it."""

    topic: str
    sequence: int  # of what was published last
    kept: Kept


def question(**fields: Any) -> bytes:
    """Return what is asked."""
    return json.dumps({"version": VERSION, **fields}).encode()


def asked(payload: bytes) -> dict[str, Any]:
    """Return what `question` was given.

    Raises:
        NotReadyError: by a worker of another version.
    """
    fields = json.loads(payload)
    if (version := fields.pop("version", None)) != VERSION:
        raise _other_version(version)
    return dict(fields)


def refusal(error: FieldsError) -> bytes:
    """Return the answer that says what cannot be, by field."""
    return joined([json.dumps({"errors": error.errors}).encode()])


def answer(
    topic: str,
    sequence: int,
    origin: Origin,
    count: int,
    reached: int,
    now: float,
    model: ModelChange | None,
    events: Sequence[bytes],
) -> bytes:
    """Return the answer that says what there is: `events` as they were published, or would have been."""
    said = {
        "version": VERSION,
        "topic": topic,
        "sequence": sequence,
        "origin": origin,
        "count": count,
        "reached": reached,
        "now": now,
        "model": model_fields(model),
    }
    return joined([json.dumps(said).encode(), *events])


def answered(payload: bytes) -> Opened:
    """Return what an answer says.

    Raises:
        FieldsError: the owner refuses.
        NotReadyError: it is of a worker of another version.
    """
    head, *events = parted(payload)
    said = json.loads(head)
    if "errors" in said:
        raise FieldsError(said["errors"])
    if said.get("version") != VERSION:
        raise _other_version(said.get("version"))
    token, opening = said["origin"]
    return Opened(
        topic=said["topic"],
        sequence=said["sequence"],
        kept=Kept(
            origin=(token, opening),
            count=said["count"],
            reached=said["reached"],
            now=said["now"],
            model=model_of(said["model"]),
            events=[decode(one) for one in events],
        ),
    )


def _other_version(version: object) -> NotReadyError:
    return NotReadyError(
        f"the worker that has the source and this one are of two versions (streams {version} and {VERSION}): "
        "try again when all are of one"
    )
