"""What came beside the EMG, as channels of the same BDF+: at its own rate where data records allow it, else held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxStream
from app.emg.recording import bdf
from app.emg.recording.bdf import BdfGroup, RecordLength, Scale
from app.emg.recording.contents import Contents
from app.emg.source import Samples

ROWS = 2**14  # samples that are made together
MAX_LABEL = 16  # characters in the header
_TYPES = {
    **{
        "accelerometer": "ACCEL",
        "acceleration": "ACCEL",
        "acc": "ACCEL",
        "gyroscope": "GYRO",
        "gyro": "GYRO",
    },
    **{
        "magnetometer": "MAGN",
        "mag": "MAGN",
        "trigger": "TRIG",
        "triggers": "TRIG",
        "ecg": "ECG",
        "eeg": "EEG",
    },
    **{"eog": "EOG", "resp": "RESP", "respiration": "RESP", "temperature": "TEMP", "ppg": "PPG"},
}


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """An auxiliary stream in the file."""

    stream: int
    about: AuxStream
    group: BdfGroup
    rate: float  # Hz, in the file
    records: int

    @property
    def held(self) -> bool:
        """Whether its values are repeated, at the rate of the EMG."""
        return not np.isclose(self.rate, self.about.sampling_rate, rtol=bdf.BESIDE_ERROR)

    @property
    def type(self) -> str:
        """What BIDS calls it."""
        words = re.findall("[a-z]+", self.about.name.lower())
        return next((_TYPES[word] for word in words if word in _TYPES), "MISC")


def all_beside(held: Contents, record: RecordLength, taken: set[str]) -> tuple[Beside, ...]:
    """Return the streams as they are in the file; no label is one of `taken`.

    Raises:
        DataError: values that BDF+ cannot hold.
    """
    records = -(-held.places // record.samples)
    found = []
    for stream, about in enumerate(held.header.aux):
        own = bool(bdf.whole_samples(about.sampling_rate, np.array(record.seconds)))
        samples = round(about.sampling_rate * record.seconds) if own else record.samples
        labels = _labels(stream, about, taken)
        group = BdfGroup(labels=labels, units=_units(about), scales=_scales(held, stream), samples=samples)
        found.append(Beside(stream, about, group, float(samples * bdf.TICKS / record.ticks), records))
    return tuple(found)


def filled(held: Contents, beside: Beside) -> Iterator[Samples]:
    """Yield its samples, each at its place; what is not there is the value before it, or else the first.

    As many as the file's data records hold come, (up to about ROWS, channels) at a time.
    """
    total = beside.records * beside.group.samples
    repeats = max(1, round(beside.rate / beside.about.sampling_rate))
    last: Samples | None = None
    at = 0
    for places, samples in _placed(held, beside, max(1, ROWS // repeats)):
        inside = places < total
        slots, values = np.maximum(places[inside], at), samples[inside]
        if not len(slots):
            continue
        yield from _repeated(values[:1] if last is None else last, int(slots[0]) - at)
        lengths = np.diff(slots, append=slots[-1])  # the last goes on with the next
        yield np.repeat(values, lengths, axis=0)
        last, at = values[-1:], int(slots[-1])
    rest = np.zeros((1, beside.about.channels), np.float32) if last is None else last
    yield from _repeated(rest, total - at)


def _placed(held: Contents, beside: Beside, rows: int) -> Iterator[tuple[npt.NDArray[np.int64], Samples]]:
    """Yield where samples that are numbers lie in the file, and these."""
    scale = beside.rate / held.header.sampling_rate
    for chunk in held.aux_chunks(beside.stream):
        places = held.aux_places(chunk)
        good = _numbers(chunk.samples)
        for begin in range(0, len(places), rows):
            part = slice(begin, begin + rows)
            slots = np.rint((places[part][good[part]] - held.first) * scale).astype(np.int64)
            yield slots, chunk.samples[part][good[part]]


def _numbers(samples: Samples) -> npt.NDArray[np.bool_]:
    """Return which rows are numbers, (n,)."""
    return np.asarray(np.isfinite(samples).all(axis=1), np.bool_)


def _repeated(row: Samples, count: int) -> Iterator[Samples]:
    for begin in range(0, count, ROWS):
        yield np.repeat(row, min(ROWS, count - begin), axis=0)


def _scales(held: Contents, stream: int) -> tuple[Scale, ...]:
    peak = np.zeros(held.header.aux[stream].channels, np.float32)
    whole = np.ones(len(peak), bool)
    for chunk in held.aux_chunks(stream):
        samples = chunk.samples[_numbers(chunk.samples)]
        peak = np.maximum(peak, np.abs(samples).max(axis=0, initial=0))
        whole &= (samples == np.rint(samples)).all(axis=0)
    return tuple(bdf.scale_of(*of, 1.0) for of in zip(peak.tolist(), whole.tolist(), strict=True))


def _labels(stream: int, about: AuxStream, taken: set[str]) -> tuple[str, ...]:
    """Return a name for each channel that the header can hold; they are taken then."""
    found = []
    for number, name in enumerate(about.channel_names, start=1):
        said = name if about.channels == 1 or about.name.lower() in name.lower() else f"{about.name} {name}"
        plain = re.sub(r"[^!-~]+", "_", said.strip()).strip("_")
        label = plain if 0 < len(plain) <= MAX_LABEL and plain not in taken else f"AUX{stream + 1}_{number}"
        taken.add(label)
        found.append(label)
    return tuple(found)


def _units(about: AuxStream) -> str:
    plain = re.sub(r"[^!-~]+", "", about.units.replace("\u00b0", "deg").replace("\u00b5", "u"))
    return "" if plain == "unknown" else plain[:8]
