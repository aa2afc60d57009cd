"""Another model under running streams: how soon it is there, what it costs the others, and 20 people's own.

    python -m benchmarks models_live

Some 5 minutes. What is compared runs in one run and takes turns. Swaps are of three calibrated models of 8 channels at
200 Hz whose heads are drawn at random, on which no cost depends. Age: the window's last sample acquired (pushed: handed
to the socket) -> the event read by the client.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import models_memory
from benchmarks.push import Pusher, ages
from benchmarks.request_load import measure as requests
from benchmarks.servers import CLIENT_CORE, ROOT, Server, myostream
from benchmarks.stream_load import Client, collect

BEFORE = "c68d8b0"  # the build before models were changed under running streams
FPS, RATE, CHANNELS, LENGTH = 30.0, 200, 8, 40
PEOPLE, CHUNK_S = 20, 0.05  # such as an armband over Bluetooth sends
NAMES = ("child-00", "child-01", "child-02")
SOURCE = {"EMG_MODE": "dummy", "EMG_MODEL": NAMES[0], "EMG_BACKENDS": "onnxruntime"}
PEOPLE_FPS = 15.0  # at 30 fps 20 people fill a core, and ages would say how busy the machine is
SWAPS, ROUNDS, SECONDS = 30, 3, 8.0
READERS = 100


def run() -> dict[str, Any]:
    """All measurements, as plain numbers."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    found: dict[str, Any] = {
        "load before": psutil.getloadavg()[0],
        "fps": FPS,
        "readers": READERS,
        "people": PEOPLE,
    }
    found |= {"people count": PEOPLE, "people fps": PEOPLE_FPS}
    with tempfile.TemporaryDirectory() as folder:
        here = _project(ROOT, Path(folder) / "now")
        models_memory.make(here / "instance" / "models", None)
        found["first frame"] = [_first_frames(here, workers) for workers in (1, 2)]
        found["a swap a second"] = _beside_swaps(here)
        found["people"] = _people(here)
        found["never swapped"] = _never_swapped(here, Path(folder) / "before")
        found["memory"] = _memory(here)
    return found


