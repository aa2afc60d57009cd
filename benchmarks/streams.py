"""Streams: how many clients of one signal one core serves on time, beside a server that infers per client.

    python -m benchmarks streams

The server is pinned to one core and the clients to the other. On time: read by the client within 10 ms of the
moment at which the last sample of the frame's window was acquired. A frame that never comes is not on time.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from benchmarks.servers import CLIENT_CORE, Server, myostream, uvicorn
from benchmarks.stream_load import Result, measure

FPS = 30.0
CLIENTS = (1, 10, 100, 300, 500, 1000, 1500)
PEER_CLIENTS = (1, 10, 100, 200, 300, 500)
SECONDS = 8.0
MEMORY_SECONDS = 60.0


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    found: dict[str, Any] = {"fps": FPS, "seconds": SECONDS}
    with myostream(EMG_MAX_STREAMS="1600") as server:
        found["myostream"] = [_row(server, [{"fps": FPS}] * n) for n in CLIENTS]
        options = [{"fps": FPS, "votes": n} for n in range(1, 31)]
        found["30 clients, 30 different options"] = _row(server, options)
        found["after the last client left, CPU percent"] = _idle_cpu(server)
    with uvicorn("benchmarks.peers.streams:app") as server:
        found["FastAPI + uvicorn"] = [_row(server, [{"fps": FPS}] * n) for n in PEER_CLIENTS]
    found["memory"] = _memory()
    return found


def _row(server: Server, bodies: list[dict[str, object]]) -> dict[str, Any]:
    before, began = server.cpu_seconds(), time.perf_counter()
    result: Result = measure(server.port, bodies, FPS, SECONDS)
    cpu = 100 * (server.cpu_seconds() - before) / (time.perf_counter() - began)
    time.sleep(0.5)
    row = {**asdict(result), "server_cpu_percent": round(cpu)}
    print(f"{server.name}: {row}", flush=True)
    return row


def _idle_cpu(server: Server, seconds: float = 5.0) -> float:
    time.sleep(1.0)
    before = server.cpu_seconds()
    time.sleep(seconds)
    return round(100 * (server.cpu_seconds() - before) / seconds, 1)


def _memory() -> dict[str, float]:
    """Resident size before 1000 clients and after, and after many more that came and left, in MB.

    Before: the server has started and a few clients have been there, so that all that is loaded late is there.
    Not the proportional size: that one falls and rises with other processes that map the same libraries.
    """
    with myostream(EMG_MAX_STREAMS="1600") as server:
        measure(server.port, [{"fps": FPS}] * 10, FPS, 3.0)
        found = {"before": _resident_mb(server)}
        measure(server.port, [{"fps": FPS}] * 1000, FPS, MEMORY_SECONDS)
        time.sleep(2.0)
        found["after 1000 clients for 60 s"] = _resident_mb(server)
        for _ in range(100):
            measure(server.port, [{"fps": FPS}] * 100, FPS, 0.05, warm_up_s=0.05)
        time.sleep(2.0)
        found["after 10000 more that came and left"] = _resident_mb(server)
    return {name: round(value, 1) for name, value in found.items()}


def _resident_mb(server: Server) -> float:
    return float(server.worker.memory_info().rss) / 2**20
