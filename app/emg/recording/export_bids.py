"""A recording as a BIDS dataset of one: BDF+ with the side files of BIDS-EMG (specification 1.11, electromyography).

`*_emg.bdf` holds the raw signal, 24 bits a sample; `*_emg.json`, `*_channels.tsv` and `*_events.tsv` say what it is.
There are no `*_electrodes.tsv` and `*_coordsystem.json`: the specification asks for them where positions were
measured, and we know none. The BDF+ is continuous: lost samples are filled with the last value before them, and an
event says where, so that sample / rate stays the true time; another marks what fills the last data record.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.recording import bdf
from app.emg.recording.bdf import Annotation, BdfHeader, RecordLength, Scale
from app.emg.recording.contents import Contents, opened
from app.emg.recording.export_npz import replacing
from app.emg.recording.header import RecordingHeader
from app.emg.source import UNLABELLED
from app.errors import DataError

BIDS_VERSION = "1.11.1"
NA = "n/a"
SMALLEST = 1e-7  # of a unit: below, the header's smallest range leaves less than 16 bits
ROWS = 2**14  # samples that are looked at together

# What a unit of voltage is called in the file and times what, since MNE takes all but uV and mV for volts.
VOLTAGES = {"V": ("uV", 1e6), "mV": ("mV", 1.0), "uV": ("uV", 1.0), "nV": ("uV", 1e-3)}


def write_zip(root: Path, name: str, target: Path) -> None:
    """Write the dataset to `target`, a .zip that is there in full or not at all.

    Raises:
        DataError: no such recording, it holds no sample, or is nothing that BDF+ can hold; take .npz then.
        OSError: the target cannot be written.
    """
    with opened(root, name) as held:
        if held.lost_samples > held.samples:
            raise DataError(
                f"the recording {name} lost {held.lost_samples} of {held.places} samples; BDF+ would be mostly "
                "filling: take format=npz, which keeps the gaps as they are"
            )
        about = _bdf_header(held)
        with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
            _write_dataset(file, held, about)


def _write_dataset(file: zipfile.ZipFile, held: Contents, about: BdfHeader) -> None:
    stem = f"sub-{subject(held.header)}_task-{task(held.header)}"
    folder = f"sub-{subject(held.header)}/emg/{stem}"
    files: dict[str, bytes] = {
        "dataset_description.json": _json(_dataset(held.header)),
        "README": _README.encode(),
        "participants.tsv": _tsv([("participant_id",), (f"sub-{subject(held.header)}",)]),
        f"{folder}_emg.json": _json(_sidecar(held)),
        f"{folder}_channels.tsv": _tsv(_channels(held.header)),
    }
    for path, content in files.items():
        file.writestr(path, content)
    with file.open(f"{folder}_events.tsv", "w", force_zip64=True) as member:
        for row in _event_rows(_events(held, about.padding), about.record):
            member.write(_tsv([row]))
    with file.open(f"{folder}_emg.bdf", "w", force_zip64=True) as member:
        bdf.write(member, about, held.filled(ROWS), lambda: _events(held, about.padding))


def _bdf_header(held: Contents) -> BdfHeader:
    header = held.header
    units, factor = _units(header)
    return BdfHeader(
        patient=subject(header),
        equipment=_ascii(header.source, 40),
        began=datetime.fromtimestamp(header.started_at, timezone.utc),
        labels=tuple(f"EMG{k + 1}" for k in range(header.channels)),
        units=units,
        scales=_scales(held, factor),
        record=bdf.record_length(header.sampling_rate, held.places, header.channels),
        samples=held.places,
    )


def _units(header: RecordingHeader) -> tuple[str, float]:
    """Return what the units are called in the file, and times what they are those."""
    own = _ascii(header.units, 8)
    return VOLTAGES.get(own, (own, 1.0))


def _scales(held: Contents, factor: float) -> tuple[Scale, ...]:
    """Return how each channel is scaled, by all of its samples.

    Raises:
        DataError: values that BDF+ cannot hold.
    """
    peak = np.zeros(held.header.channels, np.float32)
    whole = np.ones(held.header.channels, bool)
    for samples in held.filled(ROWS):
        peak = np.maximum(peak, np.abs(samples).max(axis=0, initial=0))  # NaN stays NaN
        whole &= (samples == np.rint(samples)).all(axis=0)
    largest = float(peak.max()) * factor
    if not whole.all() and 0 < largest < SMALLEST:
        raise DataError(f"BDF+ cannot hold values as small as {largest:g} in these units; take format=npz")
    return tuple(bdf.scale_of(*of, factor) for of in zip(peak.tolist(), whole.tolist(), strict=True))


def subject(header: RecordingHeader) -> str:
    """Return the BIDS label of the person: letters and digits only."""
    return _label(header.subject or "01")


def task(header: RecordingHeader) -> str:
    """Return the BIDS label of what was done: the recording's own name."""
    return _label(header.name)


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text) or "01"


