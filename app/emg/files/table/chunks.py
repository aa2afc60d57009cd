"""The samples of a table that was looked through, as chunks: with gaps, labels and what comes beside EMG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.table.held_aux import Held
from app.emg.files.table.labels import LabelNames
from app.emg.files.table.layout import Layout, picked
from app.emg.files.table.numbering import Numbered
from app.emg.files.table.survey import Survey
from app.emg.source import Chunk, Labels

PIECE = 2**13  # rows of a chunk at most
MOST_REPETITION = int(np.iinfo(np.int16).max)

Table32 = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AuxPlace:
    """Where an auxiliary stream lies among the samples: a value a row, or `rows` on an axis of their own."""

    stream: AuxStream
    columns: tuple[int, ...]
    rows: int | None  # of an axis of their own; None: beside the EMG's
    begins_at: float  # EMG samples after the first; of an axis of their own
    sparse: bool  # only some rows have a value
    held: Held | None = None  # each value stands in some rows


class _OwnAxis:
    """Hands out the rows of a stream with an axis of its own as the EMG reaches them."""

    def __init__(self, survey: Survey, number: int, place: AuxPlace, emg_rate: float) -> None:
        self._survey, self._number, self._place = survey, number, place
        self._ratio = emg_rate / place.stream.sampling_rate
        self._next = 0

    def until(self, index: float) -> Iterator[AuxChunk]:
        rows = self._place.rows or 0
        end = min(int(np.ceil((index - self._place.begins_at) / self._ratio)), rows)
        while self._next < end:
            samples = self._survey.samples.read(self._next, min(end - self._next, PIECE))[
                :, list(self._place.columns)
            ]
            at = self._place.begins_at + self._next * self._ratio
            yield AuxChunk(stream=self._number, at=at, samples=np.ascontiguousarray(samples))
            self._next += len(samples)


class Chunks:
    """Reads the samples as often as wanted, a piece at a time."""

    def __init__(
        self,
        survey: Survey,
        numbered: Numbered,
        layout: Layout,
        labels: LabelNames | None,
        aux: tuple[AuxPlace, ...],
        rate: float,
        held_share: float | None,
    ) -> None:
        self._survey, self._numbered, self._layout, self._labels = survey, numbered, layout, labels
        self._aux, self._rate, self._held_share = aux, rate, held_share
        self._emg = picked(survey.places(layout.emg))
        self._all_known = all(survey.notes[column].known == survey.rows for column in layout.emg)
        self._offsets = np.array(layout.offsets or [0.0], np.float32)
        self._restarts = np.array(numbered.restarts, np.int64)

    def read(self) -> Iterator[Chunk]:
        """Yield all samples in order. A sample of which a channel is no number is lost."""
        own = [
            _OwnAxis(self._survey, k, place, self._rate)
            for k, place in enumerate(self._aux)
            if place.rows is not None
        ]
        numbers: dict[int, int] = {}  # of the last value that was handed out of each stream that is held
        held = None if self._held_share is None else _Held(self._held_share)
        restart, first = False, True
        for begin in range(0, self._survey.rows, PIECE):
            rows = self._survey.samples.read(begin, PIECE)
            index = self._numbered.index.read(begin, PIECE)[:, 0]
            begun = np.zeros(len(rows), np.bool_)
            begun[
                self._restarts[(self._restarts >= begin) & (self._restarts < begin + len(rows))] - begin
            ] = True
            emg = rows[:, self._emg]
            keep = np.ones(len(rows), np.bool_) if self._all_known else np.isfinite(emg).all(axis=1)
            if held is not None:
                changed, index = held.thinned(emg, index)
                keep &= changed
            begun, restart = _carried(begun, keep, restart)
            if not keep.all():
                rows, emg, index = rows[keep], emg[keep], index[keep]
            for part in _parts(index, begun):
                next_index = int(index[part.stop - 1]) + 1
                beside = tuple(one for stream in own for one in stream.until(next_index))
                yield self._chunk(
                    rows[part],
                    emg[part],
                    index[part],
                    bool(begun[part.start]) and not first,
                    (*self._beside(rows[part], index[part], numbers), *beside),
                )
                first = False

    def _chunk(
        self, rows: Table32, emg: Table32, index: Whole, restart: bool, beside: tuple[AuxChunk, ...]
    ) -> Chunk:
        scaled = (emg - self._offsets) * np.float32(self._layout.scale) if self._is_scaled else emg
        labels, repetitions = self._labelled(rows)
        return Chunk(
            index=int(index[0]),
            samples=np.ascontiguousarray(scaled, np.float32),
            labels=labels,
            restart=restart,
            repetitions=repetitions,
            aux=beside,
        )

    @property
    def _is_scaled(self) -> bool:
        return bool(self._layout.offsets) or self._layout.scale != 1.0

    def _labelled(self, rows: Table32) -> tuple[Labels | None, Labels | None]:
        fixed = self._layout.fixed
        if fixed is not None:
            return np.full(len(rows), fixed.gesture, np.int16), np.full(len(rows), fixed.repetition, np.int16)
        if self._labels is None or self._layout.label is None:
            return None, None
        labels = self._labels.of(rows[:, self._survey.places((self._layout.label,))[0]])
        if self._layout.repetition is None:
            return labels, None
        column = rows[:, self._survey.places((self._layout.repetition,))[0]]
        known = np.where(np.isfinite(column), column, 0)
        return labels, np.clip(known, 0, MOST_REPETITION).astype(np.int16)

    def _beside(self, rows: Table32, index: Whole, numbers: dict[int, int]) -> Iterator[AuxChunk]:
        for number, place in enumerate(self._aux):
            if place.rows is not None:
                continue
            values = rows[:, list(place.columns)]
            at = index
            if place.held is not None:
                found = place.held.numbers(index)
                new = np.diff(found, prepend=numbers.get(number, int(found[0]) - 1)) > 0
                values, at = values[new], place.held.phase + found[new] * place.held.rows
                numbers[number] = int(found[-1])
            if place.sparse:
                there = np.isfinite(values).any(axis=1)
                values, at = values[there], index[there]
            if len(values):
                yield AuxChunk(stream=number, at=float(at[0]), samples=np.ascontiguousarray(values))


class _Held:
    """Keeps of repeated rows the first of each, and counts only those."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._last: Table32 | None = None
        self._kept, self._row = 0, 0

    def thinned(self, emg: Table32, index: Whole) -> tuple[Flags, Whole]:
        """Return which rows are new, and the places of all: new rows are counted, holes shrink with them."""
        changed = np.ones(len(emg), np.bool_)
        changed[1:] = (emg[1:] != emg[:-1]).any(axis=1)
        if self._last is not None:
            changed[0] = bool((emg[0] != self._last).any())
        self._last = emg[-1].copy()
        missing = np.rint((index - self._row - np.arange(len(emg))) * self._share).astype(np.int64)
        places = self._kept + np.cumsum(changed) - 1 + missing
        self._kept, self._row = self._kept + int(changed.sum()), self._row + len(emg)
        return changed, places


def _carried(begun: Flags, keep: Flags, before: bool) -> tuple[Flags, bool]:
    """Return which kept rows begin another recording, where the row that began it may be lost; and what goes on."""
    if not before and not begun.any():
        return begun[keep], False
    turns = np.cumsum(begun) + int(before)
    kept = turns[keep]
    first = np.diff(kept, prepend=0) > 0
    return first, bool(turns[-1] > (kept[-1] if len(kept) else 0))


def _parts(index: Whole, begun: Flags) -> Iterator[slice]:
    """Yield the parts in which rows follow one another."""
    if not len(index):
        return
    breaks = np.flatnonzero((np.diff(index) != 1) | begun[1:]) + 1
    edges = [0, *breaks.tolist(), len(index)]
    for k in range(len(edges) - 1):
        yield slice(edges[k], edges[k + 1])
