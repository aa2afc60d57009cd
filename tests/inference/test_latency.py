"""Timing a backend: what is counted, and how it is shown."""

from __future__ import annotations

import numpy as np
import pytest

from app.inference.backend import Batch, Inference
from app.inference.latency import WARM_UP, histogram, summary, time_calls


class Ticking:
    """A backend and the clock it is measured with: call n takes n ms."""

    name = "ticking"

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def clock(self) -> float:
        return self.now

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        self.calls += 1
        self.now += self.calls / 1e3
        return Inference(np.zeros((len(batch), 2), np.float32), np.zeros(len(batch), np.float32))

    def close(self) -> None: ...


def test_each_call_after_the_warm_up_is_timed_alone() -> None:
    backend = Ticking()

    times = time_calls(backend, np.zeros((1, 2, 2), np.float32), range(3), backend.clock)

    np.testing.assert_allclose(times, [WARM_UP + 1, WARM_UP + 2, WARM_UP + 3])


def test_throughput_counts_windows_and_latency_calls() -> None:
    found = summary(np.array([1.0, 2.0, 3.0]), 8)

    assert (found.mean_latency_ms, found.median_latency_ms) == (2, 2)
    assert found.p99_latency_ms == pytest.approx(2.98)
    assert found.throughput_qps == pytest.approx(4000)


def test_the_histogram_counts_every_call_and_names_the_slowest() -> None:
    times = np.concatenate([np.linspace(1, 2, 99), [50.0]])

    *bars, last = histogram(times)

    assert sum(int(line.split()[-1]) for line in bars) == 95
    assert last.strip() == "slowest      5 calls above 1.960 ms, up to 50.000 ms"


def test_equal_times_have_a_histogram_too() -> None:
    assert len(histogram(np.ones(10))) == 9
