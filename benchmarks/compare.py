"""Requests and memory of two checkouts, in one run.

    python -m benchmarks.compare ../before

Both servers are up at once on one core, and take turns; so a noisy moment hits both. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.request_load import Result, measure
from benchmarks.servers import CLIENT_CORE, ROOT, Server, myostream

PATH, QUERY = "/infer/onnx", "?batch=1&length=200&channels=16"  # the query as README and docs print it
ROUNDS = 7
SECONDS = 2.0
CONCURRENCY = (1, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the other checkout")
    before = parser.parse_args().before.resolve()
    os.sched_setaffinity(0, {CLIENT_CORE})
    emg = np.random.default_rng(0).normal(0, 30, (200, 16)).astype(np.float32)
    bodies = {
        "raw": (PATH, "application/octet-stream", emg.tobytes()),
        "raw, with a query": (f"{PATH}{QUERY}", "application/octet-stream", emg.tobytes()),
        "json": (PATH, "application/json", json.dumps({"emg": np.round(emg, 3).tolist()}).encode()),
    }
    with ExitStack() as stack:
        settings = {"EMG_BACKENDS": "onnxruntime"}
        servers = {
            "before": stack.enter_context(myostream(before, **settings)),
            "now": stack.enter_context(myostream(ROOT, **settings)),
        }
        print("requests | connections | before, 1/s | now, 1/s | now / before | before, p50 ms | now, p50 ms")
        for kind, asked in bodies.items():
            for concurrency in CONCURRENCY:
                found = rounds(servers, *asked, concurrency)
                print(row(kind, concurrency, found), flush=True)
        for name, server in servers.items():
            print(f"memory of the worker, {name}: {server.memory_mb():.1f} MiB")


def rounds(
    servers: dict[str, Server], path: str, content_type: str, body: bytes, concurrency: int
) -> dict[str, list[Result]]:
    """Return what each server did, by its name, one result a round."""
    found: dict[str, list[Result]] = {name: [] for name in servers}
    for number in range(ROUNDS):
        turn = list(servers) if number % 2 else list(servers)[::-1]
        for name in turn:
            port = servers[name].port
            found[name].append(measure(port, path, content_type, body, concurrency, SECONDS))
    return found


def row(kind: str, concurrency: int, found: dict[str, list[Result]]) -> str:
    """Return a line of the table; the ratio is the median of each round's."""
    rate = {name: np.median([one.per_second for one in results]) for name, results in found.items()}
    p50 = {name: np.median([one.p50_ms for one in results]) for name, results in found.items()}
    pairs = zip(found["before"], found["now"], strict=True)
    ratio = np.median([now.per_second / before.per_second for before, now in pairs])
    return (
        f"{kind} | {concurrency} | {rate['before']:.0f} | {rate['now']:.0f} | {ratio:.3f} | "
        f"{p50['before']:.2f} | {p50['now']:.2f}"
    )


main()
