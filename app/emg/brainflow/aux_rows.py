"""What a board delivers beside EMG, by its own description: rows of the same preset, and presets of other rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.description import UNKNOWN_UNITS
from app.emg.signal.segments import Indices, runs
from app.emg.signal.time_axis import AuxPlacer, TimeAxis
from app.emg.signal.timestamps import Stamps

Data = npt.NDArray[np.float64]  # (rows, n), as BrainFlow returns it

PRESETS = ("default", "auxiliary", "ancillary")
# By the key of the description, in the order in which a row that has two meanings gets its name
KINDS = {
    "accel_channels": ("accelerometer", "g"),
    "gyro_channels": ("gyroscope", "deg/s"),
    "magnetometer_channels": ("magnetometer", UNKNOWN_UNITS),
    "rotation_channels": ("rotation", UNKNOWN_UNITS),
    "eeg_channels": ("eeg", "uV"),
    "ecg_channels": ("ecg", "uV"),
    "eog_channels": ("eog", "uV"),
    "exg_channels": ("exg", "uV"),
    "eda_channels": ("eda", UNKNOWN_UNITS),
    "ppg_channels": ("ppg", UNKNOWN_UNITS),
    "ppg_raw_channels": ("ppg_raw", UNKNOWN_UNITS),
    "analog_channels": ("analog", UNKNOWN_UNITS),
    "temperature_channels": ("temperature", UNKNOWN_UNITS),
    "resistance_channels": ("resistance", UNKNOWN_UNITS),
    "other_channels": ("other", UNKNOWN_UNITS),
    "battery_channel": ("battery", "%"),
    "marker_channel": ("marker", UNKNOWN_UNITS),
}
AXES = ("x", "y", "z")
WITH_AXES = ("accelerometer", "gyroscope", "magnetometer")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxRows:
    """Rows of one preset that make a stream."""

    preset: int
    rows: tuple[int, ...]
    stream: AuxStream
    timestamp_row: int  # of the preset


def aux_rows(presets: Mapping[int, Mapping[str, Any]], emg_rows: Sequence[int]) -> tuple[AuxRows, ...]:
    """Return what is beside the EMG in these descriptions, by preset; a row is in one stream only."""
    found: list[AuxRows] = []
    for preset, description in presets.items():
        taken = set(emg_rows) if preset == 0 else set()
        for kind, units, rows in _kinds(description):
            left = tuple(row for row in rows if row not in taken)
            taken |= set(left)
            if not left:
                continue
            known = any(kind == other.stream.name for other in found)
            stream = AuxStream(
                name=f"{kind}_{PRESETS[preset]}" if known else kind,
                channel_names=_names(kind, len(left)),
                units=units,
                sampling_rate=float(description["sampling_rate"]),
            )
            found.append(
                AuxRows(
                    preset=preset, rows=left, stream=stream, timestamp_row=description["timestamp_channel"]
                )
            )
    return tuple(found)


def _kinds(description: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    for key, (kind, units) in KINDS.items():
        rows = description.get(key, ())
        yield kind, units, (rows,) if isinstance(rows, int) else tuple(rows)


def _names(kind: str, count: int) -> tuple[str, ...]:
    if count == 1:
        return (kind,)
    if count == len(AXES) and kind in WITH_AXES:
        return tuple(f"{kind}_{axis}" for axis in AXES)
    return tuple(f"{kind}{number}" for number in range(1, count + 1))


class AuxReader:
    """Makes auxiliary chunks of a board's data, on the EMG's axis of time.

    Rows of the EMG's own preset have its sample indices. Those of others are placed by their timestamps, which are of
    the same clock.
    """

    def __init__(self, rows: Sequence[AuxRows], sampling_rate: float) -> None:
        self._beside = [(number, one) for number, one in enumerate(rows) if one.preset == 0]
        self._apart: dict[int, list[tuple[AuxPlacer, AuxRows]]] = {}
        for number, one in enumerate(rows):
            if one.preset:
                placer = AuxPlacer(number, one.stream.sampling_rate)
                self._apart.setdefault(one.preset, []).append((placer, one))
        self._axis = TimeAxis(sampling_rate)

    @property
    def presets(self) -> tuple[int, ...]:
        """Those whose data is wanted besides the EMG's."""
        return tuple(self._apart)

    def reset(self) -> None:
        """Forget the stamps: the board was opened anew."""
        for placers in self._apart.values():
            for placer, _ in placers:
                placer.reset()

    def of_emg(self, index: Indices, stamps: Stamps | None, data: Data) -> list[AuxChunk]:
        """Return what is in the rows beside EMG samples with these indices and stamps, (n,) each."""
        if stamps is not None:
            self._axis.update(index, stamps)
        return [
            AuxChunk(
                stream=number,
                at=float(index[run.start]),
                samples=np.ascontiguousarray(data[list(one.rows), run].T, np.float32),
            )
            for run in runs(index)
            for number, one in self._beside
        ]

    def of_preset(self, preset: int, data: Data) -> list[AuxChunk]:
        """Return what came in another preset; nothing before the first EMG has said what time it is."""
        if not data.shape[1] or not self._axis.known:
            return []
        return [
            chunk
            for placer, one in self._apart[preset]
            for chunk in placer.place(
                data[one.timestamp_row], np.ascontiguousarray(data[list(one.rows)].T, np.float32), self._axis
            )
        ]
