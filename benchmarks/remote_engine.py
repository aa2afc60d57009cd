"""100 streams whose windows a fleet predicts: what they see while it is killed, comes back, and stands still.

    python -m benchmarks.remote_engine          the fleet is another server of ours
    python -m benchmarks.remote_engine PYTHON   it is a Triton, of a Python with nvidia-pytriton and onnxruntime

The streams differ in their rates (10 to 15 frames a second), so that each window is asked for by one of them alone.
Server on one core, fleet and clients on the other.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import psutil

from app.config import SHIPPED_MODELS
from app.inference import artefact
from app.inference.remote.triton_repository import write_repository
from benchmarks.servers import BIN, CLIENT_CORE, ROOT, SERVER_CORE, Server, free_port, running, wait_for
from benchmarks.stream_load import ON_TIME_S

MODEL, STREAMS, PHASE_S, TIMEOUT_S = "myo-8ch-200hz", 100, 4.0, 0.05
FPS = [10 + 5 * number / STREAMS for number in range(STREAMS)]
TRITON = ROOT / "tests" / "server" / "oip" / "triton_server.py"
_FRAME = re.compile(
    rb'"timestamp":([\d.]+),.*?"latency_ms":([\d.]+),.*?"age_ms":([\d.]+),.*?"backend":"(\w+)"'
)


class Frame(NamedTuple):
    """One frame as a client got it; times in Unix s."""

    arrived: float
    acquired: float  # the last sample of its window
    latency_ms: float
    backend: str
    period_s: float


class Span(NamedTuple):
    """A phase: from when to when it was (Unix s), and what the server's worker took of a processor meanwhile."""

    began: float
    ended: float
    cpu_s: float


class Streams:
    """All connections, and what came on each and when."""

    def __init__(self, server: Server) -> None:
        self._worker, port = server.worker, server.port
        self._poll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, float]] = {}
        self._received: dict[int, list[tuple[float, bytes]]] = {}
        self.lost = 0
        for fps in FPS:
            sock = _opened(port, fps)
            self._sockets[sock.fileno()], self._received[sock.fileno()] = (sock, fps), []
            self._poll.register(sock.fileno(), select.EPOLLIN)

    def cpu_s(self) -> float:
        times = self._worker.cpu_times()
        return float(times.user + times.system)

    def read(self, seconds: float) -> Span:
        """Read for so long."""
        began, cpu_s = time.time(), self.cpu_s()
        while (now := time.time()) < began + seconds:
            for fd, _ in self._poll.poll(0.001):
                data = self._sockets[fd][0].recv(65536)
                self._received[fd].append((now, data))
                if not data:
                    self._poll.unregister(fd)
                    self.lost += 1
        return Span(began, now, self.cpu_s() - cpu_s)

    def frames(self) -> list[Frame]:
        found = []
        for fd, pieces in self._received.items():
            rest, period_s = b"", 1 / self._sockets[fd][1]
            for now, data in pieces:
                *events, rest = (rest + data).split(b"\n\n")
                for match in filter(None, map(_FRAME.search, events)):
                    timestamp, latency, age, backend = match.groups()
                    acquired = float(timestamp) - float(age) / 1e3
                    found.append(Frame(now, acquired, float(latency), backend.decode(), period_s))
        return found


def _opened(port: int, fps: float) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    body = json.dumps({"fps": fps}).encode()
    lines = ("POST /infer/stream HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    sock.sendall("\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body)
    return sock


