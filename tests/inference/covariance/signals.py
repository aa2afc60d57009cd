"""Windows that break what is not careful: flat, identical, railed, silent, far too loud, far too quiet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ILL = (
    "flat",
    "zero",
    "identical",
    "railed",
    "one channel silent",
    "one channel alone",
    "x1000",
    "x0.001",
    "spike",
)


def ill_conditioned(kind: str, reads: int, channels: int) -> npt.NDArray[np.float32]:
    """Return windows (4, reads, channels) of that kind."""
    random = np.random.default_rng(len(kind))
    mix = random.standard_normal((channels, channels))
    emg = random.standard_normal((4, reads, channels)) @ mix
    match kind:
        case "flat":
            emg = np.broadcast_to(emg[:, :1], emg.shape)
        case "zero":
            emg = 0 * emg
        case "identical":
            emg = np.broadcast_to(emg[..., :1], emg.shape)
        case "railed":
            emg = 8.5 * np.sign(random.standard_normal((4, 1, channels))) + 0 * emg
        case "one channel silent":
            emg[..., 0] = 0
        case "one channel alone":
            emg[..., 1:] = 0
        case "x1000":
            emg = 1e3 * emg
        case "x0.001":
            emg = 1e-3 * emg
        case "spike":
            emg[:, -1, 0] = 1e4
    return np.ascontiguousarray(emg, np.float32)
