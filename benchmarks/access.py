"""What access control costs a request: `POST /infer/onnx` with no keys, with ten keys, and with keys and a rate.

    python -m benchmarks.access

The servers take turns, each pinned to one core, the clients to the other. Printed are the medians of the rounds; the
server's CPU time for a request says more than its rate where other programs use the machine too.
"""

from __future__ import annotations

import os
import statistics

import numpy as np

from app.keys import make
from benchmarks.request_load import measure
from benchmarks.servers import CLIENT_CORE, myostream

ROUNDS, SECONDS = 5, 1.5


def main() -> None:
    """Print the CPU time of a request, requests a second, and the median latency of each server."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    body = np.random.default_rng(0).normal(0, 30, (200, 16)).astype("<f4").tobytes()
    keys = [make(f"key{number}", ["infer"]) for number in range(10)]
    guarded = {"EMG_API_KEYS": ",".join(str(key) for key, _ in keys)}
    # the load generator has no option for headers; its content type may carry one more line
    kind = f"application/octet-stream\r\nX-API-Key: {keys[-1][1]}"
    found: dict[str, list[tuple[float, float, float]]] = {}
    with (
        myostream() as plain,
        myostream(**guarded) as keyed,
        myostream(**guarded, EMG_RATE_LIMIT="100000/second") as counted,
    ):
        for _ in range(ROUNDS):
            for name, server in (("no keys", plain), ("ten keys", keyed), ("ten keys and a rate", counted)):
                before = server.cpu_seconds()
                result = measure(server.port, "/infer/onnx", kind, body, 8, seconds=SECONDS)
                spent = server.cpu_seconds() - before
                cpu_us = 1e6 * spent / (result.per_second * (SECONDS + 0.5))  # half a second of warm-up
                found.setdefault(name, []).append((cpu_us, result.per_second, result.p50_ms))
    for name, rounds in found.items():
        cpu_us, rate, latency = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{name}: {cpu_us:.0f} us of CPU, {rate:.0f} requests/s, p50 {latency:.2f} ms")


if __name__ == "__main__":
    main()
