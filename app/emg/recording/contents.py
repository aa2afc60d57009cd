"""What a recording holds, read piece by piece: an hour needs no more memory than a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk
from app.emg.files.recordings import MAX_ID
from app.emg.recording import folder as folders
from app.emg.recording import refined_edges
from app.emg.recording.folder import LOG
from app.emg.recording.header import RecordingHeader
from app.emg.recording.log_format import Entry, RecordedModel, RecordedPrediction, read
from app.emg.recording.models_used import ModelsUsed
from app.emg.recording.prompts import prompt_log
from app.emg.recording.refined_edges import RefinedEdges, RefinedLabels
from app.emg.recording.spool import Spool
from app.emg.source import UNLABELLED, Chunk, Labels, Samples
from app.errors import DataError

Indices = npt.NDArray[np.int64]
Table = npt.NDArray[Any]

ROWS = 2**16  # samples whose columns are made at a time

# One row a record of samples: index of its first in the source; its place in time, counted from the recording's first,
# where lost samples have a place; how many were lost before it; segment (0, 1, ... and from 0 again).
SEGMENT = np.dtype(
    [
        ("index", "<i8"),
        ("place", "<i8"),
        ("lost", "<i8"),
        ("count", "<i8"),
        ("segment", "<i2"),
        ("restart", "?"),
        ("labelled", "?"),
        ("repeated", "?"),
    ]
)
PREDICTION = np.dtype(
    [
        ("sample_index", "<i8"),
        ("prediction", "<i4"),  # ids into `models.classes`
        ("confidence", "<f4"),
        ("decision", "<i4"),
        ("model", "<i4"),  # of `models`
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of some consecutive samples, (n,) each."""

    place: Indices  # samples since the first, lost ones counted
    sample_index: Indices  # of the source
    segment: Labels  # no window crosses a change
    source_label: Labels  # ids into the source's names
    label: Labels  # ids into `gesture_names`: the plan's, or else the source's
    repetition: Labels  # of the plan, or else the source's; 0 where unknown


