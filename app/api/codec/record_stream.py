"""One long body of records: each with its length before it, taken as they come."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

SAMPLES = "application/x-myostream-samples"
_LENGTH = struct.Struct("<I")


def records(read: Callable[[int], bytes], most: int) -> Iterator[bytes]:
    """Yield each record as soon as its last byte is here; `read` waits for so many bytes, and gives fewer at the end.

    Raises:
        BadRequest: the body ends within a record.
        RequestEntityTooLarge: a record has more than `most` bytes.
    """
    while head := read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise BadRequest("the body ends within the length of a record")
        (length,) = _LENGTH.unpack(head)
        if length > most:
            raise RequestEntityTooLarge
        record = read(length)
        if len(record) < length:
            raise BadRequest(f"the body ends after {len(record)} of the {length} bytes of a record")
        yield record