class Fleet:
    """A server that can be killed, started again at the same port, and stopped for a while."""

    def __init__(self, python: str | None, folder: Path) -> None:
        self._python, self._folder, self.port = python, folder, free_port()
        if python is not None:
            write_repository(artefact.load(SHIPPED_MODELS / MODEL), folder)
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
        if self._python is not None:
            command = [self._python, str(TRITON), str(self.port), str(self._folder)]
        self._process = subprocess.Popen(
            ["taskset", "-c", str(CLIENT_CORE), *command],
            cwd=ROOT,
            env={**os.environ, "EMG_BIND": f"127.0.0.1:{self.port}", "EMG_BACKENDS": "onnxruntime"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        for child in _children(self._process.pid):
            with suppress(psutil.Error):
                child.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def ready(self) -> None:
        wait_for(f"{self.url}/v2/models/{MODEL}/ready")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def available(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        return bool(json.load(answer)["backends"]["remote"]["available"])


@contextmanager
def server(fleet: Fleet | None) -> Iterator[Server]:
    """Ours; with a fleet it asks that first."""
    port = free_port()
    asked = {"EMG_BACKENDS": "onnxruntime"}
    if fleet is not None:
        asked = {
            "EMG_BACKENDS": "remote,onnxruntime",
            "EMG_OIP_URL": fleet.url,
            "EMG_OIP_TIMEOUT": str(TIMEOUT_S),
        }
    command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    own = {"EMG_MODEL": MODEL, "EMG_BIND": f"127.0.0.1:{port}", "EMG_MAX_GROUPS": str(2 * STREAMS)}
    with running("myostream", command, port, "/health/ready", str(SERVER_CORE), **own, **asked) as found:
        yield found


def phase(frames: list[Frame], span: Span) -> dict[str, Any]:
    """What came of the windows that ended in that time."""
    within = [frame for frame in frames if span.began <= frame.acquired < span.ended]
    due = sum(FPS) * (span.ended - span.began)
    ages = np.array([frame.arrived - frame.acquired for frame in within] or [np.nan])
    return {
        "frames_due": round(due),
        "cpu_ms_a_frame": round(span.cpu_s / max(len(within), 1) * 1e3, 3),
        "made": round(len(within) / due, 4),
        "within_10_ms": round(sum(age <= ON_TIME_S for age in ages) / due, 4),
        "in_period": round(sum(f.arrived - f.acquired <= f.period_s for f in within) / due, 4),
        "age_p50_ms": round(float(np.percentile(ages, 50)) * 1e3, 1),
        "age_p99_ms": round(float(np.percentile(ages, 99)) * 1e3, 1),
        "by_fleet": round(sum(frame.backend == "remote" for frame in within) / max(len(within), 1), 3),
        "fleet_answers_beyond_timeout": sum(
            frame.backend == "remote" and frame.latency_ms > TIMEOUT_S * 1e3 for frame in within
        ),
    }


def measure(python: str | None) -> dict[str, Any]:
    """Every phase's figures."""
    with server(None) as ours:
        alone = Streams(ours)
        alone.read(2.0)
        span = alone.read(PHASE_S)
    found: dict[str, Any] = {"this machine alone": phase(alone.frames(), span)}
    with TemporaryDirectory() as folder:
        fleet = Fleet(python, Path(folder) / "models")
        return found | _with(fleet)


def _with(fleet: Fleet) -> dict[str, Any]:
    spans: dict[str, Span] = {}
    fleet.start()
    try:
        fleet.ready()
        with server(fleet) as ours:
            streams = Streams(ours)
            streams.read(2.0)
            spans["the fleet answers"] = streams.read(PHASE_S)
            fleet.signal(signal.SIGKILL)
            spans["it is killed"] = streams.read(PHASE_S)
            fleet.start()
            spans["it starts again"] = _until(streams, lambda: available(ours.port))
            spans["it answers again"] = streams.read(PHASE_S)
            fleet.signal(signal.SIGSTOP)
            spans["it stands still"] = streams.read(PHASE_S)
            fleet.signal(signal.SIGCONT)
            spans["it goes on"] = streams.read(PHASE_S)
            frames = streams.frames()
    finally:
        fleet.signal(signal.SIGKILL)
    found = {name: phase(frames, span) for name, span in spans.items()}
    return {**found, "streams lost": {"count": streams.lost}}


def _until(streams: Streams, holds: Callable[[], bool], most_s: float = 60.0) -> Span:
    began, cpu_s = time.time(), streams.cpu_s()
    while time.time() < began + most_s:
        streams.read(0.5)
        with suppress(urllib.error.URLError, OSError):
            if holds():
                break
    return Span(began, time.time(), streams.cpu_s() - cpu_s)


def main() -> None:
    """Print a row for each phase."""
    found = measure(sys.argv[1] if len(sys.argv) > 1 else None)
    for name, row in found.items():
        print(f"{name:20}", json.dumps(row))


if __name__ == "__main__":
    main()
