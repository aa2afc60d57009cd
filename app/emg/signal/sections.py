"""Second-order sections over a short chunk, without what scipy's public call costs around its inner loop.

Of a chunk of 40 samples of 16 channels the public call takes four times as long as the loop: axes are moved, shapes
and coefficients checked, arrays copied. The loop itself is private, so it is used only where a trial shows that it says
what the public one says, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np
import numpy.typing as npt

from app.emg.signal.scipy_signal import scipy_signal

Doubles = npt.NDArray[np.float64]

# Filters `signals` (channels, n) by `sos` (sections, 6) in place, and brings `state` (channels, sections, 2) to their
# end; all float64 and C order.
InPlace = Callable[[Doubles, Doubles, Doubles], None]

INNER = "scipy.signal._sosfilt", "_sosfilt"  # module and name


@cache
def in_place() -> InPlace:
    """Return scipy's inner loop where there is one that says what its public call says, else that call."""
    return chosen(*INNER)


def chosen(module: str, name: str) -> InPlace:
    """Return the function of that name, where it is there and says what the public one says; else the public one."""
    try:
        inner: InPlace = getattr(import_module(module), name)
        return inner if _agrees(inner) else public
    except Exception:  # another version of scipy may have another one, that takes something else
        return public


def public(sos: Doubles, signals: Doubles, state: Doubles) -> None:
    """Do the same by scipy's documented function."""
    filtered, after = scipy_signal().sosfilt(sos, signals, axis=-1, zi=state.transpose(1, 0, 2))
    signals[:], state[:] = filtered, after.transpose(1, 0, 2)


def _agrees(inner: InPlace) -> bool:
    """Whether it filters as the public one does, and leaves the same state, over a few chunks."""
    random = np.random.default_rng(0)
    sos = np.concatenate(
        [scipy_signal().butter(4, [0.02, 0.45], "bandpass", output="sos"), [[0.9, -1.7, 0.9, 1.0, -1.7, 0.8]]]
    )
    state = np.zeros((3, len(sos), 2))
    own_state = state.copy()
    for length in (1, 7, 40):
        signals = random.normal(100, 30, (3, length))
        own = signals.copy()
        public(sos, signals, state)
        inner(sos, own, own_state)
        if not (np.array_equal(signals, own) and np.array_equal(state, own_state)):
            return False
    return True
