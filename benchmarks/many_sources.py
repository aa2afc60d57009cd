"""Many pushed sources in one process and without HTTP: what a chunk costs and what a frame, and how old frames are.

    taskset -c 1 python -m benchmarks.many_sources [--sources 20 80 160] [--seconds 5] [--plain] [--profile]

As in a worker: gevent (or plain threads, with --plain), quality, ordering and metrics on. Each source gets a chunk of
20 ms when it is due, by a timer of 5 ms as a server's sockets are polled; one stream of 30 fps reads it. Age: the chunk
with a window's last sample is handed in -> the event's bytes are there. CPU is of the whole process: a chunk's is what
the same sources take without readers, a frame's what readers add.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and "--plain" not in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import argparse
import cProfile
import gc
import os
import pstats
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.serving.build import build_runtime
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.stream_opener import Client
from app.serving.runtime import Runtime
from app.serving.sources.declared import Declared
from app.serving.streams.client_stream import CLIENT_POLL_S, ClientEvent, Stream
from app.serving.streams.detached_streams import DetachedStream
from app.serving.streams.events import Completed, StreamOptions

FPS, CHUNK_S, TICK_S, SETTLE_S = 30.0, 0.02, 0.005, 1.5
SPREAD_S = (
    0.1  # over which people begin; after so long the windows end at the same places of the chunks again
)
KINDS = {"synthetic-16ch-2khz": (16, 2000.0), "myo-8ch-200hz": (8, 200.0)}


@dataclass(slots=True)
class Person:
    """One source, what is pushed to it, and the reader of its frames."""

    pipeline: SourcePipeline
    chunks: npt.NDArray[np.float32]  # (n, samples, channels), which it sends in turn
    due: float
    sent: int = 0
    sent_at: list[float] = field(default_factory=list)  # of each chunk
    ages_s: list[tuple[float, float]] = field(default_factory=list)  # and when

    def push(self, now: float) -> None:
        samples = self.chunks[len(self.sent_at) % len(self.chunks)]
        self.sent_at.append(now)
        self.pipeline.source.push(self.sent, samples)  # type: ignore[attr-defined]  # all are pushed here
        self.sent += len(samples)
        self.due += CHUNK_S

    def send(self, sent: ClientEvent) -> bool:
        """Take an event as a socket that is never full."""
        event, now = sse.frame(sent), time.perf_counter()
        at = event.find(b'"sample_index":')
        if at >= 0:
            last = int(event[at + 15 : event.index(b",", at)]) - 1
            self.ages_s.append((now, now - self.sent_at[last // self.chunks.shape[1]]))
        return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, nargs="+", default=[20, 80, 160])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--model", choices=KINDS, default="synthetic-16ch-2khz")
    parser.add_argument("--plain", action="store_true", help="plain threads instead of gevent")
    parser.add_argument(
        "--at-once", action="store_true", help="all begin at the same instant, and have their windows then"
    )
    parser.add_argument(
        "--profile", action="store_true", help="with the readers, of the threads begun by then"
    )
    asked = parser.parse_args()
    for sources in asked.sources:
        print(_measured(asked, sources), flush=True)


def _measured(asked: argparse.Namespace, sources: int) -> dict[str, Any]:
    profile = cProfile.Profile() if asked.profile else None
    settings = Settings(
        emg_mode=EmgMode.PUSH,
        model=asked.model,
        backends=("onnxruntime",),
        max_sources=sources,
        max_groups=sources,
        max_streams=sources,
    )
    runtime = build_runtime(settings, sse.encode)
    gc.collect()
    gc.freeze()  # as a worker does when it has begun
    try:
        people = _declared(runtime, asked, sources)
        stop = threading.Event()
        feeder = threading.Thread(target=_feed, args=(people, stop))
        feeder.start()
        time.sleep(SETTLE_S)
        without = _cpu(people, asked.seconds)
        for person in people:
            _read(runtime, person)
        time.sleep(SETTLE_S)
        if profile is not None:
            profile.enable()
        began = time.perf_counter()
        with_readers = _cpu(people, asked.seconds)
        ended = time.perf_counter()
        if profile is not None:
            profile.disable()
        stop.set()
        feeder.join()
        calls = runtime.metrics.engines()["onnxruntime"].windows
        lost = sum(person.pipeline.acquisition.look().lost_samples for person in people)
    finally:
        runtime.close()
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    ages = np.array([age for person in people for at, age in person.ages_s if began <= at < ended])
    frames = len(ages) / asked.seconds
    return {
        "sources": sources,
        "chunk_us": round(1e6 * without[0] / without[1], 1),
        "frame_us": round(1e6 * (with_readers[0] - without[0] * with_readers[1] / without[1]) / frames, 1),
        "cpu_percent": [round(100 * without[0], 1), round(100 * with_readers[0], 1)],
        "chunks": round(with_readers[1] / (sources / CHUNK_S), 3),
        "frames": round(frames / (sources * FPS), 3),
        "age_p50_ms": round(1e3 * float(np.percentile(ages, 50)), 2),
        "age_p99_ms": round(1e3 * float(np.percentile(ages, 99)), 2),
        "windows_in_a_call": round(calls.sum / calls.cumulative()[-1], 1),
        "lost_samples": lost,
    }


def _declared(runtime: Runtime, asked: argparse.Namespace, sources: int) -> list[Person]:
    channels, rate = KINDS[asked.model]
    random = np.random.default_rng(0)
    people = []
    for number in range(sources):
        declared = Declared(name=f"arm{number}", channels=channels, sampling_rate=rate, units=None)
        pipeline, _ = runtime.source_models.pushed.declare(declared)
        shape = (round(1 / CHUNK_S), round(CHUNK_S * rate), channels)
        people.append(Person(pipeline, random.normal(0, 30, shape).astype(np.float32), 0.0))
    now = time.perf_counter()
    for number, person in enumerate(people):
        person.due = now if asked.at_once else now + number * SPREAD_S / sources
    return people


def _feed(people: list[Person], stop: threading.Event) -> None:
    """Push what is due, all of it, as a server does that reads its sockets every TICK_S."""
    tick = time.perf_counter()
    while not stop.is_set():
        now = time.perf_counter()
        for person in people:
            while person.due <= now:
                person.push(now)
        tick = max(tick + TICK_S, time.perf_counter())
        time.sleep(max(tick - time.perf_counter(), 0.0))


def _read(runtime: Runtime, person: Person) -> None:
    options = StreamOptions(fps=FPS, backend="onnxruntime")
    stream, close = runtime.streams.open(person.pipeline, options, None, Client(writer=person))
    detached = DetachedStream(_looks(stream), close)
    stream.attend(lambda: runtime.detached_streams.hurry(detached))
    runtime.detached_streams.keep(detached)


def _looks(stream: Stream) -> Iterator[float]:
    for item in stream:
        if isinstance(item, Completed):
            return
        if item is None:
            yield CLIENT_POLL_S


def _cpu(people: list[Person], seconds: float) -> tuple[float, float]:
    """Return the CPU that this process takes in a second, in s, and how many chunks come in one."""
    chunks, cpu, began = sum(len(one.sent_at) for one in people), time.process_time(), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    return (time.process_time() - cpu) / took, (sum(len(one.sent_at) for one in people) - chunks) / took


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
