"""One worker beside two (WEB_CONCURRENCY), on the two cores of one machine that the clients need as well.

    python -m benchmarks workers

Nothing is pinned. Both servers run all the time and take turns. CPU is what the kernel has counted for the workers,
and for this process, which is the clients.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.request_load import measure
from benchmarks.requests import RAW, large_model
from benchmarks.servers import BIN, Server, free_port, running
from benchmarks.stream_load import measure as measure_streams

CORES = "0,1"
WORKERS = (1, 2)
CONNECTIONS = 32
ROUNDS = 3
REQUEST_S, STREAM_S = 1.5, 4.0
FPS = 30.0
CLIENTS = (300, 1000, 1500)


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    emg = np.random.default_rng(0).normal(0, 30, (200, 16)).astype(np.float32)
    found: dict[str, Any] = {"connections": CONNECTIONS, "fps": FPS, "load before": psutil.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        large = {"EMG_MODEL": str(large_model(Path(folder))), "EMG_PRECISION": "fp32"}
        with ExitStack() as stack:
            servers = [stack.enter_context(_server(workers, **large)) for workers in WORKERS]
            found["large model"] = _requests(servers, emg.tobytes())
    with ExitStack() as stack:
        servers = [stack.enter_context(_server(workers)) for workers in WORKERS]
        found["default model"] = _requests(servers, emg.tobytes())
        found["memory_mb"] = [_memory_mb(server) for server in servers]
        found["streams"] = [_streams(server, clients) for clients in CLIENTS for server in servers]
    return found


def _server(workers: int, **env: str) -> Any:
    port = free_port()
    command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    settings = {
        "EMG_BIND": f"127.0.0.1:{port}",
        "WEB_CONCURRENCY": str(workers),
        "EMG_BACKENDS": "onnxruntime",
    }
    return running(f"{workers}", command, port, "/health/ready", cores=CORES, **settings, **env)


def _requests(servers: list[Server], body: bytes) -> list[dict[str, Any]]:
    """For each server the round with the median ratio of the second to the first."""
    for server in servers:
        _wait_for_all(server)
    rounds = [[_asked(server, body) for server in servers] for _ in range(ROUNDS)]
    return sorted(rounds, key=lambda both: both[1]["per_second"] / both[0]["per_second"])[ROUNDS // 2]


def _asked(server: Server, body: bytes) -> dict[str, Any]:
    before, own, began = _cpu(server), time.process_time(), time.perf_counter()
    result = measure(server.port, "/infer/onnx", RAW, body, CONNECTIONS, seconds=REQUEST_S)
    elapsed = time.perf_counter() - began
    spent = [after - start for after, start in zip(_cpu(server), before, strict=True)]
    requests = result.per_second * elapsed
    row = {
        "workers": int(server.name),
        "per_second": result.per_second,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "server_cpu_us": 1e6 * sum(spent) / requests,
        "client_cpu_us": 1e6 * (time.process_time() - own) / requests,
        "server_cpu_percent": [round(100 * one / elapsed) for one in spent],
    }
    print(row, flush=True)
    time.sleep(0.2)
    return row


def _streams(server: Server, clients: int) -> dict[str, Any]:
    before, own, began = _cpu(server), time.process_time(), time.perf_counter()
    result = measure_streams(
        server.port, [{"fps": FPS}] * clients, FPS, STREAM_S, meanwhile=lambda: time.sleep(0.0005)
    )
    elapsed = time.perf_counter() - began
    spent = [after - start for after, start in zip(_cpu(server), before, strict=True)]
    row = {
        "workers": int(server.name),
        **asdict(result),
        "server_cpu_percent": [round(100 * one / elapsed) for one in spent],
        "client_cpu_percent": round(100 * (time.process_time() - own) / elapsed),
    }
    print(row, flush=True)
    time.sleep(0.5)
    return row


def _workers(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def _wait_for_all(server: Server, seconds: float = 30.0) -> None:
    """Until every worker rests; the first that was ready has answered for the others."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        before = _cpu(server)
        time.sleep(1.0)
        after = _cpu(server)
        if len(before) == len(after) == int(server.name) and max(np.subtract(after, before)) < 0.3:
            return
    raise RuntimeError(f"the server with {server.name} workers does not come to rest")


def _cpu(server: Server) -> list[float]:
    """Seconds of each worker."""
    return [sum(process.cpu_times()[:2]) for process in _workers(server)]


def _memory_mb(server: Server) -> list[float]:
    """Proportional set size of each worker."""
    return [round(process.memory_full_info().pss / 2**20, 1) for process in _workers(server)]
