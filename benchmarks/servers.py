"""Starts a server on a core of its own and waits until it answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SERVER_CORE, CLIENT_CORE = 0, 1


@dataclass(slots=True)
class Server:
    """A running server; its worker is the process that does the work."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def worker(self) -> psutil.Process:
        """The youngest process: gunicorn's worker, or uvicorn itself."""
        own = psutil.Process(self.process.pid)
        return max([own, *own.children(recursive=True)], key=lambda process: process.create_time())

    def cpu_seconds(self) -> float:
        times = self.worker.cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        """Proportional set size."""
        return float(self.worker.memory_full_info().pss) / 2**20


@contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    path: str = "/",
    cores: str = str(SERVER_CORE),
    root: Path = ROOT,
    **env: str,
) -> Iterator[Server]:
    """`command` pinned to these cores, until the block ends."""
    process = subprocess.Popen(
        ["taskset", "-c", cores, *command],
        cwd=root,
        env={**os.environ, **env, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}")
        yield Server(name, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def myostream(root: Path = ROOT, **env: str) -> Iterator[Server]:
    """Our server, as `make serve` runs it; that of another checkout with `root`."""
    port = free_port()
    command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    with running(
        "myostream", command, port, "/health/ready", root=root, EMG_BIND=f"127.0.0.1:{port}", **env
    ) as server:
        yield server


@contextmanager
def uvicorn(module: str, **env: str) -> Iterator[Server]:
    """A peer: FastAPI under uvicorn with its fast loop and parser."""
    port = free_port()
    command = [str(BIN / "uvicorn"), module, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    with running("FastAPI + uvicorn", command, port, "/health", **env) as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
