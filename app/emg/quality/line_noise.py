"""How much of a signal is mains hum, block by block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples

Powers = npt.NDArray[np.float64]  # (channels,), units squared

# The fundamental, what rectifiers make of it (2, 4) and what saturated iron makes of it (3, 5). Each more
# would also catch 6 Hz more of honest EMG.
HARMONICS = 5


class LineNoise:
    """Measures blocks of `block` samples at the mains frequency and its harmonics.

    These are single bins of a Fourier transform (Goertzel's) under a Hann window. It makes a bin 6 Hz wide
    in blocks of 0.25 s: a device whose clock is 5 % off is still heard, and the drift of an electrode is not
    taken for hum. Harmonics within two bins of half the sampling rate are left out; at 100 Hz, for one, none
    is left.
    """

    def __init__(self, rate: float, mains_hz: float | None, block: int) -> None:
        highest = rate / 2 - 2 * rate / block  # the main lobe reaches two bins to each side
        multiples = [] if mains_hz is None else [k * mains_hz for k in range(1, HARMONICS + 1)]
        self.frequencies = tuple(f for f in multiples if f < highest)  # Hz
        window = np.hanning(block + 2)[1:-1]  # (block,), no zeros at the ends
        phases = 2j * np.pi / rate * np.outer(self.frequencies, np.arange(block))
        waves = window * np.exp(-phases) * (np.sqrt(2) / window.sum())  # a sine of power P gives P
        self._waves = np.concatenate([waves.real, waves.imag]).astype(np.float32)  # (2 * harmonics, block)
        self._mean = (window / window.sum()).astype(np.float32)
        self._weights = (window**2 / (window**2).sum()).astype(np.float32)

    def powers(self, block: Samples) -> tuple[Powers, Powers]:
        """Return the power of the hum and that of the whole signal without its offset, of samples (block, channels)."""
        swing = block - self._mean @ block
        whole = self._weights @ np.square(swing)
        hum = np.square(self._waves @ swing).sum(axis=0)
        return hum.astype(np.float64), whole.astype(np.float64)
