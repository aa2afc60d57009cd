"""A recording as a BIDS dataset of one: BDF+ with the side files of BIDS-EMG (specification 1.11, electromyography).

`*_emg.bdf` holds the raw signal, 24 bits a sample; `*_emg.json`, `*_channels.tsv` and `*_events.tsv` say what it is.
There are no `*_electrodes.tsv` and `*_coordsystem.json`: the specification asks for them where positions were
measured, and we know none. BDF+ as edfio writes it is continuous: lost samples are filled with the last value before
them, and an event says where, so that sample / rate stays the true time.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.recording.export_npz import Contents, chunks, contents, replacing
from app.emg.recording.folder import RecordingHeader
from app.emg.source import UNLABELLED, Samples
from app.errors import DataError

BIDS_VERSION = "1.11.1"
MAX_VALUES = 2**27  # samples x channels; edfio builds the file in memory
RECORD_S = 0.1  # about as long as a data record is made; the last one is padded
DIGITAL_MAX = 2**23 - 1
MAX_ERA = 2084  # the years that a BDF header can hold begin with 1985
NA = "n/a"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that begins at a row of the file."""

    row: int
    samples: int
    kind: str


def write_zip(root: Path, name: str, target: Path) -> Contents:
    """Write the dataset to `target`, a .zip that is there in full or not at all; the recording's contents.

    Raises:
        DataError: no such recording, it holds no sample, or is nothing that BDF+ can hold; take .npz then.
        OSError: the target cannot be written.
    """
    held = contents(root, name)
    rows = held.samples + held.lost_samples
    if held.lost_samples > held.samples:
        raise DataError(
            f"the recording {name} lost {held.lost_samples} of {rows} samples; BDF+ would be mostly filling: "
            "take format=npz, which keeps the gaps as they are"
        )
    if rows * held.header.channels > MAX_VALUES:
        raise DataError(f"the recording {name} is too long for one BDF+ file; take format=npz")
    stem = f"sub-{subject(held.header)}_task-{task(held.header)}"
    folder = f"sub-{subject(held.header)}/emg/{stem}"
    events = sorted(_events(held), key=lambda event: event.row)
    files: dict[str, bytes] = {
        "dataset_description.json": _json(_dataset(held.header)),
        "README": _README.encode(),
        "participants.tsv": _tsv([("participant_id",), (f"sub-{subject(held.header)}",)]),
        f"{folder}_emg.json": _json(_sidecar(held, rows)),
        f"{folder}_channels.tsv": _tsv(_channels(held.header)),
        f"{folder}_events.tsv": _tsv(_event_rows(events, held.header.sampling_rate)),
    }
    with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            file.writestr(path, content)
        # by way of a file: what is written or packed in one piece holds the interpreter, and with it the streams
        bdf = part.with_suffix(".bdf")
        try:
            _write_bdf(bdf, held.header, _filled(root, held, rows), events)
            file.write(bdf, f"{folder}_emg.bdf")
        finally:
            bdf.unlink(missing_ok=True)
    return held


def subject(header: RecordingHeader) -> str:
    """Return the BIDS label of the person: letters and digits only."""
    return _label(header.subject or "01")


def task(header: RecordingHeader) -> str:
    """Return the BIDS label of what was done: the recording's own name."""
    return _label(header.name)


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text) or "01"


def record_length(rate: float) -> tuple[int, float]:
    """Return samples and seconds of a data record: about RECORD_S, and such that the header can hold the seconds.

    Raises:
        DataError: there is none for that rate.
    """
    exact = Fraction(str(rate))
    for digits in range(1, 7):  # after the point; a header field has 8 characters
        least = (exact / 10**digits).numerator  # samples in the shortest record of so many digits
        seconds = least / exact
        if seconds <= 60:
            times = max(1, round(Fraction(str(RECORD_S)) / seconds))
            return least * times, float(seconds * times)
    length = max(1, round(rate))  # a rate such as 1925.926 Hz: records of about 1 s, true to a microsecond
    seconds = round(Fraction(length) / exact, 6)
    if not 0.001 <= seconds <= 60:
        raise DataError(f"BDF+ cannot hold a rate of {rate:g} Hz; take format=npz")
    return length, float(seconds)


def _filled(root: Path, held: Contents, rows: int) -> Samples:
    """(rows, channels): every sample at its place, lost ones as the last before them."""
    signal = np.empty((rows, held.header.channels), np.float32)
    first = int(held.sample_index[0])
    at = 0
    for chunk in chunks(root, held):
        begin = chunk.index - first
        signal[at:begin] = signal[at - 1] if at else 0
        at = begin + len(chunk.samples)
        signal[begin:at] = chunk.samples
    return signal


