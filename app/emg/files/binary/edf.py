"""EDF, EDF+, BDF and BDF+, with the side files of BIDS where they are beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.binary import bids_side_files, edf_header
from app.emg.files.binary.bids_side_files import SideFiles
from app.emg.files.binary.channel_choice import kind_of
from app.emg.files.binary.damage import in_one_line, iterated_in_one_line
from app.emg.files.binary.edf_header import BDF, EDF, Annotation
from app.emg.files.binary.event_labels import Event, EventLabels, label
from app.emg.files.binary.layout import AuxTrack, Layout, Segment, gap_lines, survey
from app.emg.files.binary.signal_choice import Choice, Signal, choose
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.source import Samples
from app.emg.units import factor, standard
from app.errors import DataError

NAME = "EDF/BDF"
KIND = "a sound EDF or BDF file"
MAX_ANNOTATIONS = 10**6
BLOCK_BYTES = 4 * 2**20  # of data records that are looked through together

# What our own export marks (app/emg/recording/bids_side_files.py), and MNE's convention with it
GAP, PADDING, RESTART, UNCALIBRATED = "BAD_gap", "BAD_padding", "BAD_restart", "uncalibrated: "

_TYPES = {"ACCEL": "accelerometer", "GYRO": "gyroscope", "MAGN": "magnetometer", "TRIG": "trigger"}  # of BIDS


def load_edfio() -> Any:
    """Return the package edfio; raise DataError where it is not there."""
    try:
        import edfio
    except ImportError as error:
        raise DataError(f"EDF and BDF need edfio ({error}): pip install -r requirements-files.txt") from None
    return edfio


def matches(head: FileHead) -> bool:
    """Return whether it begins as EDF or BDF does: a version, and 248 bytes that are one line of text."""
    line = head.head[8:256]
    return head.head[:8] in (EDF, BDF) and not any(byte < 0x20 or byte == 0x7F for byte in line)


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return what the file holds; `hints.emg` names channels, `hints.label="none"` leaves annotations out.

    Raises:
        DataError: it is malformed, cut off, or has no EMG; or edfio is not there.
    """
    edfio = load_edfio()
    with in_one_line(path, KIND):
        return _Reading(path, hints, edfio).imported()


@dataclass(frozen=True, slots=True)
class _Times:
    """Which records follow one another, and all texts."""

    segments: tuple[tuple[int, int, float], ...]  # first record, number of records, seconds from the first
    annotations: tuple[Annotation, ...]


