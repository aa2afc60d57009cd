"""A recording as XDF, which pyxdf, EEGLAB and SigViewer read: each stream at its own rate, and nothing filled or moved.

Time is seconds since the recording's first sample; the file's header has the date. Lost samples are a jump of the time
stamps. Streams: the EMG, one for each that came beside it, and markers: Prompts (of the plan), Labels (the source's
own), Refined (the same from where the person really began, as a training has found), each saying what holds from then
on, and Events (gaps, where another stretch of signal begins, another model).
pyxdf moves stamps unless it is told not to: `load_xdf(path, dejitter_timestamps=False)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from app.emg.files.binary.xdf_structure import REFINED
from app.emg.recording.bids_side_files import GAP, RESTART, model_event
from app.emg.recording.contents import Contents, opened
from app.emg.recording.export_npz import replacing
from app.emg.recording.header import RecordingHeader
from app.emg.recording.xdf_file import XdfStream, file_header
from app.emg.source import UNLABELLED, Labels
from app.emg.units import standard

NOTHING = "unlabelled"  # from here on
MARKERS = 1000  # in a chunk
_UNITS = {"uV": "microvolts", "mV": "millivolts", "V": "volts"}  # as XDF's page on metadata spells them
_KINDS = {"accelerometer": "ACC", "gyroscope": "GYRO", "magnetometer": "MAG", "trigger": "Trigger"}

Marker = tuple[float, str]  # s, text
Columns = tuple[Labels, Labels]  # label and repetition of some rows


def write_xdf(root: Path, name: str, target: Path) -> None:
    """Write the recording to `target`, which is there in full or not at all, in memory that does not grow with it.

    Raises:
        DataError: there is no such recording, or it holds no sample.
        OSError: the target cannot be written.
    """
    with opened(root, name) as held, replacing(target) as part, part.open("wb") as file:
        _write(file, held)


def _write(file: IO[bytes], held: Contents) -> None:
    header = held.header
    signals = _signals(header)
    markers = [
        (
            XdfStream(
                len(signals) + k,
                name,
                "Markers",
                (name,),
                "",
                0.0,
                f"{header.name}-{name}",
                texts=True,
                desc=_made_by(held) if name == REFINED else (),
            ),
            found,
        )
        for k, (name, found) in enumerate(_markers(held), start=1)
    ]
    streams = [*signals, *(stream for stream, _ in markers)]
    file.write(file_header(datetime.fromtimestamp(header.started_at, timezone.utc).isoformat()))
    for stream in streams:
        file.write(stream.header(header.started_at))
    for piece in _samples(held, signals):
        file.write(piece)
    for stream, found in markers:
        while some := list(islice(found, MARKERS)):
            file.write(stream.markers(some))
    for stream in streams:
        file.write(stream.footer())


def _signals(header: RecordingHeader) -> list[XdfStream]:
    about = [("source", header.source), ("subject", header.subject or ""), ("recording", header.name)]
    units = _UNITS.get(standard(header.units), header.units)
    emg = XdfStream(
        1, header.source or "EMG", "EMG", header.names, units, header.sampling_rate, header.name, desc=about
    )
    beside = [
        XdfStream(
            number,
            aux.name,
            _KINDS.get(aux.name.lower(), "Misc"),
            aux.channel_names,
            aux.units,
            aux.sampling_rate,
            f"{header.name}-aux-{number}",
        )
        for number, aux in enumerate(header.aux, start=2)
    ]
    return [emg, *beside]


def _samples(held: Contents, streams: list[XdfStream]) -> Iterator[bytes]:
    """Yield all samples of EMG, and then those of each stream beside it."""
    rate, first = held.header.sampling_rate, held.first
    place, end = 0, first
    for chunk in held.chunks():
        place += max(0, chunk.index - end)
        yield from streams[0].numbers(place / rate, chunk.samples)
        place, end = place + len(chunk.samples), chunk.index + len(chunk.samples)
    for number, stream in enumerate(streams[1:]):
        for aux in held.aux_chunks(number):
            yield from stream.numbers((aux.at - first) / rate, aux.samples)


def _markers(held: Contents) -> list[tuple[str, Iterator[Marker]]]:
    """Return the streams of texts there are, by name."""
    header, found = held.header, []
    if header.plan is not None:
        found.append(("Prompts", _changes(held, header.plan.gesture_names, _prompted(held))))
    if header.gesture_names:
        found.append(("Labels", _changes(held, header.gesture_names, _own(held))))
    if held.refined is not None:
        found.append((REFINED, _changes(held, held.gesture_names, held.refined_rows())))
    if held.gaps or held.restarts or held.models.changes:
        found.append(("Events", _events(held)))
    return found


def _prompted(held: Contents) -> Iterator[Columns]:
    return ((rows.label, rows.repetition) for rows in held.rows())


def _own(held: Contents) -> Iterator[Columns]:
    """Yield the source's labels; where there is a plan the repetitions are that one's, and these have none."""
    counted = held.header.plan is None
    for rows in held.rows():
        yield rows.source_label, rows.repetition if counted else np.zeros_like(rows.source_label)


def _changes(held: Contents, names: tuple[str, ...], columns: Iterator[Columns]) -> Iterator[Marker]:
    """Yield where another label, or another repetition of the same, begins."""
    last = UNLABELLED, 0
    for rows, (labels, numbers) in zip(held.rows(), columns, strict=True):
        repetitions = np.where(labels == UNLABELLED, 0, numbers)  # of nothing there are none
        changed = (np.diff(labels, prepend=last[0]) != 0) | (np.diff(repetitions, prepend=last[1]) != 0)
        for at in np.flatnonzero(changed).tolist():
            text = NOTHING if labels[at] == UNLABELLED else names[labels[at]]
            yield float(rows.place[at]) / held.header.sampling_rate, text
        last = int(labels[-1]), int(repetitions[-1])


def _made_by(held: Contents) -> list[tuple[str, str]]:
    """Return which model's training has found the edges."""
    assert held.refined is not None
    return [("model", held.refined.model), ("model_sha256", held.refined.sha256)]


def _events(held: Contents) -> Iterator[Marker]:
    rate = held.header.sampling_rate
    gaps = ((place / rate, GAP) for piece in held.gap_pieces() for _, _, place in piece.tolist())
    restarts = ((place / rate, RESTART) for piece in held.restart_pieces() for _, place in piece.tolist())
    models = ((place / rate, model_event(name)) for place, name in held.model_changes())
    return merge(gaps, restarts, models)
