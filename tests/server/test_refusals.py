"""What gunicorn refuses itself: a problem as every other error, with the headers of every other answer."""

from __future__ import annotations

import contextlib
import json
import socket
from urllib.request import urlopen

import pytest

from app.api.headers import SECURITY
from tests.server.live import LATE_S, Client, Live

pytestmark = pytest.mark.server

HOST = b"Host: localhost\r\n"
POST = b"POST /infer HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "a method that is none": (b"G\x00T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a version that is none": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400),
    "a header without a colon": (b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n", 400),
    "a length that is none": (POST + b"Content-Length: many\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "a coding that is none": (POST + b"Transfer-Encoding: rot13\r\n\r\n", 501),
    "an expectation that is none": (POST + b"Expect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
    "a long line": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a long line without an end": (b"GET /" + b"a" * 20_000, 414),
    "a long header": (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 5000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: a\r\n" % k for k in range(70)) + b"\r\n", 431),
    "a size that is none": (CHUNKED + b"zz\r\n", 400),
    "a negative size": (CHUNKED + b"-5\r\nhello\r\n", 400),
    "a chunk that is longer than it says": (CHUNKED + b"2\r\nhello\r\n0\r\n\r\n", 400),
    "an extension that is none": (CHUNKED + b"2;=\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk that is cut": (CHUNKED + b"5\r\n{}", 400),
    "a trailer that is none": (CHUNKED + b"2\r\n{}\r\n0\r\nnothing\r\n\r\n", 400),
}  # fmt: skip


def told(live: Live, sent: bytes) -> bytes:
    """All that the server says until it closes."""
    found = b""
    with socket.create_connection(("127.0.0.1", live.port), LATE_S) as sock:
        sock.sendall(sent)
        with contextlib.suppress(OSError):  # it may have been closed at once
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):  # what was not read makes a reset of the end
            while data := sock.recv(65536):
                found += data
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_is_a_problem_with_the_headers_of_every_answer(server: Live, name: str) -> None:
    sent, status = REFUSED[name]
    head, _, body = told(server, sent).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    assert int(first.split(" ")[1]) == status, first
    assert headers["content-type"] == "application/problem+json"
    assert headers.items() >= {key.lower(): value for key, value in SECURITY}.items()
    assert headers.keys() >= {"date", "x-request-id", "content-length"}
    said = json.loads(body)
    assert said.keys() >= {"type", "title", "status", "detail"}
    assert (said["status"], bool(said["detail"])) == (status, True)
    assert len(body) < 1000
    assert "Traceback" not in server.log


def test_refusals_cost_a_stream_beside_them_nothing(server: Live) -> None:
    stream = Client(server.port, fps=20, duration_seconds=4)
    for _ in range(5):
        for sent, _status in REFUSED.values():
            told(server, sent)
    *frames, _ = stream.events()
    stream.close()
    assert frames[-1]["dropped"] <= len(frames) / 20


def test_a_malformed_body_that_nobody_reads_gets_one_answer(server: Live) -> None:
    said = told(server, CHUNKED.replace(b"/infer", b"/nowhere") + b"zz\r\n")
    assert (said.count(b"HTTP/1.1 "), said[9:12]) == (1, b"404")
    assert "Traceback" not in server.log
    with urlopen(f"{server.url}/health/live", timeout=LATE_S) as answer:
        assert answer.status == 200
