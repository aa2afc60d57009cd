"""Paths, queries, headers and methods that nobody sends by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote

from tests.server.fuzz.bodies import WRONG, Headers
from tests.server.fuzz.routes import Sound, known, written

Head = tuple[bytes, bytes, Headers]  # method, target, headers

NAMES = (
    *(
        "%00",
        "%ff",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..",
        ".",
        "%",
        "%zz",
        "%0d%0aX-A:%20b",
        "%F0%9F%92%A9",
    ),
    *("-", ".a", "a b".replace(" ", "%20"), "a" * 64, "a" * 65, "a" * 3000, "a/b", "a%2fb", "*", "7", "null"),
    *(
        "CON",
        "kept.npz",
        "kept%20",
        "KEPT",
        ";x=1",
        "{name}",
        "<name>".replace("<", "%3C"),
        "/",
        "//",
        "~root",
    ),
)
METHODS = (b"PUT", b"PATCH", b"DELETE", b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI")
ODD_METHODS = (b"BREW", b"get", b"G" * 20, b"G" * 2000, b"-", b"G\xc3\x96T", b"PROPFIND")
VALUES = (
    *(b"", b"0", b"-1", b"null", b"\xff\xfe", "ä€".encode(), b"%00", b"a" * 3900, b"," * 3000, b'"', b"*"),
    *(
        b"Thu, 99 Xyz 99999 99:99:99 GMT",
        b"bytes=0-0,1-1,2-2",
        b"bytes=9-1",
        b"bytes=-" + b"9" * 400,
        b"gzip;q=nan",
    ),
    *(b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"9" * 1000, b"2-1-9" + b"9" * 99, b"2.0.9", b"\t\t"),
)
KNOWN = (
    *(
        b"Last-Event-ID",
        b"X-Request-ID",
        b"traceparent",
        b"tracestate",
        b"X-API-Key",
        b"Authorization",
        b"Cookie",
    ),
    *(
        b"Range",
        b"If-Range",
        b"If-None-Match",
        b"If-Modified-Since",
        b"Accept",
        b"Accept-Encoding",
        b"Origin",
    ),
    *(b"Accept-Language", b"Sec-Fetch-Site", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Forwarded", b"Host"),
    *(
        b"X-HTTP-Method-Override",
        b"Upgrade",
        b"Connection",
        b"TE",
        b"Trailer",
        b"Via",
        b"SCRIPT_NAME",
        b"Expect",
    ),
)


def _target(sound: Sound, query: str = "") -> bytes:
    return (sound.path + (f"?{query}" if query else "")).encode()


def _query(sound: Sound) -> dict[str, Any]:
    found = dict(sound.query or sound.values or {"a": 1})
    return {name: value for name, value in found.items() if not isinstance(value, list)} or {"a": 1}


def path(sound: Sound, chance: Random) -> Iterator[Head]:
    """Names in the path that are none, and paths that are nearly the route's."""
    method = sound.method.encode()
    for _ in range(3):
        parts = dict.fromkeys(sound.parts or {"": ""}, chance.choice(NAMES))
        found = sound.rule.replace("<path:", "<")
        for name, value in parts.items():
            found = found.replace(f"<{name}>", value) if name else f"{found}{value}"
        yield method, found.encode(), []
    odd = chance.choice(
        ["/" + sound.path, sound.path + "/", sound.path.upper(), sound.path + "%2f", "/." + sound.path]
    )
    yield method, odd.encode(), []
    yield method, chance.choice([b"*", b"http://[::1", b"http://a:b@c" + sound.path.encode(), b"?", b"a"]), []


def query(sound: Sound, chance: Random) -> Iterator[Head]:
    """Fields in the query that are unknown, wrong, many, long or broken."""
    method, values = sound.method.encode(), _query(sound)
    for _ in range(3):
        wrong = chance.choice([one for one in WRONG if one != "a" * 5000])
        yield method, _target(sound, written({**values, chance.choice(list(values)): wrong})[:3900]), []
    yield method, _target(sound, "&".join(["a=1"] * 900)), []
    yield method, _target(sound, written({**values, "a": "[" * 1500})[:3900]), []
    broken = ["%", "%zz=%", "&&&&", "=", "a=%ff%fe", "a[]=1&a[b]=2", quote("ä€") * 50, ";" * 900, "?" * 900]
    yield method, _target(sound, chance.choice(broken)), []
    yield method, _target(sound, written({**values, "ticket": "a" * 101, "last_event_id": "9" * 100})), []


def headers(sound: Sound, chance: Random) -> Iterator[Head]:
    """Values that are long, not ASCII, wrong for their header, and headers many times over."""
    method, target = sound.method.encode(), _target(sound)
    for _ in range(4):
        yield method, target, [(chance.choice(KNOWN), chance.choice(VALUES))]
    yield method, target, [(b"X-A", b"a" * chance.choice([4000, 4096, 9000, 70_000]))]
    name, value = chance.choice(KNOWN), chance.choice(VALUES)
    yield method, target, [(name, value)] * chance.choice([2, 50, 70, 1000])
    odd = [b"", b"X A", b"X\x00", b"\xff", b" X", b"X" * 5000, b"X:", b"__x__"]
    yield method, target, [(chance.choice(odd), b"1")]


def methods(sound: Sound, chance: Random) -> Iterator[Head]:
    """Those that the route does not have, and those that nobody has."""
    its_own = {method.encode() for rule, method in known() if rule == sound.rule}  # a DELETE would be obeyed
    others = [method for method in METHODS if method not in its_own]
    for method in (*chance.sample(others, 2), chance.choice(ODD_METHODS)):
        yield method, _target(sound), []


HEADS: dict[str, Callable[[Sound, Random], Iterator[Head]]] = {
    maker.__name__: maker for maker in (path, query, headers, methods)
}
