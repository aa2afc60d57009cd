"""A real gunicorn on a free port, and clients that take its streams apart byte by byte."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0  # two busy cores load the libraries slowly
START_POLL_S = 0.05  # to ask more often would take from what is starting
LATE_S = 60.0  # what takes longer than this has not happened

Json = dict[str, Any]


@dataclass(slots=True)
class Live:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    log_from: int = 0  # of its characters; those before are an earlier test's
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")[self.log_from :]

    def workers(self) -> list[int]:
        """Process ids."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def stats(self) -> Json:
        with urlopen(f"{self.url}/infer/stream/stats", timeout=LATE_S) as answer:
            found: Json = json.load(answer)
            return found

    def ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/health/ready", timeout=LATE_S) as answer:
                return bool(answer.status == 200)
        except OSError:  # refused, or 503
            return False

    def at_rest(self) -> None:
        """Wait until it is ready and has no stream; its log begins here."""
        until(self.ready, START_S)
        until(lambda: self.stats()["active_streams"] == 0)
        self.log_from += len(self.log)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LATE_S)


@contextmanager
def gunicorn(
    folder: Path,
    prefix: tuple[str, ...] = (),
    port: int | None = None,
    awaited: bool = True,
    host: str = "127.0.0.1",
    **settings: str,
) -> Iterator[Live]:
    """The server as `make serve` runs it, with one backend so that it starts soon; `awaited`: until it is ready."""
    port = port or free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
    env = {**kept, "EMG_BIND": f"{host}:{port}", "EMG_BACKENDS": "onnxruntime", **settings}
    command = [*prefix, sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    log_file = folder / f"server-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
    live = Live(port, process, log_file, host=host)
    try:
        if not prefix and awaited:
            until(lambda: live.ready() or process.poll() is not None, START_S, START_POLL_S)
            assert process.poll() is None, live.log
        yield live
    finally:
        try:
            live.stop()
        except subprocess.TimeoutExpired:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(holds: Callable[[], object], seconds: float = LATE_S, every_s: float = 0.01) -> float:
    """Wait until it holds; how long that took, in s."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(every_s)
    return time.monotonic() - began


class Client:
    """One connection with one stream. It trusts nothing: neither the chunks, nor the events in them."""

    def __init__(
        self,
        port: int,
        *,
        method: str = "POST",
        version: str = "1.1",
        host: str = "127.0.0.1",
        last_event_id: str | None = None,
        receive_buffer: int | None = None,  # bytes
        **options: Any,
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(LATE_S)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, port))
        self.socket.sendall(request(method, version, last_event_id, options))
        # unbuffered: what has not been read lies in the kernel, where the server sees it
        self.file = self.socket.makefile("rb", buffering=0 if receive_buffer else -1)
        self.status, self.headers = self._head()
        self.last_id: str | None = None
        self.finished = False  # the body has ended as it should

    def _head(self) -> tuple[int, Mapping[str, str]]:
        status = int(self._line().split(b" ")[1])
        headers = {}
        while line := self._line().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def body(self) -> bytes:
        """Of an answer with a length."""
        return self._exactly(int(self.headers["content-length"]))

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes; ends with it."""
        if self.headers.get("transfer-encoding") != "chunked":
            while line := self._line(may_end=True):
                yield line
            self.finished = True
            return
        while True:
            size = self._line()
            assert re.fullmatch(rb"[0-9a-fA-F]+\r\n", size), f"not the size of a chunk: {size[:80]!r}"
            data = self._exactly(int(size, 16))
            assert self._exactly(2) == b"\r\n", "a chunk is longer than it said"
            if not data:
                self.finished = True
                return
            yield data

    def events(self) -> Iterator[Json]:
        """The data of every event, as EventSource would take it; comments are passed over."""
        text = b""
        for piece in self.pieces():
            text += piece
            *whole, text = text.split(b"\n\n")
            for block in whole:
                yield self._dispatched(block)
        assert all(line.startswith(b":") for line in text.splitlines()), (
            f"the body ends within an event: {text[:80]!r}"
        )

    def frames(self, count: int) -> list[Json]:
        found: list[Json] = []
        for event in self.events():
            if "prediction" in event:
                found.append(event)
            if len(found) == count:
                break
        return found

    def frames_until_now(self) -> list[Json]:
        """All frames up to the first that was made after this call; the stream may not end before."""
        now, found = time.time(), list[Json]()
        for event in self.events():
            if "prediction" in event:
                found.append(event)
                if event["timestamp"] > now:
                    return found
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        with suppress(OSError):  # it is cut already
            self.socket.shutdown(socket.SHUT_RDWR)  # whoever reads of it, on another thread, reads its end
        self.file.close()
        self.socket.close()

    def _dispatched(self, block: bytes) -> Json:
        lines = [line for line in block.decode().split("\n") if not line.startswith(":")]
        assert [line.partition(": ")[0] for line in lines] == ["id", "data"], lines
        self.last_id = lines[0].removeprefix("id: ")
        data = json.loads(lines[1].removeprefix("data: "))
        assert isinstance(data, dict)
        return data

    def _line(self, may_end: bool = False) -> bytes:
        line: bytes = self.file.readline()
        assert line or may_end, "the connection was closed within the body"
        return line

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.file.read(count - len(found))
            assert part, "the connection was closed within a chunk"
            found += part
        return found


@contextmanager
def connecting(port: int) -> Iterator[Callable[..., Client]]:
    """Makes clients of that server, and closes all of them in the end."""
    with ExitStack() as opened:

        def connect(**more: Any) -> Client:
            client = Client(port, **more)
            opened.callback(client.close)
            return client

        yield connect


def request(method: str, version: str, last_event_id: str | None, options: Mapping[str, Any]) -> bytes:
    path, body = "/infer/stream", b""
    if method == "POST":
        body = json.dumps(options).encode()
    else:
        path += f"?{urlencode({k: json.dumps(v).strip(chr(34)) for k, v in options.items()})}"
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", "Accept: text/event-stream"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if last_event_id is not None:
        lines.append(f"Last-Event-ID: {last_event_id}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def expect_accounted_for(frames: list[Json], hop: int) -> None:
    """Frames are numbered without a hole, and `dropped` says how many windows lie between two of them."""
    for before, after in pairwise(frames):
        assert after["frame"] == before["frame"] + 1
        windows = (after["sample_index"] - before["sample_index"]) / hop
        assert windows == 1 + after["dropped"] - before["dropped"]