def _events(held: Contents, padding: int) -> Iterator[Annotation]:
    """Yield stretches of one label, gaps, restarts and the padding, in the order of time."""
    gaps = (
        Annotation(place, lost, "BAD_gap") for piece in held.gap_pieces() for _, lost, place in piece.tolist()
    )
    restarts = (
        Annotation(place, 0, "BAD_restart") for piece in held.restart_pieces() for _, place in piece.tolist()
    )
    yield from merge(_stretches(held), gaps, restarts, key=lambda event: event.sample)
    if padding:
        yield Annotation(held.places, padding, "BAD_padding")


def _stretches(held: Contents) -> Iterator[Annotation]:
    """Yield where the person was asked for one gesture, or did it; what was lost in the middle belongs to it."""
    now, begin, end = (UNLABELLED, 0), 0, 0
    for ahead, first, last in _runs(held):
        if ahead != now:
            if now[0] != UNLABELLED:
                yield Annotation(begin, end - begin, held.gesture_names[now[0]])
            now, begin = ahead, first
        end = last + 1
    if now[0] != UNLABELLED:
        yield Annotation(begin, end - begin, held.gesture_names[now[0]])


def _runs(held: Contents) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Yield label and repetition, and the places of the first and the last sample that have them in a row."""
    for rows in held.rows():
        edges = np.flatnonzero((np.diff(rows.label) != 0) | (np.diff(rows.repetition) != 0)) + 1
        for begin, end in pairwise([0, *edges.tolist(), len(rows.label)]):
            what = int(rows.label[begin]), int(rows.repetition[begin])
            yield what, int(rows.place[begin]), int(rows.place[end - 1])


def _event_rows(events: Iterable[Annotation], record: RecordLength) -> Iterator[tuple[str, ...]]:
    yield ("onset", "duration", "sample", "trial_type")
    for event in events:
        begin, end = record.time_of(event.sample), record.time_of(event.sample + event.samples)
        yield _seconds(begin), _seconds(end - begin), str(event.sample), _cell(event.text)


def _seconds(ticks: int) -> str:
    return f"{ticks / bdf.TICKS:.6f}"


def _channels(header: RecordingHeader) -> Iterator[tuple[str, ...]]:
    yield ("name", "type", "units", "sampling_frequency", "signal_electrode", "reference_electrode")
    for k in range(header.channels):
        units = _units(header)[0] if _units(header) in VOLTAGES.values() else NA
        yield (f"EMG{k + 1}", "EMG", units, f"{header.sampling_rate:.12g}", NA, NA)


def _sidecar(held: Contents) -> dict[str, Any]:
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
        "RecordingDuration": held.places / header.sampling_rate,
        "ManufacturersModelName": header.source,
    }


def _dataset(header: RecordingHeader) -> dict[str, Any]:
    made = {"Name": "Myostream"}
    return {"Name": header.name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": [made]}


_README = """One recording, written by Myostream.

EMGPlacementScheme, EMGReference and the electrodes are not known to the recorder: fill them in before you share this.
BAD_gap in *_events.tsv: the samples were lost and are filled with the last one before.
BAD_padding: fills the last data record with the last sample; nothing was recorded there.
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