class _Reading:
    """One file, read in blocks of whole data records: each block with the header is a file for edfio."""

    def __init__(self, path: Path, hints: ImportHints, edfio: Any) -> None:
        self._path, self._hints, self._edfio = path, hints, edfio
        self._header = edf_header.read(path)
        self._side = bids_side_files.read(path)
        self._block = lru_cache(maxsize=2)(self._read_block)

    def imported(self) -> ImportedFile:
        described = self._block(0, 1).signals
        choice = choose(self._path, [self._signal(signal) for signal in described], self._hints)
        rate = self._hints.rate_hz or choice.rate
        times = self._times()
        segments, marked = _cut(self._records(times, described, choice.emg[0], rate), times.annotations, rate)
        labels = self._labels(times, rate, segments)
        layout = Layout(
            channels=len(choice.emg),
            segments=segments,
            read=partial(self._rows, places=choice.emg, factors=choice.factors),
            labels=labels.labels if labels.gesture_names else None,
            aux=tuple(self._aux(times, described, choice, rate)),
        )
        seen = survey(self._path, layout, choice.names)
        units, of_units = self._units(choice, times.annotations)
        return ImportedFile(
            path=self._path,
            format=self._format(),
            channel_names=choice.names,
            units=units,
            sampling_rate=rate,
            rate_source="as given" if self._hints.rate_hz else "from the header",
            chunks=iterated_in_one_line(self._path, KIND, layout.chunks),
            gesture_names=labels.gesture_names,
            rest=labels.rest,
            subject=self._subject(),
            aux=tuple(group.stream for group in choice.aux),
            found=(
                *self._seen(choice, described),
                *choice.found,
                *gap_lines(segments, rate),
                *marked,
                *seen.lines,
                *labels.found,
            ),
            assumed=(*choice.assumed, *of_units, *labels.assumed),
        )

    def _read_block(self, begin: int, end: int) -> Any:
        """Return data records as edfio reads them; the header says how many there are, or edfio would warn."""
        header = self._header
        raw = header.raw[:236] + f"{end - begin:<8d}".encode() + header.raw[244:]
        with self._path.open("rb") as file:
            file.seek(len(header.raw) + begin * header.record_bytes)
            content = raw + file.read((end - begin) * header.record_bytes)
        encoding = "utf-8" if _is_utf8(raw) else "latin-1"
        if header.bdf:
            return self._edfio.read_bdf(content, header_encoding=encoding)
        return self._edfio.read_edf(content, lazy_load_data=True, header_encoding=encoding)

    def _rows(self, begin: int, end: int, *, places: Sequence[int], factors: Sequence[float]) -> Samples:
        each = self._samples(places[0])
        first, last = begin // each, -(-end // each)
        signals = self._block(first, last).signals
        rows = np.empty((end - begin, len(places)), np.float32)
        for column, (place, times) in enumerate(zip(places, factors, strict=True)):
            values = _physical(signals[place])[begin - first * each : end - first * each]
            rows[:, column] = values * times if times != 1 else values
        return rows

    def _samples(self, place: int) -> int:
        """Return how many samples of a signal are in a data record."""
        return int(self._block(0, 1).signals[place].samples_per_data_record)

    def _signal(self, signal: Any) -> Signal:
        name = str(signal.label)
        said = self._side.types.get(name, "")
        units = standard(str(signal.physical_dimension)) or self._side.units.get(name, "")
        return Signal(
            name=name,
            kind=_TYPES.get(said, said) if said not in ("", "n/a", "MISC") else kind_of(name, units),
            units=units,
            rate=signal.samples_per_data_record / self._header.duration_s,
        )

    def _times(self) -> _Times:
        """Look through the texts of all records."""
        onsets: list[float | None] = []
        texts: list[Annotation] = []
        for record in self._all_records() if self._header.texts else ():
            begins, found = edf_header.texts_of(record, self._header)
            onsets.append(begins)
            texts.extend(found)
            if len(texts) > MAX_ANNOTATIONS:
                raise DataError(f"{self._path.name}: has more than {MAX_ANNOTATIONS} annotations")
        start = next((onset for onset in onsets if onset is not None), 0.0)
        segments = self._segments(onsets) if self._header.discontinuous else [(0, self._header.records, 0.0)]
        shifted = (replace(text, onset_s=text.onset_s - start) for text in texts)
        return _Times(tuple(segments), tuple(sorted(shifted, key=lambda text: text.onset_s)))

    def _segments(self, onsets: Sequence[float | None]) -> list[tuple[int, int, float]]:
        """Return runs of records without a hole between them: of EDF+D."""
        silent = next((k for k in range(self._header.records) if k >= len(onsets) or onsets[k] is None), None)
        if silent is not None:
            raise DataError(
                f"{self._path.name}: is a malformed {self._header.kind}+D: data record {silent + 1} does not say "
                "when it begins; export it again"
            )
        times = [onset for onset in onsets if onset is not None]
        duration = self._header.duration_s
        near = duration / (2 * max(1, *(int(s.samples_per_data_record) for s in self._block(0, 1).signals)))
        broken = [k for k, (a, b) in enumerate(pairwise(times), 1) if abs(b - a - duration) > near]
        edges = [0, *broken, len(times)]
        return [(a, b - a, times[a] - times[0]) for a, b in pairwise(edges)]

    def _all_records(self) -> Iterator[bytes]:
        size = self._header.record_bytes
        with self._path.open("rb") as file:
            file.seek(len(self._header.raw))
            left = self._header.records
            while left:
                block = file.read(size * min(left, max(1, BLOCK_BYTES // size)))
                if len(block) < size:
                    raise DataError(f"{self._path.name}: has become shorter while it was read")
                left -= len(block) // size
                yield from (block[at : at + size] for at in range(0, len(block) - size + 1, size))

    def _records(
        self, times: _Times, described: Sequence[Any], place: int, rate: float
    ) -> tuple[Segment, ...]:
        """Return the segments of the EMG, by sample."""
        each = int(described[place].samples_per_data_record)
        made: list[Segment] = []
        for record, count, seconds in times.segments:
            end = made[-1].index + made[-1].rows if made else 0
            index = round(seconds * rate)
            made.append(Segment(record * each, count * each, max(index, end), bool(made) and index < end))
        return tuple(made)

    def _aux(
        self, times: _Times, described: Sequence[Any], choice: Choice, rate: float
    ) -> Iterator[AuxTrack]:
        emg = self._records(times, described, choice.emg[0], rate)
        for number, group in enumerate(choice.aux):
            each = int(described[group.places[0]].samples_per_data_record)
            step = choice.rate / group.stream.sampling_rate
            for (record, count, _), segment in zip(times.segments, emg, strict=True):
                first = record * each

                def place(row: int, at: int = segment.index, first: int = first, step: float = step) -> float:
                    return at + (row - first) * step

                reading = partial(self._rows, places=group.places, factors=(1.0,) * len(group.places))
                yield AuxTrack(number, first, count * each, place, reading)

    def _labels(self, times: _Times, rate: float, segments: Sequence[Segment]) -> EventLabels:
        def event(onset: float, duration: float | None, text: str) -> Event:
            return Event(onset * rate, (onset + duration) * rate if duration else None, text)

        end = float(segments[-1].index + segments[-1].rows)
        if self._side.events:
            events = [event(e.onset_s, e.duration_s, e.text) for e in self._side.events]
            return label(events, self._hints, what="events of events.tsv", end=end)
        events = [
            event(a.onset_s, a.duration_s, a.text)
            for a in times.annotations
            if a.text not in (GAP, PADDING, RESTART) and not a.text.startswith(UNCALIBRATED)
        ]
        return label(events, self._hints, what="annotations", end=end)

    def _units(self, choice: Choice, texts: Sequence[Annotation]) -> tuple[str, tuple[str, ...]]:
        """Return the EMG's units, and what was assumed of them."""
        if self._hints.units is not None:
            return choice.units, ()
        said = next((text.text for text in texts if text.text.startswith(UNCALIBRATED)), None)
        if choice.units == "unknown" and said:
            return said.removeprefix(UNCALIBRATED), ()
        if choice.units == "unknown":
            return choice.units, ("the header names no units of the EMG; --units says them",)
        return choice.units, ()

    def _seen(self, choice: Choice, described: Sequence[Any]) -> Iterator[str]:
        if self._side.read:
            yield f"read beside it: {', '.join(self._side.read)}"
        header = {str(signal.label): standard(str(signal.physical_dimension)) for signal in described}
        yield from _unlike_units([str(described[k].label) for k in choice.emg], header, self._side)
        empty = [str(described[k].label) for k in choice.emg if _gain(described[k]) is None]
        if empty:
            yield f"the header gives no range for {', '.join(empty[:8])}: whole numbers as they are"
        yield from _unlike_about(self._side, choice.rate, self._header.records * self._header.duration_s)

    def _format(self) -> str:
        header = self._header
        plus = header.raw[192:197].decode("latin-1").strip()
        return plus if plus in ("EDF+C", "EDF+D", "BDF+C", "BDF+D") else header.kind

    def _subject(self) -> str | None:
        """Return the code in the header of EDF+ or BDF+, else the person's of BIDS."""
        code = self._header.raw[8:88].decode("latin-1").split(" ", 1)[0] if "+" in self._format() else "X"
        return code if code not in ("", "X") else self._side.subject


def _physical(signal: Any) -> Any:
    gain = _gain(signal)
    digital = signal.digital.astype(np.float64)
    return digital if gain is None else (digital - signal.digital_min) * gain + signal.physical_min


def _gain(signal: Any) -> float | None:
    """Return what one step is worth; None where the header has no range."""
    wide = float(signal.digital_max) - float(signal.digital_min)
    gain = (float(signal.physical_max) - float(signal.physical_min)) / wide if wide else 0.0
    return gain if gain and math.isfinite(gain) else None


def _cut(
    segments: Sequence[Segment], texts: Sequence[Annotation], rate: float
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Return the segments without what our own export filled: gaps, the end of the last record; and its restarts."""
    marks = [text for text in texts if text.text in (GAP, PADDING, RESTART)]
    if not marks:
        return tuple(segments), ()
    filled = [text for text in marks if text.text != RESTART and text.duration_s]
    lines = tuple(
        f"{sum(text.text == what for text in marks)} annotations {what}: {means}"
        for what, means in (
            (GAP, "what fills them is left out"),
            (PADDING, "what fills the end is left out"),
            (RESTART, "the signal begins anew there"),
        )
        if any(text.text == what for text in marks)
    )
    begins = {round(text.onset_s * rate) for text in marks if text.text == RESTART}
    holes = [(round(t.onset_s * rate), round((t.onset_s + (t.duration_s or 0)) * rate)) for t in filled]
    return tuple(part for segment in segments for part in _parts(segment, holes, begins)), lines


def _parts(segment: Segment, holes: Sequence[tuple[int, int]], begins: set[int]) -> Iterator[Segment]:
    end = segment.index + segment.rows
    inside = [(max(a, segment.index), min(b, end)) for a, b in holes if a < end and b > segment.index]
    edges = {
        segment.index,
        end,
        *(k for hole in inside for k in hole),
        *(k for k in begins if segment.index < k < end),
    }
    for a, b in pairwise(sorted(edges)):
        if not any(begin <= a < stop for begin, stop in inside):
            restart = a in begins or (a == segment.index and segment.restart)
            yield Segment(segment.first + a - segment.index, b - a, a, restart)


def _unlike_units(names: Sequence[str], header: dict[str, str], side: SideFiles) -> Iterator[str]:
    """Yield where channels.tsv and the header differ: the header was written with the numbers."""
    unlike = [
        (side.units[name], header[name], times)
        for name in names
        if header.get(name) and name in side.units and (times := factor(side.units[name], header[name])) != 1
    ]
    if unlike:
        said, is_in, times = unlike[0]
        by = f", a factor of {times:g}" if times else ""
        yield f"channels.tsv says {said} where the file's header says {is_in}{by}: the header is believed"


def _unlike_about(side: SideFiles, rate: float, seconds: float) -> Iterator[str]:
    for key, is_in, units in (("SamplingFrequency", rate, "Hz"), ("RecordingDuration", seconds, "s")):
        said = side.about.get(key)
        if isinstance(said, (int, float)) and not math.isclose(said, is_in, rel_tol=1e-3):
            yield f"{key} of the side file is {said:g} {units}, the file has {is_in:g} {units}: the file is believed"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
