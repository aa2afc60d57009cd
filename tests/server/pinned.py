"""Connections with the worker that a test wants: the kernel decides who takes one, so some are opened until it fits."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from tests.server.live import LATE_S, START_S, Live

CHANNELS, RATE, CHUNK = 16, 2000, 50  # 25 ms
PAUSE_S = 0.02
SAMPLES = np.random.default_rng(0).normal(0, 30, (100_000, CHANNELS)).astype("<f4")


class Pinned:
    """One keep-alive connection, asked and answered."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection

    def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON of the answer."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else {}

    def declare(self, name: str, **more: Any) -> tuple[int, dict[str, Any]]:
        return self.ask(
            "POST", f"/emg/sources/{name}", {"channels": CHANNELS, "sampling_rate_hz": RATE, **more}
        )

    def push(self, name: str, first: int, count: int = CHUNK) -> tuple[int, dict[str, Any]]:
        body = SAMPLES[first : first + count].tobytes()
        path = f"/emg/sources/{name}/samples?first_sample={first}"
        return self.ask("POST", path, body, "application/octet-stream")

    def close(self) -> None:
        self.connection.close()


def pinned(live: Live, pid: int) -> Pinned:
    """Return a connection with that worker."""
    left, ends = [], time.monotonic() + START_S  # it may not have begun yet
    try:
        while time.monotonic() < ends:
            connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
            found = Pinned(connection)
            found.ask("GET", "/health/live")  # it has been taken
            if taken_by(pid, connection.sock):
                return found
            left.append(connection)
            time.sleep(PAUSE_S)
    finally:
        for connection in left:
            connection.close()
    raise AssertionError(f"the worker {pid} took none of {len(left)} connections")


def taken_by(pid: int, client: socket.socket) -> bool:
    """Whether a process has the server's end of that connection."""
    client_port = client.getsockname()[1]
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = [
        fields[9] for fields in map(str.split, lines) if int(fields[2].rpartition(":")[2], 16) == client_port
    ]
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(link.readlink()) in {f"socket:[{inode}]" for inode in ends}:
                return True
    return False
