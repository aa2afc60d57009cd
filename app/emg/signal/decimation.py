"""Fewer samples for a screen, with every peak still there."""

from __future__ import annotations

import numpy as np

from app.emg.source import Samples


def min_max(samples: Samples, points: int) -> Samples:
    """At most `points` rows (even, 2 at least) of samples (n, channels), in order of time.

    Each stretch gives its smallest and largest value per channel, so that a line drawn through them covers what
    all samples would cover ("M4" without first and last: Jugel et al. 2014, VLDB 7(10):797).
    """
    if len(samples) <= points:
        return samples
    edges = np.linspace(0, len(samples), points // 2 + 1).astype(np.intp)[:-1]
    low = np.minimum.reduceat(samples, edges, axis=0)
    high = np.maximum.reduceat(samples, edges, axis=0)
    both: Samples = np.stack([low, high], axis=1).reshape(-1, samples.shape[1])
    return both
