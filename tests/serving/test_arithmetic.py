"""Which sample each frame of a long scripted signal ends at."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid, cut
from app.emg.source import Chunk
from tests.emg.fakes import ScriptedSource

SAMPLES, LENGTH = 1_200_000, 40


@pytest.mark.parametrize(("rate", "fps"), [(2000, 30), (200, 7), (2000, 29.97)])
def test_a_million_samples_give_every_window_at_its_exact_sample(rate: int, fps: float) -> None:
    """The signal counts itself, so that a window tells which samples it holds."""
    count = np.arange(SAMPLES, dtype=np.float32)[:, np.newaxis]  # exact in float32 below 2**24
    sizes = np.random.default_rng(0).integers(1, 4000, SAMPLES // 1000)
    edges = np.concatenate([[0], np.minimum(np.cumsum(sizes), SAMPLES)]).tolist()
    chunks = [Chunk(index=a, samples=count[a:b]) for a, b in itertools.pairwise(edges) if b > a]
    source = ScriptedSource(chunks, rate)
    unfiltered = design((), rate, None)
    found = [
        (c.end, int(c.window[0, 0]), int(c.window[-1, 0]))
        for c in cut(iter(source.read, None), unfiltered, LENGTH, Grid(rate, fps))
    ]
    hop = Fraction(rate) / Fraction(str(fps))
    exact = [int((k + 1) * hop + Fraction(1, 2)) for k in range(int(SAMPLES / hop) + 1)]
    ends = [end for end in exact if LENGTH <= end <= SAMPLES]
    assert found == [(end, end - LENGTH, end - 1) for end in ends]
    assert len(ends) > SAMPLES * fps / rate - 3


def test_the_live_ring_says_the_same_as_the_replay() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(20_000, 2)).astype(np.float32)
    sos = design(({"kind": "highpass", "order": 2, "low_hz": 5},), 200, None)
    grid = Grid(200, 7)
    replay = {c.end: c.window for c in cut([Chunk(index=0, samples=samples)], sos, LENGTH, grid)}
    path = SignalPath(Ring(20_000, 2), sos)
    for at in range(0, 20_000, 33):
        path.process(Chunk(index=at, samples=samples[at : at + 33]))
    for end, window in replay.items():
        np.testing.assert_array_equal(path.ring.window(end, LENGTH), window)