class Contents:
    """All that a recording holds, as far as its log is whole; made by `opened`."""

    def __init__(self, root: Path, header: RecordingHeader) -> None:
        self.header, self._root = header, root
        self.samples = self.lost_samples = self.gaps = self.restarts = 0
        self._first = 0
        self._segments = Spool(root / header.name, SEGMENT)
        self._labels = Spool(root / header.name, np.int16)
        self._repetitions = Spool(root / header.name, np.int16)
        self.aux_samples = [0] * len(header.aux)
        self.predictions = Spool(root / header.name, PREDICTION)
        self.models = ModelsUsed(header.model)
        self._prompts = prompt_log.read(root, header)
        self.refined: RefinedEdges | None = None  # what a training found of the labels

    @property
    def places(self) -> int:
        """Samples from the first to the last, those lost included."""
        return self.samples + self.lost_samples

    @property
    def seconds(self) -> float:
        return self.samples / self.header.sampling_rate

    @property
    def gesture_names(self) -> tuple[str, ...]:
        """Names of the labels: the plan's where there is one, else the source's own."""
        if self.header.plan is not None:
            return self.header.plan.gesture_names
        model = self.header.model
        return self.header.gesture_names or (model.classes if model else ()) or ("rest",)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the samples in order."""
        left = self.samples
        for entry in self._entries():
            if not left:  # a running one has grown meanwhile
                return
            if isinstance(entry, Chunk):
                left -= len(entry.samples)
                yield entry

    def aux_chunks(self, stream: int) -> Iterator[AuxChunk]:
        """Yield what one auxiliary stream has, in the order in which it came."""
        left = self.aux_samples[stream]
        for entry in self._entries():
            if left <= 0:
                return
            if isinstance(entry, AuxChunk) and entry.stream == stream:
                left -= len(entry.samples)
                yield entry

    def aux_places(self, chunk: AuxChunk) -> npt.NDArray[np.float64]:
        """Return where its samples lie, in EMG samples of the source, (n,)."""
        step = self.header.sampling_rate / self.header.aux[chunk.stream].sampling_rate
        return chunk.at + step * np.arange(len(chunk.samples), dtype=np.float64)

    @property
    def first(self) -> int:
        """Sample index of the first sample."""
        return self._first

    def _entries(self) -> Iterator[Entry]:
        with folders.open_file(self._root, self.header.name, LOG) as file:
            yield from read(file, self.header.channels, self.header.aux_channels)

    def filled(self, rows: int) -> Iterator[Samples]:
        """Yield every sample at its place, (up to `rows`, channels) at a time; lost ones as the last before them."""
        last = np.zeros((1, self.header.channels), np.float32)
        end: int | None = None
        for chunk in self.chunks():
            lost = 0 if end is None else max(0, chunk.index - end)
            for begin in range(0, lost, rows):
                yield np.repeat(last, min(rows, lost - begin), axis=0)
            for begin in range(0, len(chunk.samples), rows):
                yield chunk.samples[begin : begin + rows]
            if len(chunk.samples):
                last = chunk.samples[-1:].copy()
            end = chunk.index + len(chunk.samples)

    def rows(self) -> Iterator[Rows]:
        """Yield the columns of all samples in order, about ROWS at a time."""
        labels = repetitions = 0
        for table in self._tables():
            own = _spread(table, "labelled", self._labels, labels, UNLABELLED)
            repeated = _spread(table, "repeated", self._repetitions, repetitions, 0)
            labels += int(table["count"][table["labelled"]].sum())
            repetitions += int(table["count"][table["repeated"]].sum())
            yield self._columns(table, own, repeated)

    def indices_of(self, rows: Indices) -> Indices:
        """Return the sample index of each of those rows; of the end of the recording, that after its last."""
        return self._by_row(rows, "index")

    def places_of(self, rows: Indices) -> Indices:
        """Return the place of each of those rows."""
        return self._by_row(rows, "place")

    def _by_row(self, rows: Indices, field: str) -> Indices:
        found, begin = np.zeros(len(rows), np.int64), 0
        for table in self._segments.pieces():
            first = begin + np.cumsum(table["count"]) - table["count"]
            which = np.searchsorted(first, rows, side="right") - 1
            own = which >= 0
            found[own] = (
                table[field][which[own]] + rows[own] - first[which[own]]
            )  # a later table has the last word
            begin += int(table["count"].sum())
        return found

    def refined_rows(self) -> Iterator[tuple[Labels, Labels]]:
        """Yield label and repetition of all samples as `refined` has them; there must be that."""
        assert self.refined is not None
        refine = RefinedLabels(self.refined, ((rows.label, rows.repetition) for rows in self.rows()))
        begin = 0
        for rows in self.rows():
            yield refine(begin, rows.label, rows.repetition)
            begin += len(rows.label)

    def gap_pieces(self) -> Iterator[Table]:
        """Yield (gaps, 2): sample index of the first sample lost, and how many; the third column is its place."""
        for table in self._segments.pieces():
            found = table[table["lost"] > 0]
            lost = found["lost"]
            yield np.column_stack([found["index"] - lost, lost, found["place"] - lost])

    def restart_pieces(self) -> Iterator[Table]:
        """Yield (restarts, 2): sample index of the first sample of another signal, and its place."""
        for table in self._segments.pieces():
            found = table[table["restart"]]
            yield np.column_stack([found["index"], found["place"]])

    def model_changes(self) -> Iterator[tuple[int, str | None]]:
        """Yield the places from which another model was used, in their order, and its name; None: none."""
        places = [(self._place(index), model) for index, model in self.models.changes]
        for place, model in sorted(places, key=lambda one: one[0]):
            if place < self.places:  # later ones have no sample
                yield place, None if model < 0 else self.models.names[model]

    def labelled_samples(self) -> dict[str, int]:
        """Return how many samples each gesture has."""
        counts = np.zeros(len(self.gesture_names), np.int64)
        for rows in self.rows():
            counts += np.bincount(rows.label[rows.label != UNLABELLED], minlength=len(counts))
        return dict(zip(self.gesture_names, counts.tolist(), strict=True))

    def close(self) -> None:
        """Free what was put aside on the disk. Safe to call twice."""
        for spool in (self._segments, self._labels, self._repetitions, self.predictions):
            spool.close()

    def scan(self) -> None:
        """Look through the log once.

        Raises:
            DataError: it holds no sample.
        """
        end: int | None = None
        breaks = 0
        for entry in self._entries():
            if isinstance(entry, RecordedPrediction):
                self.predictions.append(self._judged(entry))
                continue
            if isinstance(entry, RecordedModel):
                self.models.change(entry)
                continue
            if isinstance(entry, AuxChunk):
                self.aux_samples[entry.stream] += len(entry.samples)
                continue
            lost = 0 if end is None else max(0, entry.index - end)
            restart = entry.restart and end is not None
            breaks += bool(lost or restart)
            self._first = entry.index if end is None else self._first
            end = entry.index + len(entry.samples)
            for part in self._parts(entry, lost, restart, breaks % (MAX_ID + 1)):
                self._segments.append(part)
            self._count(entry, lost, restart)
        if not self.samples:
            raise DataError(f"the recording {self.header.name} holds no sample")
        self.refined = refined_edges.read(self._root, self.header.name, self.samples)

    def _judged(self, entry: RecordedPrediction) -> tuple[Any, ...]:
        """Return a row of PREDICTION."""
        models = self.models
        prediction, decision = models.united(entry.prediction), models.united(entry.decision)
        return entry.sample_index, prediction, entry.confidence, decision, models.now

    def _place(self, index: int) -> int:
        """Return the place of a sample of the source, or where it would lie among those recorded."""
        place = 0
        for table in self._segments.pieces():
            before = table[table["index"] <= index]
            if not len(before):
                break
            last = before[-1]
            place = int(last["place"]) + min(index - int(last["index"]), int(last["count"]))
        return place

    def _parts(self, chunk: Chunk, lost: int, restart: bool, segment: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows of SEGMENT for a record, of up to ROWS samples each."""
        place = self.places + lost
        has = chunk.labels is not None, chunk.repetitions is not None
        for begin in range(0, len(chunk.samples), ROWS):
            count = min(ROWS, len(chunk.samples) - begin)
            yield chunk.index + begin, place + begin, lost, count, segment, restart, *has
            lost, restart = 0, False

    def _count(self, chunk: Chunk, lost: int, restart: bool) -> None:
        if chunk.labels is not None:
            known = (chunk.labels >= 0) & (chunk.labels < len(self.header.gesture_names))
            self._labels.append(np.where(known, chunk.labels, UNLABELLED))
        if chunk.repetitions is not None:
            self._repetitions.append(np.maximum(chunk.repetitions, 0))
        self.samples += len(chunk.samples)
        self.lost_samples += lost
        self.gaps += lost > 0
        self.restarts += restart

    def _tables(self) -> Iterator[Table]:
        """Yield the segments, cut where about ROWS samples are together."""
        for table in self._segments.pieces():
            number = np.cumsum(table["count"]) // ROWS
            yield from np.split(table, np.flatnonzero(np.diff(number)) + 1)

    def _columns(self, table: Table, own: Labels, repeated: Labels) -> Rows:
        counts = table["count"]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        index = np.repeat(table["index"], counts) + within
        label, repetition = own, repeated
        if self._prompts is not None:
            label, repetition = self._prompts.course.label_rows(index - self._first)
        return Rows(
            place=np.repeat(table["place"], counts) + within,
            sample_index=index,
            segment=np.repeat(table["segment"], counts),
            source_label=own,
            label=label,
            repetition=repetition,
        )


def _spread(table: Table, flag: str, spool: Spool, begin: int, absent: int) -> Labels:
    """Return a value for each sample of the table: those of `spool` from `begin` on where its record has them."""
    counts = table["count"]
    there = np.repeat(table[flag], counts)
    values: Labels = np.full(counts.sum(), absent, np.int16)
    values[there] = spool.read(begin, int(there.sum()))
    return values


@contextmanager
def opened(root: Path, name: str) -> Iterator[Contents]:
    """Yield what a recording holds.

    Raises:
        DataError: there is no such recording, or it holds no sample.
        OSError: there is no room to put its columns aside.
    """
    held = Contents(root, folders.read_header(root, name))
    try:
        held.scan()
        yield held
    finally:
        held.close()