def _write_bdf(path: Path, header: RecordingHeader, signal: Samples, events: Iterable[Event]) -> None:
    from edfio import Bdf, BdfSignal, EdfAnnotation, Patient, Recording

    length, seconds = record_length(header.sampling_rate)
    padding = -len(signal) % length
    signal = np.concatenate([signal, np.repeat(signal[-1:], padding, axis=0)])
    began = datetime.fromtimestamp(header.started_at, timezone.utc)
    in_era = 1985 <= began.year <= MAX_ERA
    signals = [
        _signal(BdfSignal, signal[:, k], f"EMG{k + 1}", header, Fraction(length) / Fraction(str(seconds)))
        for k in range(header.channels)
    ]
    annotations = [
        EdfAnnotation(
            event.row / header.sampling_rate, event.samples / header.sampling_rate or None, event.kind
        )
        for event in events
    ]
    file = Bdf(
        signals,
        patient=Patient(code=subject(header)),
        recording=Recording(
            startdate=began.date() if in_era else None, equipment_code=_ascii(header.source, 40) or "X"
        ),
        starttime=began.time().replace(microsecond=0),
        data_record_duration=seconds,
        annotations=annotations,
    )
    file.write(path)


def _signal(
    kind: Any, values: npt.NDArray[np.float32], label: str, header: RecordingHeader, rate: Fraction
) -> Any:
    """One channel. Whole numbers, as converters give them, are kept as they are; others to 2^-23 of the largest."""
    largest = float(np.abs(values).max())
    whole = largest <= DIGITAL_MAX and bool((values == np.rint(values)).all())
    bound = float(DIGITAL_MAX) if whole else _eight_characters(largest)
    return kind(
        values.astype(np.float64),
        float(rate),
        label=label,
        physical_dimension=_ascii(header.units, 8),
        physical_range=(-bound, bound),
        digital_range=(-DIGITAL_MAX, DIGITAL_MAX),
    )


def _eight_characters(value: float) -> float:
    """Return the least number at or above `value` that a header field can hold, with its minus sign.

    Raises:
        DataError: it is too large, or so small that the field could only say 0.
    """
    if value >= 1e7:
        raise DataError(f"BDF+ cannot hold values up to {value:g}; take format=npz")
    whole = len(str(math.floor(value)))
    factor = 10 ** max(0, 6 - whole)  # "-", the digits before the point, the point
    bound: float = math.ceil(value * factor) / factor
    if bound > 100 * value:
        raise DataError(f"BDF+ cannot hold values as small as {value:g} in these units; take format=npz")
    return bound


def _events(held: Contents) -> Iterator[Event]:
    """Stretches of one label, gaps and restarts."""
    first = int(held.sample_index[0])
    edges = np.flatnonzero((np.diff(held.label) != 0) | (np.diff(held.repetition) != 0)) + 1
    bounds = [0, *edges.tolist(), held.samples]
    for begin, end in pairwise(bounds):
        if held.label[begin] != UNLABELLED:
            row = int(held.sample_index[begin]) - first
            last = int(held.sample_index[end - 1]) - first
            yield Event(row, last + 1 - row, held.gesture_names[held.label[begin]])
    for index, lost in held.gaps.tolist():
        yield Event(index - first, lost, "BAD_gap")
    for index in held.restarts.tolist():
        yield Event(index - first, 0, "BAD_restart")


def _event_rows(events: Iterable[Event], rate: float) -> Iterator[tuple[str, ...]]:
    yield ("onset", "duration", "sample", "trial_type")
    for event in events:
        yield f"{event.row / rate:.6f}", f"{event.samples / rate:.6f}", str(event.row), _cell(event.kind)


def _channels(header: RecordingHeader) -> Iterator[tuple[str, ...]]:
    yield ("name", "type", "units", "sampling_frequency", "signal_electrode", "reference_electrode")
    for k in range(header.channels):
        units = _cell(header.units) if header.units.endswith("V") else NA
        yield (f"EMG{k + 1}", "EMG", units, f"{header.sampling_rate:g}", NA, NA)


def _sidecar(held: Contents, rows: int) -> dict[str, Any]:
    header = held.header
    return {
        "TaskName": task(header),
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": NA,
        "EMGReference": NA,
        "SamplingFrequency": header.sampling_rate,
        "PowerLineFrequency": header.mains_hz if header.mains_hz is not None else NA,
        "SoftwareFilters": NA,  # what is recorded is the signal before the model's filters
        "EMGChannelCount": header.channels,
        "RecordingType": "continuous",  # gaps are filled, see *_events.tsv
        "RecordingDuration": rows / header.sampling_rate,
        "ManufacturersModelName": header.source,
    }


def _dataset(header: RecordingHeader) -> dict[str, Any]:
    made = {"Name": "Myostream"}
    return {"Name": header.name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": [made]}


_README = """One recording, written by Myostream.

EMGPlacementScheme, EMGReference and the electrodes are not known to the recorder: fill them in before you share this.
BAD_gap in *_events.tsv: the samples were lost and are filled with the last one before.
BAD_restart: the signal does not continue the one before (reconnected, or played from its beginning).
"""


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2, ensure_ascii=False).encode()


def _tsv(rows: Iterable[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _cell(text: str) -> str:
    return " ".join(text.split()) or NA


def _ascii(text: str, most: int) -> str:
    """Return what a BDF header can hold of it."""
    plain = text.replace("µ", "u").replace("μ", "u").encode("ascii", "ignore").decode()
    return re.sub(r"[^!-~]", "_", plain.strip())[:most]