def _project(code: Path, made: Path) -> Path:
    """Return a copy of that checkout with an instance folder of its own."""
    made.mkdir(parents=True)
    for name in ("app", "templates", "instance/models", "wsgi.py", "gunicorn.conf.py"):
        if (code / name).is_dir():
            shutil.copytree(code / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (code / name).exists():
            shutil.copy(code / name, made / name)
    return made


def _put(server: Server, model: str, source: str = "simulator") -> None:
    body = json.dumps({"model": model}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"{server.url}/emg/sources/{source}/model"
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=20).close()


class Watcher(threading.Thread):
    """One stream, and when each model's first frame was read."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        body = json.dumps({"fps": FPS}).encode()
        url, headers = f"{server.url}/infer/stream", {"Content-Type": "application/json"}
        self._answer = urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20)
        self.first: dict[str, float] = {}
        self.came = threading.Event()
        self.start()

    def run(self) -> None:
        told = None
        try:
            for line in self._answer:
                if b'"status":"model"' in line:
                    told = json.loads(line.removeprefix(b"data: "))["model"]
                elif told is not None and b'"prediction"' in line:
                    self.first[told], told = time.perf_counter(), None
                    self.came.set()
        except (OSError, ValueError, AttributeError):  # closed meanwhile
            return

    def close(self) -> None:
        self._answer.close()


def _first_frames(root: Path, workers: int) -> dict[str, Any]:
    """From the request to the first frame of the new model, as a client of whichever worker reads it; ms."""
    settings = {**SOURCE, "WEB_CONCURRENCY": str(workers)}
    with myostream(root, **settings) as server:
        time.sleep(2.0)
        watchers = [Watcher(server) for _ in range(4)]
        fresh = [f"child-{k:02d}" for k in range(1, 29)]  # each is opened from the disk
        from_disk = [_timed(server, watchers, model) for model in fresh]
        for model in NAMES[1:]:
            _timed(server, watchers, model)
        chance = np.random.default_rng(0)
        opened = [_timed(server, watchers, NAMES[1 + k % 2], chance.uniform(0.2, 0.4)) for k in range(SWAPS)]
        for watcher in watchers:
            watcher.close()
    row = {"workers": workers, "already open": _spread(opened), "from the disk": _spread(from_disk)}
    print(row, flush=True)
    return row


def _timed(server: Server, watchers: list[Watcher], model: str, pause_s: float = 0.25) -> float:
    """Return the time to the first frame at the last of the watchers, in ms."""
    time.sleep(pause_s)
    for watcher in watchers:
        watcher.first.pop(model, None)
        watcher.came.clear()
    began = time.perf_counter()
    _put(server, model)
    for watcher in watchers:
        watcher.came.wait(10.0)
    return max(watcher.first[model] - began for watcher in watchers) * 1e3


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median_ms": round(float(np.median(values)), 1),
        "p90_ms": round(float(np.percentile(values, 90)), 1),
        "most_ms": round(max(values), 1),
    }


def _beside_swaps(root: Path) -> dict[str, Any]:
    """Ages of READERS streams with a swap a second and without, by turns."""
    found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    with myostream(root, **SOURCE) as server:
        for model in NAMES[1:]:
            _put(server, model)
        for _ in range(ROUNDS):
            for kind, rows in found.items():
                with _swapping(server) if kind == "with" else ExitStack():
                    bodies: list[dict[str, object]] = [{"fps": FPS}] * READERS
                    begin, end, clients = collect(server.port, bodies, SECONDS, 1.0)
                rows.append({**_ages(clients, begin, end), **_lost(clients)})
    ratio = np.median(
        [w["p99_ms"] / o["p99_ms"] for o, w in zip(found["without"], found["with"], strict=True)]
    )
    row = {**{kind: _medians(rows) for kind, rows in found.items()}, "p99_ratio": round(float(ratio), 3)}
    print(row, flush=True)
    return row


@contextmanager
def _swapping(server: Server) -> Iterator[None]:
    """Have a process of its own change the model every second: the clients' thread never sleeps."""
    url = f"{server.url}/emg/sources/simulator/model"
    command = [sys.executable, "-m", "benchmarks.swapper", url, *NAMES]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # its start is over, and takes nothing from what is measured
    try:
        yield
    finally:
        process.terminate()
        process.communicate()


def _ages(clients: list[Client], begin: float, end: float) -> dict[str, float]:
    found = []
    for client in clients:
        arrived, acquired = client.frames()
        found.append((arrived - acquired)[(acquired >= begin) & (acquired < end)])
    return _spread_of(np.concatenate(found) * 1e3, len(clients), end - begin)


def _spread_of(age: np.ndarray, clients: int, seconds: float, fps: float = FPS) -> dict[str, float]:
    """Return what the ages of all frames come to, in ms."""
    return {
        "p50_ms": round(float(np.percentile(age, 50)), 2),
        "p99_ms": round(float(np.percentile(age, 99)), 2),
        "frames": round(len(age) / (clients * fps * seconds), 4),
    }


def _lost(clients: list[Client]) -> dict[str, int]:
    """Return the frames that the streams say were dropped."""
    dropped = 0
    for client in clients:
        text = b"".join(data for _, data in client.received)
        at = text.rfind(b'"dropped":')
        dropped += int(text[at + 10 : text.index(b"}", at)]) if at >= 0 else 0
    return {"dropped": dropped}


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.median([row[name] for row in rows])), 4) for name in rows[0]}


def _people(root: Path) -> dict[str, Any]:
    """PEOPLE pushed sources: with one model, with one each, and that without calls for several sources."""
    kinds = {"one model": (1, "1"), "a model each": (PEOPLE, "1"), "a model each, a call each": (PEOPLE, "0")}
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, (models, together) in kinds.items():
            if together == "0":
                _without_calls_together(root, True)
            try:
                with myostream(
                    root, EMG_MODE="push", EMG_MODEL=NAMES[0], EMG_BACKENDS="onnxruntime"
                ) as server:
                    found[kind].append(_pushed(server, models))
            finally:
                _without_calls_together(root, False)
    row = {kind: _medians(rows) for kind, rows in found.items()}
    for kind in list(kinds)[1:]:
        for name in ("p50_ms", "p99_ms", "requests_per_second"):
            pairs = zip(found["one model"], found[kind], strict=True)
            row[kind][f"{name}_ratio"] = round(
                float(np.median([own[name] / one[name] for one, own in pairs])), 3
            )
    print(row, flush=True)
    return row


def _without_calls_together(root: Path, without: bool) -> None:
    """Have the copied code see one source only when it looks whether windows of several are due; or as it was."""
    file = root / "app" / "serving" / "streams" / "due_windows.py"
    usual = (ROOT / file.relative_to(root)).read_text()
    file.write_text(usual.replace("if self._several():", "if False:") if without else usual)


