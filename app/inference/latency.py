"""How long a backend takes, measured directly: no queue, no HTTP, one call after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.backend import Backend, Batch

WARM_UP = 20  # calls that are not counted

Times = npt.NDArray[np.float64]  # ms, one for each call


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of one call, however many windows it carries."""

    mean_latency_ms: float
    median_latency_ms: float
    p99_latency_ms: float
    throughput_qps: float  # windows a second


def time_calls(
    backend: Backend,
    batch: Batch,
    calls: Iterable[int],
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Return the time of each call with the same windows, after WARM_UP calls that are not counted."""
    for _ in range(WARM_UP):
        backend.infer(batch)
    times = []
    for _ in calls:
        began = clock()
        backend.infer(batch)
        times.append(clock() - began)
    return np.array(times) * 1e3


def summary(times: Times, windows: int) -> Latency:
    """Return the figures of calls with that many windows each."""
    mean = float(times.mean())
    return Latency(
        mean_latency_ms=mean,
        median_latency_ms=float(np.median(times)),
        p99_latency_ms=float(np.percentile(times, 99)),
        throughput_qps=windows / mean * 1e3,
    )


def histogram(times: Times, rows: int = 8, width: int = 40) -> list[str]:
    """Lines of text: how many calls took how long. The slowest twentieth is in the last line."""
    top = float(np.percentile(times, 95))
    counts, edges = np.histogram(times[times <= top], rows)
    most = max(1, int(counts.max()))
    lines = [
        f"{low:9.3f} ms  {'#' * round(width * count / most):{width}}  {count}"
        for low, count in zip(edges[:-1], counts, strict=True)
    ]
    slow = times[times > top]
    return [*lines, f"  slowest      {len(slow)} calls above {top:.3f} ms, up to {times.max():.3f} ms"]
