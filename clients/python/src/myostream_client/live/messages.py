"""What goes over the live socket as bytes: samples there, records back. docs/live.md has every field."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, Any] | list[list[float]]
else:
    Samples = Any  # numpy need not be installed

VERSION = 1
FLOAT32, INT16, INT24 = 1, 2, 3
FORMATS = {"float32": FLOAT32, "int16": INT16, "int24": INT24}
BYTES = {FLOAT32: 4, INT16: 2, INT24: 3}  # a value
FRAME, DECISION, PREDICTION, GESTURE = 1, 2, 3, 4  # kinds of a record
PHASES, VARIANTS = ("onset", "hold", "release"), ("single", "double", "long")
REASONS = (None, "gesture", "rest", "stalled", "gap", "quality", "model", "completed", "shutdown")
KEPT_S = 2.0  # of signal that is sent again after a cut
LARGEST = 256 * 1024  # bytes of a message; a longer chunk goes in several
NONE = 65535  # in the place of a class
_HEADER, _AUX_HEADER = struct.Struct("<BBBBIQ"), struct.Struct("<BBHIQ")
_RECORD = struct.Struct("<BBHQfffHHI")
_RANGES = {INT16: range(-(2**15), 2**15), INT24: range(-(2**23), 2**23)}


@dataclass(frozen=True, slots=True)
class AuxBlock:
    """Consecutive samples of one auxiliary stream; `stream` is its place in the declaration's `aux`."""

    stream: int
    first_sample: int
    samples: Samples  # (n, its channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A frame, a decision, a prediction or a gesture in 32 bytes, as `format="binary"` has them.

    Of a GESTURE `prediction` is the class, `intensity` how strong it is, `dropped` how many samples ago the muscle
    began (65535: so many or more), and `frame` its id.
    """

    kind: int  # FRAME | DECISION | PREDICTION | GESTURE
    prediction: int | None  # of the window; None: no model of classes reads it
    sample_index: int  # samples since the source began, up to the window's end; of a PREDICTION the id
    age_ms: float
    confidence: float
    intensity: float  # contraction level, 0..1
    decision: int | None  # what a device should follow
    dropped: int  # frames missed since the record before; 65535: so many or more
    frame: int  # its number; of a PREDICTION the window's place in its message
    phase: str | None = None  # of a GESTURE: onset | hold | release
    variant: str | None = None  # single | double | long
    reason: str | None = None  # of a release
    held_s: float | None = None  # since the onset


def records_of(data: bytes) -> list[Record]:
    """Return the records in a binary message.

    Raises:
        ValueError: it is no such message.
    """
    if not data or len(data) % _RECORD.size:
        raise ValueError(f"records have {_RECORD.size} bytes each, got {len(data)}")
    return [_record(fields) for fields in _RECORD.iter_unpack(data)]


def _record(fields: tuple[Any, ...]) -> Record:
    version, kind, prediction, index, age, confidence, intensity, decision, dropped, number = fields
    if version != VERSION:
        raise ValueError(f"version {version} of a record is not known, only {VERSION}")
    if kind == GESTURE:
        return _gesture(fields)
    return Record(
        kind=kind,
        prediction=None if prediction == NONE else prediction,
        sample_index=index,
        age_ms=age,
        confidence=confidence,
        intensity=intensity,
        decision=None if decision == NONE else decision,
        dropped=dropped,
        frame=number,
    )


def _gesture(fields: tuple[Any, ...]) -> Record:
    _, kind, number, index, held_s, confidence, strength, what, since, identity = fields
    reason = what >> 4
    return Record(
        kind=kind,
        prediction=number,
        sample_index=index,
        age_ms=0.0,
        confidence=confidence,
        intensity=strength,
        decision=None,
        dropped=since,
        frame=identity,
        phase=PHASES[what & 3],
        variant=VARIANTS[what >> 2 & 3],
        reason=REASONS[reason] if reason < len(REASONS) else None,
        held_s=held_s,
    )


def samples_message(first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock] = ()) -> bytes:
    """Return one message of samples, (n, channels), and of what comes beside them.

    Raises:
        ValueError: a value does not fit into the format.
    """
    head = _HEADER.pack(VERSION, form, len(aux), 0, len(samples), first_sample)
    blocks = [
        _AUX_HEADER.pack(block.stream, 0, 0, len(block.samples), block.first_sample)
        + values_of(block.samples, FLOAT32)
        for block in aux
    ]
    return b"".join((head, values_of(samples, form), *blocks))


def windows_message(number: int, windows: np.ndarray[Any, Any], form: int) -> bytes:
    """Return one message of windows, (n, length, channels); `number` comes back with the answer."""
    return _HEADER.pack(VERSION, form, 0, 0, len(windows), number) + values_of(windows, form)


def values_of(samples: Samples, form: int) -> bytes:
    """Return values as bytes, one sample of all channels after the other, little-endian."""
    if isinstance(samples, list):
        return _of_lists((value for row in samples for value in row), form)
    if form == FLOAT32:
        return samples.astype("<f4", copy=False).tobytes()  # C order, whatever it was
    if form == INT16 and samples.dtype.kind == "i" and samples.itemsize == 2:  # all of them fit
        return samples.astype("<i2", copy=False).tobytes()
    fits = _RANGES[form]
    if samples.size and not (fits.start <= samples.min() and samples.max() < fits.stop):
        raise _too_large(form)
    if form == INT16:
        return samples.astype("<i2").tobytes()
    wide = samples.astype("<i4").reshape(-1)  # a copy in C order
    return wide.view("u1").reshape(-1, 4)[:, :3].tobytes()


def _of_lists(values: Iterable[float], form: int) -> bytes:
    try:
        if form == INT24:
            return b"".join(int(value).to_bytes(3, "little", signed=True) for value in values)
        found = array("f", values) if form == FLOAT32 else array("h", map(int, values))
    except OverflowError:
        raise _too_large(form) from None
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _too_large(form: int) -> ValueError:
    if form == FLOAT32:
        return ValueError("a value is too large for float32")
    fits, name = _RANGES[form], "int16" if form == INT16 else "int24"
    return ValueError(f"{name} goes from {fits.start} to {fits.stop - 1}")


def messages_of(
    first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock] = ()
) -> list[tuple[int, bytes]]:
    """Return a chunk in messages of a fair size, each with the index after its last sample; `aux` is in the first."""
    if not len(samples):
        return []
    count = max(1, LARGEST // (len(samples[0]) * BYTES[form]))
    found = []
    for start in range(0, len(samples), count):
        part = samples[start : start + count]
        message = samples_message(first_sample + start, part, form, () if start else aux)
        found.append((first_sample + start + len(part), message))
    return found
