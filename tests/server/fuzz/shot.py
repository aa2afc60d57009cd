"""One request, sent as bytes that no library would send, and what came back."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

from tests.server.fuzz.routes import Sound

ANSWER_S = 15.0  # after which there is no answer; EMG_BODY_TIMEOUT and gunicorn's keepalive are less
MOST_READ = 2**16  # bytes of an answer that does not end by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What is sent."""

    kind: str  # of garbage
    sound: Sound  # what it was made of
    pieces: tuple[bytes, ...] = field(repr=False)
    pause_s: float = 0.0  # between two of them
    cut: bool = False  # nothing more comes, and the server can see that
    owed: bool = True  # an answer: whoever breaks off or breaks the framing may get none

    def __str__(self) -> str:
        begin = b"".join(self.pieces)[:160]
        return f"{self.kind} to {self.sound.method} {self.sound.rule}: {begin!r}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: a status, or why there was none."""

    shot: Shot
    began: float  # time.monotonic()
    ended: float
    status: int | None
    trouble: str = ""


def message(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes | None = None
) -> bytes:
    """Return a request; `Host`, and the length of a body, are there unless `headers` have them."""
    given = {name.lower() for name, _ in headers}
    fields = [] if b"host" in given else [(b"Host", b"127.0.0.1")]
    if body is not None and not given & {b"content-length", b"transfer-encoding"}:
        fields.append((b"Content-Length", str(len(body)).encode()))
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % pair for pair in [*fields, *headers])]
    return b"\r\n".join([*lines, b"", b""]) + (body or b"")


def fire(port: int, shot: Shot) -> Outcome:
    """Send it to 127.0.0.1 and read the answer, or as much of a stream as shows that it is one."""
    began = time.monotonic()
    status, trouble = None, ""
    with socket.create_connection(("127.0.0.1", port), ANSWER_S) as sock:
        sent = _sent(sock, shot)
        try:
            status = _status(sock, shot)
        except TimeoutError:
            trouble = f"no answer within {ANSWER_S:g} s"
        except OSError as error:
            trouble = "" if sent is None else f"the connection was reset: {error}"
        except ValueError as error:
            trouble = str(error) if shot.owed and sent is not None else ""
    return Outcome(shot, began, time.monotonic(), status, trouble)


def _sent(sock: socket.socket, shot: Shot) -> int | None:
    """Return how many pieces were sent; None where the server closed before, which it may after an answer."""
    try:
        for number, piece in enumerate(shot.pieces):
            if number:
                time.sleep(shot.pause_s)
            sock.sendall(piece)
        if shot.cut:
            sock.shutdown(socket.SHUT_WR)
    except OSError:
        return None
    return len(shot.pieces)


def _status(sock: socket.socket, shot: Shot) -> int:
    with sock.makefile("rb") as file:
        line = file.readline(MOST_READ)
        if not line:
            raise ValueError("the connection was closed without an answer")
        parts = line.split(b" ", 2)
        if not line.startswith(b"HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
            raise ValueError(f"not an answer: {line[:80]!r}")
        length, method = 0, shot.pieces[0].split(b" ", 1)[0]
        while (header := file.readline(MOST_READ).rstrip(b"\r\n")) != b"":
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if header.lower() == b"transfer-encoding: chunked":
                file.readline(MOST_READ)  # a stream has begun: that is enough of it
        if method != b"HEAD":
            file.read(length)
        return int(parts[1])
