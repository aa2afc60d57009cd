"""What a training costs 300 streams on the same core: `python -m benchmarks.training_pace`.

The server, its streams and the training's process are pinned to one core, the clients to the other. Measured in turns
are the streams alone, and beside trainings that follow one another: 8 channels at 200 Hz, 8 gestures twice for 3 s.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.imported import ImportHints
from app.emg.files.importing import import_files
from app.emg.recording.from_file import write_recording
from app.emg.simulated.simulator import Simulator
from benchmarks.servers import BIN, CLIENT_CORE, SERVER_CORE, free_port, running
from benchmarks.stream_load import measure

MODEL, CHANNELS, RATE = "myo-8ch-200hz", 8, 200.0
NAMES = ("rest", *(f"gesture{k}" for k in range(1, 9)))
HELD_S, REST_S, REPETITIONS = 3.0, 2.0, 2
FPS = 30.0


def recorded(instance: Path) -> None:
    """Put a recording of eight gestures into the instance."""
    simulator = Simulator(CHANNELS, RATE, NAMES, NAMES[0], seed=0, speed=None)
    emg, shown = simulator.generate(round(900 * RATE))
    label, signal = [], []
    for gesture in [*range(1, len(NAMES))] * REPETITIONS:
        for k, seconds in ((0, REST_S), (gesture, HELD_S)):
            rows = np.flatnonzero(shown == k)[: round(seconds * RATE)]
            signal.append(emg[rows])
            label.append(np.full(len(rows), k, np.int8))
    path = instance / "eight.npz"
    np.savez(
        path,
        emg=np.concatenate(signal),
        label=np.concatenate(label),
        fs=RATE,
        gesture_names=np.array(NAMES),
        units=np.array("counts"),
    )
    found, files = import_files([path], ImportHints())
    (instance / "recordings").mkdir()
    aside = instance / "aside"
    aside.mkdir()
    root = instance / "recordings"
    write_recording(
        found, files, aside=aside, root=root, name="eight", called="eight", now=0.0, most_bytes=2**30
    )


def asked(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def train(url: str, name: str) -> float:
    """Return how long it took from the request to the model that the source uses, in s."""
    began = time.monotonic()
    job = asked(f"{url}/trainings", {"recordings": ["eight"], "name": name, "use": "yes"})
    with urllib.request.urlopen(f"{url}/jobs/{job['id']}/events", timeout=120) as events:
        events.read()
    took = time.monotonic() - began
    result = asked(f"{url}/jobs/{job['id']}")
    assert result["state"] == "done", result
    assert result["result"]["used"], result
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory() as folder:
        instance = Path(folder)
        recorded(instance)
        port = free_port()
        command = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
        env = {"EMG_BIND": f"127.0.0.1:{port}", "EMG_MODEL": MODEL, "EMG_INSTANCE": folder}
        with running("training", command, port, "/health/ready", str(SERVER_CORE), **env) as server:
            first, later = (train(server.url, name) for name in ("first", "later"))
            print(
                f"no stream: {first:.1f} s from the request to the swapped model, {later:.1f} s once what it needs "
                "is loaded"
            )
            bodies: list[dict[str, object]] = [{"fps": FPS} for _ in range(options.streams)]
            for what in ("streams alone", "beside trainings"):
                took: list[float] = []
                ends = threading.Event()

                def work(took: list[float] = took, ends: threading.Event = ends) -> None:
                    while not ends.is_set():
                        took.append(train(server.url, f"made{len(took)}"))

                thread = threading.Thread(target=work)
                if what == "beside trainings":
                    thread.start()
                found = measure(port, bodies, FPS, options.seconds)
                ends.set()
                if thread.ident is not None:
                    thread.join()
                jobs = f"; {len(took)} trainings, median {np.median(took):.1f} s" if took else ""
                print(
                    f"{what}: {found.clients} streams, {100 * found.on_time:.2f} % within 10 ms, "
                    f"{100 * found.in_period:.2f} % within the period, age {found.age_p50_ms:.1f} ms p50, "
                    f"{found.age_p99_ms:.1f} p99, {found.lost} lost{jobs}"
                )


if __name__ == "__main__":
    main()
