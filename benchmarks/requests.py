"""`POST /infer/onnx` with the caller's own windows, beside what the same stack does without a model, and FastAPI.

    python -m benchmarks requests

Each server is pinned to one core, the clients to the other. The ceiling is a Flask view under the same gunicorn
and gevent that reads the body and answers as many bytes.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.config import ROOT
from app.inference.artefact import WEIGHTS, find, save, weights_bytes
from app.inference.networks import build_for, state_arrays
from app.learning.export import onnx_fp32
from benchmarks.request_load import measure
from benchmarks.servers import BIN, CLIENT_CORE, Server, free_port, myostream, running, uvicorn

CONCURRENCY = (1, 8, 32, 64)
ROUNDS = 3  # the servers take turns, so that a noisy moment hits all of them
RAW, JSON = "application/octet-stream", "application/json"
ONNX, QUERY = "/infer/onnx", "?batch=1&length=200&channels=16"  # as README and docs print it
LARGE = {"width": 148, "stem_kernel": 16, "stem_stride": 8, "kernel": 3, "dilations": [1, 2, 4]}


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    emg = np.random.default_rng(0).normal(0, 30, (200, 16)).astype(np.float32)
    raw, text = emg.tobytes(), json.dumps({"emg": np.round(emg, 3).tolist()}).encode()
    return {
        "bytes": {"raw": len(raw), "json": len(text)},
        "fixed cost": _fixed_cost(raw),
        "default model": _beside_the_ceiling(raw, text),
        "large model": _beside_fastapi(raw, text),
    }


def _fixed_cost(raw: bytes) -> list[dict[str, Any]]:
    """What a request costs before anything is done with it: server CPU, by parser, worker and framework."""
    rows = []
    for name, options, target in (
        ("Flask, gevent worker, Python parser", ("--http-parser", "python"), "app"),
        ("Flask, gevent worker, gunicorn_h1c parser", ("--http-parser", "fast"), "app"),
        ("no Flask, gevent worker, Python parser", ("--http-parser", "python"), "wsgi"),
        ("no Flask, gevent worker, gunicorn_h1c parser", ("--http-parser", "fast"), "wsgi"),
        ("no Flask, gevent_pywsgi worker", ("-k", "gevent_pywsgi"), "wsgi"),
    ):
        port = free_port()
        where = ("-c", "benchmarks/peers/gunicorn_bare.py", "-b", f"127.0.0.1:{port}")
        command = [str(BIN / "gunicorn"), *where, *options, f"benchmarks.peers.bare:{target}"]
        with running(name, command, port, "/health/ready") as server:
            before = server.cpu_seconds()
            result = measure(port, "/read", RAW, raw, 8, seconds=3.0)
            spent = server.cpu_seconds() - before
        row = {
            "stack": name,
            "cpu_us": 1e6 * spent / (result.per_second * 3.5),
            "per_second": result.per_second,
        }
        rows.append({**row, "p50_ms": result.p50_ms})
        print(rows[-1], flush=True)
    return rows


def _beside_the_ceiling(raw: bytes, text: bytes) -> list[dict[str, Any]]:
    port = free_port()
    conf = "benchmarks/peers/gunicorn_bare.py"
    command = [str(BIN / "gunicorn"), "-c", conf, "-b", f"127.0.0.1:{port}", "benchmarks.peers.bare:app"]
    rows = []
    with running("ceiling", command, port, "/health/ready") as bare, myostream() as server:
        for concurrency in CONCURRENCY:
            for name, path, kind, body in (
                ("raw", ONNX, RAW, raw),
                ("raw, with a query", f"{ONNX}{QUERY}", RAW, raw),
                ("json", ONNX, JSON, text),
            ):
                pair = [
                    (
                        _asked(bare, "/read", kind, body, concurrency),
                        _asked(server, path, kind, body, concurrency),
                    )
                    for _ in range(ROUNDS)
                ]
                ceiling, ours = sorted(pair, key=lambda both: both[1]["per_second"] / both[0]["per_second"])[
                    ROUNDS // 2
                ]
                rows.append({"body": name, **ours, "ceiling_per_second": ceiling["per_second"],
                             "of_ceiling": ours["per_second"] / ceiling["per_second"]})  # fmt: skip
                print(rows[-1], flush=True)
    return rows


def _beside_fastapi(raw: bytes, text: bytes) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = str(large_model(Path(folder)))
        with (
            myostream(EMG_MODEL=model, EMG_PRECISION="fp32") as server,
            uvicorn("benchmarks.peers.infer:app", EMG_MODEL=model) as peer,
        ):
            for concurrency in (1, 32):
                for name, kind, body, path in (
                    ("raw", RAW, raw, "/infer/raw"),
                    ("json", JSON, text, "/infer/onnx"),
                ):
                    pair = [
                        (
                            _asked(peer, path, kind, body, concurrency),
                            _asked(server, "/infer/onnx", kind, body, concurrency),
                        )
                        for _ in range(ROUNDS)
                    ]
                    theirs, ours = sorted(
                        pair, key=lambda both: both[1]["per_second"] / both[0]["per_second"]
                    )[ROUNDS // 2]
                    rows.append({"body": name, **ours, "fastapi_per_second": theirs["per_second"],
                                 "times_fastapi": ours["per_second"] / theirs["per_second"]})  # fmt: skip
                    print(rows[-1], flush=True)
    return rows


def _asked(server: Server, path: str, kind: str, body: bytes, concurrency: int) -> dict[str, Any]:
    found = asdict(measure(server.port, path, kind, body, concurrency, seconds=2.0))
    time.sleep(0.2)
    return found


def large_model(folder: Path) -> Path:
    """A TCN of 430,000 parameters with random weights, in the form of the default model."""
    default = find("synthetic-16ch-2khz", ROOT / "instance" / "models").manifest
    manifest = replace(
        default, name="large", architecture="tcn", hyper_parameters=LARGE, metrics={}, training={}
    )
    torch.manual_seed(0)
    network = build_for(manifest).eval()
    print(f"large model: {network.parameter_count()} parameters", flush=True)
    files = {WEIGHTS: weights_bytes(state_arrays(network)), "model.onnx": onnx_fp32(network, manifest)}
    return save(folder / "large", manifest, files).path
