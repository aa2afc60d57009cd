"""Whether electrodes deliver a signal at all: per channel, from one filtered window."""

from __future__ import annotations

import numpy as np

from app.emg.source import Samples

# An electrode that touches skin gives at least its amplifier's noise, a few percent of the level of rest. One that is
# off, shorted or stuck at the end of its range gives a constant, of which the filters leave nothing.
DEAD = 0.02  # of the model's level of rest


def dead_channels(window: Samples, rest_rms: float) -> list[int]:
    """The channels (from 0) of a window (length, channels) that carry no signal."""
    deviation = window.std(axis=0)
    if deviation.min() > DEAD * rest_rms:  # nearly always
        return []
    found: list[int] = np.flatnonzero(deviation <= DEAD * rest_rms).tolist()
    return found
