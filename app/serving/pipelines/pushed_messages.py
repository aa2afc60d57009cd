"""Samples on their way to the worker that has their source, and its receipt."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from app.emg.pushed_source import AuxSamples, Receipt
from app.emg.source import Samples

PUSH, NEXT = "push", "next sample"  # kinds of calls
_HEAD = struct.Struct("<H")  # bytes of the JSON that comes first


class PushedOn(NamedTuple):
    """What one message brings."""

    source: str
    first_sample: int
    samples: Samples  # (n, channels), in the source's declared units
    aux: tuple[AuxSamples, ...]


def message_of(source: str, first_sample: int, samples: Samples, aux: Sequence[AuxSamples] = ()) -> bytes:
    """Return it as bytes."""
    head = {"source": source, "first": first_sample, "shape": samples.shape}
    if aux:
        head["aux"] = [[one.stream, one.first_sample, one.samples.shape] for one in aux]
    text = json.dumps(head, separators=(",", ":")).encode()
    arrays = (samples, *(one.samples for one in aux))
    values = [np.ascontiguousarray(one, "<f4").tobytes() for one in arrays]
    return b"".join([_HEAD.pack(len(text)), text, *values])


def read_message(message: bytes) -> PushedOn:
    """Return what `message_of` has made bytes of."""
    (size,) = _HEAD.unpack_from(message)
    head = json.loads(message[_HEAD.size : _HEAD.size + size])
    values = np.frombuffer(message, "<f4", offset=_HEAD.size + size)
    parts = []
    for shape in (head["shape"], *(one[2] for one in head.get("aux", ()))):
        count = int(np.prod(shape))
        parts.append(values[:count].reshape(shape))
        values = values[count:]
    aux = (
        AuxSamples(stream, first, part)
        for (stream, first, _), part in zip(head.get("aux", ()), parts[1:], strict=True)
    )
    return PushedOn(head["source"], head["first"], parts[0], tuple(aux))


def receipt_message(receipt: Receipt) -> bytes:
    """Return it as bytes."""
    return json.dumps(asdict(receipt)).encode()


def read_receipt(message: bytes) -> Receipt:
    """Return what `receipt_message` has made bytes of."""
    return Receipt(**json.loads(message))
