"""The engine alone, through `/benchmark`, and what a worker costs at rest.

python -m benchmarks engine
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.request_load import measure
from benchmarks.servers import CLIENT_CORE, Server, myostream
from benchmarks.stream_load import measure as measure_streams

ITERATIONS = 20_000


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    found: dict[str, Any] = {"iterations": ITERATIONS}
    began = time.perf_counter()
    with myostream() as server:
        found["seconds to the first answer"] = time.perf_counter() - began
        time.sleep(3.0)
        found["PSS at rest, MB"] = server.memory_mb()
        found["batch 64, windows per second"] = _batched(server)
        found["int8"] = benchmark(server, ITERATIONS)["onnxruntime"]
        found["30 fps streams, alone"] = asdict(measure_streams(server.port, [{"fps": 30}], 30, 8.0))
        thread = threading.Thread(target=benchmark, args=(server, 100_000), daemon=True)
        thread.start()
        found["30 fps streams, while /benchmark runs"] = asdict(
            measure_streams(server.port, [{"fps": 30}], 30, 8.0)
        )
    with myostream(EMG_PRECISION="fp32") as server:
        found["fp32"] = benchmark(server, ITERATIONS)["onnxruntime"]
        found["pytorch"] = benchmark(server, 2000)["pytorch"]
    for name, value in found.items():
        print(name, value, flush=True)
    return found


def benchmark(server: Server, iterations: int) -> dict[str, Any]:
    """What `POST /benchmark` answers of every backend."""
    body = json.dumps({"num_iterations": iterations, "backends": "pytorch,tensorrt,onnxruntime"}).encode()
    request = urllib.request.Request(
        f"{server.url}/benchmark", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _batched(server: Server) -> float:
    emg = np.random.default_rng(0).normal(0, 30, (64, 200, 16)).astype(np.float32)
    result = measure(server.port, "/infer/onnx", "application/octet-stream", emg.tobytes(), 1)
    return 64 * result.per_second
