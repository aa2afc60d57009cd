"""What is known of a recording before its first sample, and the JSON that keeps it. One limit holds for both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.emg.auxiliary import AuxStream
from app.emg.recording.json_fields import (
    expect_object,
    list_of,
    maybe,
    read_object,
    real_of,
    text_of,
    texts_of,
    whole_of,
)
from app.emg.recording.prompts.label_plan import LabelPlan
from app.errors import DataError

# 1 had no names of channels, no auxiliary streams, and was never imported; in 2 the model was the same all along. What
# reads 2 alone would take a log for cut off where the model changes.
FORMAT = 3
MAX_HEADER_BYTES = 4 * 2**20  # MAX_STEPS steps with the longest names take 3.4 MiB
MAX_CHANNELS, MAX_RATE_HZ = 1024, 1e6
MAX_AUX_STREAMS = 64
MAX_STARTED_AT = 253_402_214_400.0  # Unix s; dates end with the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model that judged the signal when it began; the log says where another took its place."""

    name: str
    version: str
    sha256: str  # of its manifest.json, which names that of every other file
    classes: tuple[str, ...]  # empty where it gives values
    backend: str
    fps: float  # predictions a second
    values: tuple[str, ...] = ()  # what the values are called that it gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Where an imported recording is from, and what was found and assumed when its files were read."""

    format: str
    files: tuple[str, ...]  # names, without folders
    sha256: tuple[str, ...]  # of each
    rate_source: str
    found: tuple[str, ...]
    assumed: tuple[str, ...]


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
    channel_names: tuple[str, ...] = ()  # as the device calls them; empty where it does not
    aux: tuple[AuxStream, ...] = ()
    rest: str | None = None  # which of `gesture_names` is rest, where that is known
    imported: Imported | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What each channel is called; `ch1`, `ch2`, ... where the device does not say."""
        return self.channel_names or tuple(f"ch{k}" for k in range(1, self.channels + 1))

    @property
    def aux_channels(self) -> tuple[int, ...]:
        """How many channels each auxiliary stream has: what a log is read with."""
        return tuple(stream.channels for stream in self.aux)


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
    version = whole_of(values, "format")
    if not 1 <= version <= FORMAT:
        raise ValueError(f"its format is {version!r}, this version reads 1 to {FORMAT}")
    if text_of(values, "name") != name:
        raise ValueError("it names another recording")
    channels = whole_of(values, "channels", 1, MAX_CHANNELS)
    return RecordingHeader(
        name=name,
        source=text_of(values, "source"),
        subject=maybe(text_of, values, "subject"),
        started_at=real_of(values, "started_at", 0.0, MAX_STARTED_AT),
        sampling_rate=real_of(values, "sampling_rate", 1e-3, MAX_RATE_HZ),
        channels=channels,
        units=text_of(values, "units"),
        gesture_names=texts_of(values, "gesture_names"),
        mains_hz=maybe(real_of, values, "mains_hz"),
        model=maybe(_model, values, "model"),
        plan=maybe(_plan, values, "plan"),
        **({} if version == 1 else _since_2(values, channels)),
    )


def _since_2(values: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """Return the fields that format 1 did not have."""
    names = texts_of(values, "channel_names")
    if names and len(names) != channels:
        raise ValueError(f"channel_names has {len(names)} of {channels} names")
    streams = list_of(values, "aux")
    if len(streams) > MAX_AUX_STREAMS:
        raise ValueError(f"aux has {len(streams)} streams; up to {MAX_AUX_STREAMS} are kept")
    return {
        "channel_names": names,
        "aux": tuple(_aux_stream({"aux": stream}, "aux") for stream in streams),
        "rest": maybe(text_of, values, "rest"),
        "imported": maybe(_imported, values, "imported"),
    }


def _aux_stream(values: Mapping[str, Any], name: str) -> AuxStream:
    found = expect_object(values, name)
    try:
        names = texts_of(found, "channel_names")
        if not 1 <= len(names) <= MAX_CHANNELS:
            raise ValueError(f"it has {len(names)} channels; 1 to {MAX_CHANNELS} are kept")
        return AuxStream(
            name=text_of(found, "name"),
            channel_names=names,
            units=text_of(found, "units"),
            sampling_rate=real_of(found, "sampling_rate", 1e-6, MAX_RATE_HZ),
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _imported(values: Mapping[str, Any], name: str) -> Imported:
    found = expect_object(values, name)
    try:
        return Imported(
            format=text_of(found, "format"),
            files=texts_of(found, "files"),
            sha256=texts_of(found, "sha256"),
            rate_source=text_of(found, "rate_source"),
            found=texts_of(found, "found"),
            assumed=texts_of(found, "assumed"),
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


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
            values=texts_of(found, "values") if "values" in found else (),
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _plan(values: Mapping[str, Any], name: str) -> LabelPlan:
    try:
        return LabelPlan.from_json(expect_object(values, name))
    except DataError as error:
        raise ValueError(str(error)) from None
