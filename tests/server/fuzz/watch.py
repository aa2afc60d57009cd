"""What is watched beside the garbage: a reader at 30 fps, and the memory of the worker.

`python -m tests.server.fuzz.watch PORT SOURCE [push]` is that reader, in a process of its own, so that it is late only
when the server is; with `push` it also sends what it reads, 50 chunks a second. It says so when it has its first
frame, and what it has seen when its standard input is closed.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import psutil

from tests.server.fuzz.routes import CHANNELS, DECLARED, JSON, RATE_HZ, RAW
from tests.server.live import LATE_S, ROOT, Client, Live, until

FPS = 30
MOST_GAP_S = 0.25
MOST_GROWTH = 0.05
PUSHES = 50  # a second


@dataclass(slots=True)
class Seen:
    """What the reader has seen, in time.monotonic(), which all processes of a machine share."""

    arrivals: list[float] = field(default_factory=list)  # of frames
    dropped: int = 0
    ended: float = 0.0
    last_word: str = ""  # an error, or why it ended before it was told to


def gaps(seen: Seen) -> list[tuple[float, float]]:
    """Return the times without a frame, from and to, the longest first; the last one is up to the end."""
    found = list(pairwise([*seen.arrivals, seen.ended]))
    return sorted(found, key=lambda gap: gap[0] - gap[1])


def memory(pid: int) -> int:
    """Return the bytes of it that are resident."""
    return int(psutil.Process(pid).memory_info().rss)


def grown(before: int, now: int) -> float:
    """Return by how much, as a share of what was before."""
    return now / before - 1


def back(pid: int, before: int, seconds: float) -> bool:
    """Wait until its memory is what it was, or at most 5 % more; whether that came."""
    try:
        until(lambda: grown(before, memory(pid)) <= MOST_GROWTH, seconds, every_s=0.2)
    except AssertionError:
        return False
    return True


@contextmanager
def watching(live: Live, source: str, pushes: bool = False) -> Iterator[Seen]:
    """A reader meanwhile; what it has seen is there in the end."""
    command = [sys.executable, "-m", "tests.server.fuzz.watch", str(live.port), source]
    process = subprocess.Popen(
        [*command, *(["push"] if pushes else [])],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen = Seen()
    try:
        assert process.stdout.readline() == "reads\n", "the reader has not begun"
        yield seen
        told, _ = process.communicate(timeout=LATE_S)
        for name, value in json.loads(told).items():
            setattr(seen, name, value)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def read(port: int, source: str, seen: Seen, begun: threading.Event) -> None:
    """Take frames until the stream ends."""
    client = Client(port, fps=FPS, source=source)
    try:
        for event in client.events():
            if "prediction" in event:
                seen.arrivals.append(time.monotonic())
                seen.dropped = event["dropped"]
                begun.set()
            elif "error" in event or event.get("status") == "completed":
                seen.last_word = json.dumps(event)
    except (AssertionError, OSError) as error:
        seen.last_word = f"{type(error).__name__}: {error}"


def push(port: int, source: str, ready: threading.Event) -> None:
    """Declare the source and send its samples in real time, until this process ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LATE_S)
    _asked(connection, f"/emg/sources/{source}", json.dumps(DECLARED).encode(), JSON)
    count = RATE_HZ // PUSHES
    chunk, began = bytes(4 * CHANNELS * count), time.monotonic()
    number = 0
    while True:
        path = f"/emg/sources/{source}/samples?first_sample={number * count}"
        _asked(connection, path, chunk, RAW)
        ready.set()
        number += 1
        time.sleep(max(0.0, began + number / PUSHES - time.monotonic()))


def _asked(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> None:
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status in (200, 201), f"{path}: {answer.status} {told[:200]!r}"


def main(port: int, source: str, pushes: bool) -> None:
    ready, begun, seen = threading.Event(), threading.Event(), Seen()
    if pushes:
        threading.Thread(target=push, args=(port, source, ready), daemon=True).start()
        assert ready.wait(LATE_S)
    threading.Thread(target=read, args=(port, source, seen, begun), daemon=True).start()
    assert begun.wait(LATE_S), seen.last_word
    sys.stdout.write("reads\n")
    sys.stdout.flush()
    sys.stdin.read()
    ended = time.monotonic()
    found = list(seen.arrivals)
    told = {"arrivals": found, "dropped": seen.dropped, "ended": ended, "last_word": seen.last_word}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], "push" in sys.argv[3:])
