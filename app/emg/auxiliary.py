"""What a device delivers beside EMG: accelerometer, gyroscope, trigger, battery; at its own rate, aligned by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxStream:
    """Auxiliary channels that share one rate."""

    name: str  # accelerometer, gyroscope, trigger, battery, or what the device calls it
    channel_names: tuple[str, ...]
    units: str  # such as g, deg/s; "unknown" where the device does not say
    sampling_rate: float  # Hz, nominal

    @property
    def channels(self) -> int:
        return len(self.channel_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxChunk:
    """Consecutive samples of one auxiliary stream.

    `at` is the place of `samples[0]` on the EMG's axis of time: an EMG sample index, with a fraction. The next
    sample lies `emg_rate / stream.sampling_rate` further on. A chunk may lie somewhat before or behind the EMG that
    it comes with.
    """

    stream: int  # its number among the source's auxiliary streams
    at: float  # EMG samples since the source started
    samples: npt.NDArray[np.float32]  # (n, the stream's channels)
