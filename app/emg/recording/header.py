"""What is known of a recording before its first sample, and the JSON that keeps it. One limit holds for both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.emg.recording.json_fields import (
    expect_object,
    maybe,
    read_object,
    real_of,
    text_of,
    texts_of,
    whole_of,
)
from app.emg.recording.label_plan import LabelPlan
from app.errors import DataError

FORMAT = 1
MAX_HEADER_BYTES = 4 * 2**20  # MAX_STEPS steps with the longest names take 3.4 MiB
MAX_CHANNELS, MAX_RATE_HZ = 1024, 1e6
MAX_STARTED_AT = 253_402_214_400.0  # Unix s; dates end with the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model that judged the signal meanwhile."""

    name: str
    version: str
    sha256: str  # of its manifest.json, which names that of every other file
    classes: tuple[str, ...]
    backend: str
    fps: float  # predictions a second


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHeader:
    """What is known before the first sample."""

    name: str
    source: str
    subject: str | None
    started_at: float  # Unix s
    sampling_rate: float  # Hz, nominal
    channels: int
    units: str
    gesture_names: tuple[str, ...]  # what the source's own labels mean
    mains_hz: float | None
    model: Model | None
    plan: LabelPlan | None


def encode(header: RecordingHeader) -> bytes:
    """Return the header as JSON that `decode` takes.

    Raises:
        DataError: it would not take it: it is too long, or out of range.
    """
    plan = None if header.plan is None else header.plan.as_json()
    values = {"format": FORMAT, **asdict(header), "plan": plan}
    text = json.dumps(values, ensure_ascii=False, indent=1).encode()
    try:
        _header(read_object(text, MAX_HEADER_BYTES), header.name)
    except ValueError as error:
        raise DataError(
            f"the recording {header.name} cannot keep what is to be said of it: {error}"
        ) from None
    return text


def decode(text: bytes, name: str) -> RecordingHeader:
    """Return the header of the recording in the folder of that name. Nothing in it is trusted.

    Raises:
        DataError: what is wrong with it.
    """
    try:
        return _header(read_object(text, MAX_HEADER_BYTES), name)
    except ValueError as error:
        raise DataError(f"the header of the recording {name} is damaged ({error})") from None


def _header(values: Mapping[str, Any], name: str) -> RecordingHeader:
    if whole_of(values, "format") != FORMAT:
        raise ValueError(f"its format is {values['format']!r}, this version reads {FORMAT}")
    if text_of(values, "name") != name:
        raise ValueError("it names another recording")
    return RecordingHeader(
        name=name,
        source=text_of(values, "source"),
        subject=maybe(text_of, values, "subject"),
        started_at=real_of(values, "started_at", 0.0, MAX_STARTED_AT),
        sampling_rate=real_of(values, "sampling_rate", 1e-3, MAX_RATE_HZ),
        channels=whole_of(values, "channels", 1, MAX_CHANNELS),
        units=text_of(values, "units"),
        gesture_names=texts_of(values, "gesture_names"),
        mains_hz=maybe(real_of, values, "mains_hz"),
        model=maybe(_model, values, "model"),
        plan=maybe(_plan, values, "plan"),
    )


def _model(values: Mapping[str, Any], name: str) -> Model:
    found = expect_object(values, name)
    try:
        return Model(
            name=text_of(found, "name"),
            version=text_of(found, "version"),
            sha256=text_of(found, "sha256"),
            classes=texts_of(found, "classes"),
            backend=text_of(found, "backend"),
            fps=real_of(found, "fps"),
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _plan(values: Mapping[str, Any], name: str) -> LabelPlan:
    try:
        return LabelPlan.from_json(expect_object(values, name))
    except DataError as error:
        raise ValueError(str(error)) from None
