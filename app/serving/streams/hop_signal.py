"""What a frame shows of the signal since the frame before: filtered EMG, and what came beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.emg.signal.aux_buffer import AuxBuffer
from app.emg.signal.decimation import min_max
from app.emg.source import Samples

SIGNAL_POINTS = 64  # per channel and frame: 1,920 a second at 30 fps, more than a screen has columns
DECIMALS = 3  # of values in the hundreds; smaller ones keep as many digits that count
DIGITS = 4


def signal_rows(hop: Samples) -> list[list[float]]:
    """Return the samples of a hop (n, channels) as (channels, points), decimated to SIGNAL_POINTS.

    Rounded to DECIMALS, or to DIGITS that count where all values are small, such as those of a signal in V.
    """
    found = min_max(hop, SIGNAL_POINTS).T
    peak = float(np.abs(found).max(initial=0.0))
    digits = DIGITS - 1 - int(np.floor(np.log10(peak))) if 0 < peak < np.inf else DECIMALS
    rows: list[list[float]] = np.round(found.astype(np.float64), max(DECIMALS, digits)).tolist()
    return rows


class AuxReader:
    """One group's place in what comes beside the EMG; used by one thread."""

    def __init__(self, buffer: AuxBuffer) -> None:
        self._buffer, self._cursor = buffer, buffer.cursor

    def take(self) -> dict[str, Any]:
        """Return what has come since the last call, by the stream's name.

        Each has `sample_index`, the place of its first value in EMG samples of the source (with a fraction),
        `sampling_rate_hz`, `units` and `values` (channels, points).
        """
        pieces, self._cursor = self._buffer.since(self._cursor)
        return {
            piece.stream.name: {
                "sample_index": round(piece.at, 3),
                "sampling_rate_hz": piece.stream.sampling_rate,
                "units": piece.stream.units,
                "channels": list(piece.stream.channel_names),
                "values": np.round(piece.samples.T.astype(np.float64), 6).tolist(),
            }
            for piece in pieces
        }