def _pushed(server: Server, models: int) -> dict[str, float]:
    samples = np.random.default_rng(0).normal(0, 30, (round(CHUNK_S * RATE), CHANNELS)).astype("<i2")
    pushers = [_pusher(server, k, models, samples.tobytes()) for k in range(PEOPLE)]
    begins = (
        time.time() + 0.2
    )  # not when it was declared: its model was opened then, and what is due is caught up on
    for k, pusher in enumerate(pushers):
        pusher.due = begins + k * CHUNK_S / PEOPLE

    def push() -> None:
        now = time.time()
        for pusher in pushers:
            pusher.step(now)

    before, began = server.cpu_seconds(), time.perf_counter()
    bodies: list[dict[str, object]] = [{"fps": PEOPLE_FPS, "source": pusher.name} for pusher in pushers]
    begin, end, clients = collect(server.port, bodies, SECONDS, 2.0, push)
    cpu = 100 * (server.cpu_seconds() - before) / (time.perf_counter() - began)
    asked = (0, 0) if models == 1 else (0, models // 2)
    rates = [
        requests(server.port, "/infer", "application/json", _own_window(k), 4, 1.0).per_second for k in asked
    ]
    pushed = [ages(client, pusher, begin, end) for client, pusher in zip(clients, pushers, strict=True)]
    return {
        **_spread_of(np.concatenate(pushed) * 1e3, len(clients), end - begin, PEOPLE_FPS),
        **_lost(clients),
        "requests_per_second": round(float(np.mean(rates)), 1),
        "server_cpu_percent": round(cpu, 1),
        "memory_mb": round(server.memory_mb(), 1),
    }


def _pusher(server: Server, k: int, models: int, body: bytes) -> Pusher:
    name = f"arm{k}"
    declared = {"channels": CHANNELS, "sampling_rate_hz": RATE, "model": f"child-{k % models:02d}"}
    headers = {"Content-Type": "application/json"}
    url = f"{server.url}/emg/sources/{name}"
    urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(declared).encode(), headers), timeout=20
    ).close()
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return Pusher(sock, name, 0.0, body, channels=CHANNELS, chunk_s=CHUNK_S)


def _never_swapped(here: Path, before: Path) -> dict[str, Any] | None:
    """Streams of the build before and of this one, which nobody swaps; None without that commit."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    before.mkdir()
    subprocess.run(["tar", "x"], cwd=before, input=archive.stdout, check=True)
    found: dict[str, list[dict[str, float]]] = {"before": [], "now": []}
    settings = {"EMG_BACKENDS": "onnxruntime", "EMG_MODE": "dummy", "EMG_MODEL": "myo-8ch-200hz"}
    roots = {"before": before, "now": here}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(myostream(root, **settings)) for name, root in roots.items()}
        for turn in range(2 * ROUNDS):
            for name in ("before", "now") if turn % 2 else ("now", "before"):
                server = servers[name]
                cpu, began = server.cpu_seconds(), time.perf_counter()
                begin, end, clients = collect(server.port, [{"fps": FPS}] * READERS, SECONDS / 2, 1.0)
                taken = 100 * (server.cpu_seconds() - cpu) / (time.perf_counter() - began)
                found[name].append({**_ages(clients, begin, end), "server_cpu_percent": round(taken, 1)})
    row: dict[str, Any] = {name: _medians(rows) for name, rows in found.items()}
    for name in ("p50_ms", "p99_ms", "server_cpu_percent"):
        pairs = zip(found["before"], found["now"], strict=True)
        row[f"{name}_ratio"] = round(float(np.median([now[name] / was[name] for was, now in pairs])), 3)
    print(row, flush=True)
    return row


def _own_window(model: int) -> bytes:
    """Return the body of a request that brings a window for one of the models."""
    window = np.random.default_rng(1).normal(0, 30, (LENGTH, CHANNELS)).tolist()
    return json.dumps({"emg": window, "model": f"child-{model:02d}"}).encode()


def _memory(root: Path) -> dict[str, float]:
    """What a worker takes with the first calibrated model beside its own, and with all of them; MB."""
    models, taken = models_memory.MODELS, []
    settings = {"EMG_MODE": "push", "EMG_MODEL": "myo-8ch-200hz", "EMG_MAX_MODELS": str(models + 1)}
    with myostream(root, EMG_BACKENDS="onnxruntime", **settings) as server:
        for k in range(models):
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(
                urllib.request.Request(f"{server.url}/infer", _own_window(k), headers), timeout=20
            ).close()
            taken.append(server.memory_mb())
    row = {
        "models": models,
        "first_mb": round(taken[0], 1),
        "last_mb": round(taken[-1], 1),
        "each_more_mb": round((taken[-1] - taken[0]) / (len(taken) - 1), 2),
    }
    print(row, flush=True)
    return row
