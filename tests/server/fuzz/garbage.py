"""All garbage for a route: bodies, heads and framing, cut, slow or whole. The same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from tests.server.fuzz.bodies import BODIES
from tests.server.fuzz.heads import HEADS
from tests.server.fuzz.routes import JSON, Sound, written
from tests.server.fuzz.shot import Shot, message

PAUSE_S = 0.05  # between the pieces of what is slow
SLOW_PIECES = 12
HUGE = b"9" * 25


def shots(sounds: list[Sound], seed: int) -> list[Shot]:
    """Return all garbage for all of them, in an order that mixes the routes."""
    found = [shot for number, sound in enumerate(sounds) for shot in _garbage(sound, f"{seed}/{number}")]
    Random(seed).shuffle(found)
    return found


def _garbage(sound: Sound, seed: str) -> Iterator[Shot]:
    for kind, bodies in BODIES.items():
        for body, headers in bodies(sound, Random(f"{seed}/{kind}")):
            data = message(sound.method.encode(), target(sound), headers, body)
            yield Shot(kind=kind, sound=sound, pieces=(data,))
    for kind, heads in HEADS.items():
        for method, where, headers in heads(sound, Random(f"{seed}/{kind}")):
            typed = [(b"Content-Type", sound.kind.encode())] if sound.body is not None else []
            data = message(method, where, [*headers, *typed], sound.body)
            yield Shot(kind=kind, sound=sound, pieces=(data,), owed=kind in {"path", "query"})
    for kind, delivered in DELIVERIES.items():
        yield from delivered(sound, Random(f"{seed}/{kind}"))


def target(sound: Sound) -> bytes:
    return (sound.path + (f"?{written(sound.query)}" if sound.query else "")).encode()


def whole(sound: Sound) -> bytes:
    """Return the request itself, with nothing wrong."""
    headers = [(b"Content-Type", sound.kind.encode())] if sound.body is not None else []
    return message(sound.method.encode(), target(sound), headers, sound.body)


def cut(sound: Sound, chance: Random) -> Iterator[Shot]:
    """A request that ends in its head, and one that ends in its body."""
    data = _with_body(sound)
    head = data.index(b"\r\n\r\n") + 4
    for end in (chance.randrange(1, head), chance.randrange(head, len(data))):
        yield Shot(kind="cut", sound=sound, pieces=(data[:end],), cut=True, owed=end >= head)


def slow(sound: Sound, chance: Random) -> Iterator[Shot]:
    """A sound request in drops, and one that stops in the midst of its body and waits."""
    data = _with_body(sound)
    places = sorted(chance.sample(range(1, len(data)), SLOW_PIECES))
    drops = tuple(data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True))
    yield Shot(kind="slow", sound=sound, pieces=drops, pause_s=PAUSE_S)
    if sound.body is not None:
        yield Shot(kind="slow", sound=sound, pieces=(data[:-1],))


def framed(sound: Sound, chance: Random) -> Iterator[Shot]:
    """Lengths and chunks that contradict one another or themselves."""
    body = sound.body or b"{}"
    size = b"%x" % len(body)
    chunks = (
        *(
            size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            size + b";" + b"a" * 3000 + b"\r\n" + body + b"\r\n0\r\n\r\n",
        ),
        *(
            b"zz\r\n" + body,
            b"-1\r\n",
            b"f" * 17 + b"\r\n" + body,
            size + b"\r\n" + body + b"xx0\r\n\r\n",
            b"\r\n\r\n",
        ),
        *(
            b"0\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
            b"1\r\na\r\n" * 3000 + b"0\r\n\r\n",
            b" 1 \r\na\r\n0\r\n\r\n",
        ),
    )
    lengths = (b"-1", b"+1", b"1e3", b"0x10", HUGE, b"", b" ", b"1, 2", b"\xb2", b"33554433", b"0")
    encodings = (b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"", b"xchunked")
    kind = (b"Content-Type", (sound.kind or JSON).encode())
    for headers, sent in (
        *(([(b"Transfer-Encoding", b"chunked")], chunk) for chunk in chance.sample(chunks, 4)),
        *(([(b"Content-Length", length)], body) for length in chance.sample(lengths, 3)),
        ([(b"Transfer-Encoding", chance.choice(encodings))], body),
        ([(b"Content-Length", b"3"), (b"Content-Length", size)], body),
        ([(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")], chunks[0]),
    ):
        data = message(sound.method.encode(), target(sound), [kind, *headers], sent)
        yield Shot(kind="framed", sound=sound, pieces=(data,), cut=True, owed=False)


def _with_body(sound: Sound) -> bytes:
    return (
        whole(sound)
        if sound.body is not None
        else message(sound.method.encode(), target(sound), [], b"{}   ")
    )


DELIVERIES: dict[str, Callable[[Sound, Random], Iterator[Shot]]] = {
    maker.__name__: maker for maker in (cut, slow, framed)
}
KINDS = {*BODIES, *HEADS, *DELIVERIES}
