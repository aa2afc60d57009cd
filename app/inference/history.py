"""What a model that reads samples before the window is given where there are none: the mirror of what is there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Signal = TypeVar("Signal", bound=npt.NDArray[Any])


def with_history(signal: Signal, reads: int) -> Signal:
    """Return the last `reads` samples of the signal, its mirror in front, as often as needed, where it is shorter.

    A mirror has the covariances and levels of the signal itself, and no step where it begins. See
    docs/decisions/0016-missing-history-is-the-mirror.md.

    Args:
        signal: (windows, samples, channels) or (samples, channels), at least one sample.
        reads: samples that the model takes.

    Returns:
        (windows, reads, channels) or (reads, channels); a view of the signal where it is long enough.
    """
    samples = signal.shape[-2]
    if samples >= reads:
        return signal[..., samples - reads :, :]  # type: ignore[return-value]  # numpy forgets the kind
    return signal.take(_places(samples, reads), axis=-2)  # type: ignore[return-value]  # as above


@lru_cache(64)
def _places(samples: int, reads: int) -> npt.NDArray[np.intp]:
    """Return which sample stands at each of the `reads` places; as np.pad(mode="symmetric"), in front only."""
    before = np.arange(samples - reads, samples) % (2 * samples)
    places = np.where(before < samples, before, 2 * samples - 1 - before)
    places.flags.writeable = False  # all callers share it
    return places
