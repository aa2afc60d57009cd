"""Bodies that are deep, wide, long, mixed up, no text at all, or packed. All are made from a sound one."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np

from tests.server.fuzz.routes import JSON, NPY, RAW, Sound

Headers = list[tuple[bytes, bytes]]
Body = tuple[bytes, Headers]

DEEP, WIDE, LONG = (10, 1000, 100_000), (600, 2_000, 8_000), (2**12, 2**16, 2**20)
BOMB = 2**23  # bytes that come out of some 8 KiB: harmless, and seen in the memory of who unpacks it
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, -0.0, 0.5, 1e308, -1e-320, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**400),
    *(
        float("nan"),
        float("inf"),
        "",
        "7",
        "null",
        "a\0b",
        "\ud800",
        "ß" * 200,
        "../../etc/passwd",
        "a" * 5000,
    ),
    *([], {}, [[]], [None], [[[]]], ["a", 1], {"a": 1}, {"": {}}, [[1, "2"]], [[1], [2, 3]], [True, 2]),
)


def _json(values: Any) -> bytes:
    return json.dumps(values).encode()


def _typed(kind: str) -> Headers:
    return [(b"Content-Type", kind.encode())]


def _values(sound: Sound) -> dict[str, Any]:
    """Return a copy of what a sound body says, of one that brings none: of the query."""
    found: dict[str, Any] = json.loads(json.dumps(dict(sound.values or sound.query or {"name": "a"})))
    return found


def deep(sound: Sound, chance: Random) -> Iterator[Body]:
    """Lists in lists and objects in objects, in a known field, in an unknown one and in none."""
    depth = chance.choice(DEEP)
    nest = chance.choice([b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth])
    field = json.dumps(chance.choice([*_values(sound), "unknown"])).encode()
    yield nest, _typed(JSON)
    yield b'{"emg":' + nest + b"}", _typed(JSON)
    yield b"{" + field + b":" + nest + b"}", _typed(JSON)


def wide(sound: Sound, chance: Random) -> Iterator[Body]:
    """Many fields that nobody knows, many items where a few belong."""
    count = chance.choice(WIDE)
    field = chance.choice([*_values(sound), "emg", "samples", "plan"])
    yield _json({**_values(sound), **{f"field {k}": k for k in range(count)}}), _typed(JSON)
    few = [one for one in WRONG if not isinstance(one, str | int) or len(str(one)) < 20]
    yield _json({**_values(sound), field: [chance.choice(few)] * count}), _typed(JSON)
    yield _json({**_values(sound), field: {str(k): [] for k in range(count)}}), _typed(JSON)
    yield b"&".join(b"a%d=%d" % (k, k) for k in range(count)), _typed("application/x-www-form-urlencoded")


def long(sound: Sound, chance: Random) -> Iterator[Body]:
    """Texts, numbers and names of thousands of characters."""
    size = chance.choice(LONG)
    field = chance.choice([*_values(sound), "emg"])
    yield _json({**_values(sound), field: "a" * size}), _typed(JSON)
    yield _json({**_values(sound), "a" * size: 1}), _typed(JSON)
    yield b'{"%s": %s}' % (field.encode(), b"9" * size), _typed(JSON)
    yield b" " * size + _json(_values(sound)) + b"\n" * size, _typed(JSON)


def mixed(sound: Sound, chance: Random) -> Iterator[Body]:
    """Right fields with values that are not, one among many that are, and JSON that is nearly JSON."""
    values = _values(sound)
    for _ in range(4):
        yield _json({**values, chance.choice(list(values)): chance.choice(WRONG)}), _typed(JSON)
    yield _json(_spoilt(values, chance)), _typed(JSON)
    yield _json(chance.choice(WRONG)), _typed(JSON)
    text = bytearray(_json(values))
    text[chance.randrange(len(text))] = chance.randrange(256)
    yield bytes(text), _typed(JSON)
    yield _json(values)[: chance.randrange(len(text))], _typed(JSON)
    yield b"{" + b",".join([_json(values)[1:-1]] * 3) + b"}", _typed(JSON)  # each field three times
    yield _json(values).decode().encode(chance.choice(["utf-16", "utf-32", "utf-8-sig"])), _typed(JSON)


def _spoilt(values: dict[str, Any], chance: Random) -> dict[str, Any]:
    """With one wrong value in the midst of its lists, however deep they are."""
    lists = [value for value in values.values() if isinstance(value, list)]
    if not lists:
        return {**values, "emg": [[0.5] * 16] * 199 + [["0.5"] * 16]}
    inner = chance.choice(lists)
    while isinstance(inner[0], list) and chance.random() < 0.8:
        inner = chance.choice(inner)
    inner[chance.randrange(len(inner))] = chance.choice(WRONG)
    return values


def binary(sound: Sound, chance: Random) -> Iterator[Body]:
    """Windows as bytes: of a wrong size, absurd, and `.npy` whose header lies."""
    yield chance.randbytes(chance.choice([1, 3, 4, 4096, 12800, 2**20])), _typed(chance.choice([RAW, NPY]))
    absurd = chance.choice([np.nan, np.inf, 3e38, -3e38])
    yield np.full((200, 16), absurd, "<f4").tobytes(), _typed(RAW)
    shape = chance.choice(
        ["(200, 16)", "(1000000000, 1000000000)", "(-1, 16)", "()", "(0,)", "(True, 16)", "(" * 90]
    )
    dtype = chance.choice(["<f4", "|O", "<U9999", "<M8[s]", "[('a', '<f4')]", "<c16", ">f8", "|b1"])
    head = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = chance.choice([len(head), 2**16 - 1, 0])
    yield b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + head + bytes(12800), _typed(NPY)


@lru_cache
def _bomb() -> bytes:
    return gzip.compress(b'{"emg":' + b"[" * BOMB, mtime=0)


def packed(sound: Sound, chance: Random) -> Iterator[Body]:
    """Compressed, as it says or not, and what unpacks to a thousand times as much."""
    whole = sound.body or b"{}"
    kind = _typed(sound.kind or JSON)
    yield gzip.compress(whole, mtime=0), [*kind, (b"Content-Encoding", b"gzip")]
    yield zlib.compress(whole), [*kind, (b"Content-Encoding", b"deflate")]
    yield _bomb(), [*kind, (b"Content-Encoding", b"gzip")]
    yield gzip.compress(_bomb(), mtime=0), [*kind, (b"Content-Encoding", b"gzip, gzip")]
    yield (
        whole,
        [*kind, (b"Content-Encoding", chance.choice([b"gzip", b"br", b"identity", b"\xff", b"x" * 300]))],
    )


def typed(sound: Sound, chance: Random) -> Iterator[Body]:
    """A sound body under a name that is not its own."""
    whole = sound.body or b"{}"
    edge = b"--edge\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n"
    yield edge * 2000 + b"--edge--", _typed("multipart/form-data; boundary=edge")
    charset = chance.choice(["utf-7", "ebcdic", "\u00e4", "x" * 1000])
    yield whole, _typed(f"{JSON}; charset={charset}")
    yield (
        whole,
        _typed(chance.choice([JSON, RAW, NPY, "text/plain", "*/*", "a", ";;;", f"{JSON},{JSON}", "/"])),
    )
    yield whole, []


BODIES: dict[str, Callable[[Sound, Random], Iterator[Body]]] = {
    maker.__name__: maker for maker in (deep, wide, long, mixed, binary, packed, typed)
}
