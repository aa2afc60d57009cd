"""What a source costs with a model that reads it, without one, and through a montage: one worker, one core.

    python -m benchmarks.sources [--seconds 10] [--rounds 3]

All servers run all the time and take turns, so that what else the machine does falls on all alike. Each has the
simulator and one reader at 30 fps; CPU is what the kernel has counted for the worker, in percent of a core.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
import urllib.request
from contextlib import ExitStack
from typing import Any

import psutil

from benchmarks.servers import BIN, Server, free_port, running

FPS = 30
KINDS: dict[str, dict[str, str]] = {
    "with the model": {},
    "without a model": {"EMG_MODEL": "none"},
    "without a model, 8 channels at 200 Hz": {"EMG_MODEL": "none", "EMG_CH": "8", "EMG_FS": "200"},
}


def main() -> None:
    """Print a table: CPU with a reader and without, and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(f"load before: {psutil.getloadavg()[0]:.1f}; {FPS} fps; median of {chosen.rounds} turns")
    print(f"{'':40} {'CPU, a reader':>14} {'CPU, none':>10} {'memory':>9}")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(_server(name, env)) for name, env in KINDS.items()}
        read = _turns(servers, chosen.seconds, chosen.rounds, reader=True)
        alone = _turns(servers, chosen.seconds, chosen.rounds, reader=False)
        for name, server in servers.items():
            print(f"{name:40} {read[name]:12.2f} % {alone[name]:8.2f} % {server.memory_mb():6.1f} MB")
        first = next(iter(KINDS))
        for name in list(KINDS)[1:]:
            print(f"{name}: {read[name] / read[first]:.2f} times the CPU {first}")


def _server(name: str, env: dict[str, str]) -> Any:
    port = free_port()
    command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    settings = {"EMG_BIND": f"127.0.0.1:{port}", "EMG_BACKENDS": "onnxruntime", **env}
    return running(name, command, port, "/health/ready", **settings)


def _turns(servers: dict[str, Server], seconds: float, rounds: int, reader: bool) -> dict[str, float]:
    """Return the CPU of each server in percent of a core."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            thread = threading.Thread(target=_read, args=(server, seconds + 1)) if reader else None
            if thread is not None:
                thread.start()
                time.sleep(0.5)
            before, began = server.cpu_seconds(), time.perf_counter()
            time.sleep(seconds)
            found[name].append(100 * (server.cpu_seconds() - before) / (time.perf_counter() - began))
            if thread is not None:
                thread.join()
    return {name: statistics.median(values) for name, values in found.items()}


def _read(server: Server, seconds: float) -> None:
    with urllib.request.urlopen(f"{server.url}/infer/stream?fps={FPS}&duration_seconds={seconds}") as answer:
        while answer.read(4096):
            pass


if __name__ == "__main__":
    main()
