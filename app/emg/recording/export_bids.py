"""A recording as a BIDS dataset of one: BDF+ with the side files of BIDS-EMG (specification 1.11, electromyography).

`*_emg.bdf` holds the raw signal, 24 bits a sample; `*_emg.json`, `*_channels.tsv` and `*_events.tsv` say what it is.
The BDF+ is continuous: lost samples are filled with the last value before them, and an event says where, so that
sample / rate stays the true time; another marks what fills the last data record.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from heapq import merge
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.emg.recording import bdf, bids_beside, bids_side_files
from app.emg.recording.bdf import Annotation, BdfHeader, Scale
from app.emg.recording.bids_beside import Beside
from app.emg.recording.bids_side_files import GAP, PADDING, RESTART, model_event, stem, subject, uncalibrated
from app.emg.recording.contents import Contents, opened
from app.emg.recording.export_npz import replacing
from app.emg.recording.header import RecordingHeader
from app.emg.source import UNLABELLED
from app.emg.units import standard
from app.errors import DataError

SMALLEST = 1e-7  # of a unit: below, the header's smallest range leaves less than 16 bits
ROWS = 2**14  # samples that are looked at together

# What a unit of voltage is called in the file and times what, since MNE takes all but uV and mV for volts. Any other
# is left empty, as EDF wants it of what is not calibrated, and named in an annotation: MNE shows volts all the same.
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
                "filling: take --format npz, which keeps the gaps as they are"
            )
        about, beside = _bdf_header(held)
        with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
            _write_dataset(file, held, about, beside)


def _write_dataset(file: zipfile.ZipFile, held: Contents, about: BdfHeader, beside: Sequence[Beside]) -> None:
    for path, content in bids_side_files.side_files(held, about, beside).items():
        file.writestr(path, content)
    prefix = f"sub-{subject(held.header)}/emg/{stem(held.header)}"
    with file.open(f"{prefix}_events.tsv", "w", force_zip64=True) as member:
        for line in bids_side_files.event_lines(_events(held, about), about.record, _refined(held)):
            member.write(line)
    with file.open(f"{prefix}_emg.bdf", "w", force_zip64=True) as member:
        others = [bids_beside.filled(held, one) for one in beside]
        bdf.write(member, about, held.filled(ROWS), lambda: _events(held, about), others)


def _refined(held: Contents) -> dict[int, int] | None:
    """Return the places at which gestures really began, by those of their cues; None where none was found."""
    if held.refined is None:
        return None
    told = [(cue, at) for cue, at in held.refined.edges if at is not None]
    cues, edges = np.array(told, np.int64).reshape(-1, 2).T
    return dict(zip(held.places_of(cues).tolist(), held.places_of(edges).tolist(), strict=True))


def _bdf_header(held: Contents) -> tuple[BdfHeader, tuple[Beside, ...]]:
    """Return what the file says of itself, and what is in it beside the EMG."""
    header = held.header
    units, factor = _units(header)
    labels, channels = _labels(header), header.channels + sum(header.aux_channels)
    rates = [aux.sampling_rate for aux in header.aux]
    record = bdf.record_length(header.sampling_rate, held.places, channels, rates)
    beside = bids_beside.all_beside(held, record, set(labels))
    about = BdfHeader(
        patient=subject(header),
        equipment=_ascii(header.source, 40),
        began=datetime.fromtimestamp(header.started_at, timezone.utc),
        labels=labels,
        units=units,
        scales=_scales(held, factor),
        record=record,
        samples=held.places,
        beside=tuple(one.group for one in beside),
    )
    return about, beside


def _labels(header: RecordingHeader) -> tuple[str, ...]:
    """Return the device's own names, where the file can hold them all and they differ; else EMG1, EMG2, ..."""
    own = tuple(_ascii(name, 80) for name in header.channel_names)
    fits = all(0 < len(name) <= bids_beside.MAX_LABEL for name in own) and len(set(own)) == len(own)
    return own if own and fits else tuple(f"EMG{k + 1}" for k in range(header.channels))


def _units(header: RecordingHeader) -> tuple[str, float]:
    """Return what the units are called in the file (empty: none of voltage), and times what they are those."""
    return VOLTAGES.get(standard(header.units), ("", 1.0))


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
        raise DataError(f"BDF+ cannot hold values as small as {largest:g} in these units; take --format npz")
    return tuple(bdf.scale_of(*of, factor) for of in zip(peak.tolist(), whole.tolist(), strict=True))


def _events(held: Contents, about: BdfHeader) -> Iterator[Annotation]:
    """Yield units that are not volts, stretches of one label, gaps, restarts, models, the padding; in order of time."""
    if not about.units:
        yield Annotation(0, 0, uncalibrated(held.header))
    gaps = (Annotation(place, lost, GAP) for piece in held.gap_pieces() for _, lost, place in piece.tolist())
    restarts = (
        Annotation(place, 0, RESTART) for piece in held.restart_pieces() for _, place in piece.tolist()
    )
    models = (Annotation(place, 0, model_event(name)) for place, name in held.model_changes())
    yield from merge(_stretches(held), gaps, restarts, models, key=lambda event: event.sample)
    if about.padding:
        yield Annotation(held.places, about.padding, PADDING)


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


def _ascii(text: str, most: int) -> str:
    """Return what a BDF header can hold of it."""
    plain = text.replace("µ", "u").replace("μ", "u").encode("ascii", "ignore").decode()
    return re.sub(r"[^!-~]", "_", plain.strip())[:most]
