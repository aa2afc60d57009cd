"""Where a person really began and ended what they were asked for, kept beside the cues: `edges.json`.

A training finds it (app/learning/own/cues.py). What was recorded stays as it is, and the next training that learns from
the recording begins with its cues again and writes the file anew. All is counted in rows: recorded samples from the
first, lost ones not counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.recording import folder as folders
from app.emg.recording.folder import EDGES
from app.emg.recording.json_fields import list_of, read_object, text_of, whole_of
from app.emg.source import UNLABELLED, Labels
from app.errors import DataError

FORMAT = 1
MAX_BYTES = 2**21

Pair = tuple[int, int]
Edge = tuple[int, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedEdges:
    """What a training found of the cues of one recording."""

    model: str  # that it made
    sha256: str  # of that model's manifest
    edges: tuple[Edge, ...]  # row of the cue, and where it really was; None: nobody can tell
    left_out: tuple[Pair, ...]  # rows from, and to before, which nothing was learned

    def as_json(self) -> dict[str, Any]:
        """Return the object of the file."""
        return {
            "format": FORMAT,
            "model": self.model,
            "sha256": self.sha256,
            "edges": [list(edge) for edge in self.edges],
            "left_out": [list(span) for span in self.left_out],
        }


def refined_edges(values: dict[str, Any], rows: int) -> RefinedEdges:
    """Return what stands in the object of a file, of a recording with so many rows.

    Raises:
        ValueError: it does not fit; says what is wrong.
    """
    if whole_of(values, "format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    edges = tuple(_pair(one, rows, "edges") for one in list_of(values, "edges"))
    left_out = tuple(_pair(one, rows, "left_out") for one in list_of(values, "left_out"))
    cues = [cue for cue, _ in edges]
    if cues != sorted(set(cues)) or (cues and not 0 < cues[0] <= cues[-1] < rows):
        raise ValueError("edges must be in order, and between two samples")
    spans = [(begin, end) for begin, end in left_out if end is not None]
    if len(spans) < len(left_out):
        raise ValueError("what is left_out has an end")
    return RefinedEdges(
        model=text_of(values, "model"),
        sha256=text_of(values, "sha256"),
        edges=edges,
        left_out=tuple(spans),
    )


def _pair(value: Any, rows: int, name: str) -> Edge:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{name} must hold pairs")
    first, second = value
    for one in (first, second):
        if one is not None and (type(one) is not int or not 0 <= one <= rows):
            raise ValueError(f"{name} must hold rows from 0 to {rows}")
    if first is None:
        raise ValueError(f"{name} must begin at a row")
    return first, second


def write(root: Path, name: str, found: RefinedEdges) -> None:
    """Keep it beside the recording, in the place of what was there before.

    Raises:
        RecordingNameError: there is no such recording.
        OSError: the disk does not take it.
    """
    folders.write_beside(root, name, EDGES, json.dumps(found.as_json()).encode())


def read(root: Path, name: str, rows: int) -> RefinedEdges | None:
    """Return what is kept beside a recording with so many rows; None where nothing is, or where it does not fit."""
    if not os.path.lexists(root / name / EDGES):
        return None
    try:
        with folders.open_file(root, name, EDGES) as file:
            text = file.read(MAX_BYTES + 1)
        return refined_edges(read_object(text, MAX_BYTES), rows)
    except (ValueError, DataError):
        return None


class RefinedLabels:
    """Makes refined labels and repetitions of a recording's columns, piece by piece."""

    def __init__(self, found: RefinedEdges, pieces: Iterable[tuple[Labels, Labels]]) -> None:
        """`pieces` are label and repetition of all rows, in order."""
        at_cues = _at_cues(found.edges, pieces)
        self._patches = [
            (min(cue, at), max(cue, at), *at_cues[cue - 1 if at > cue else cue])
            for cue, at in found.edges
            if at is not None
        ]
        self._left_out = found.left_out

    def __call__(self, begin: int, label: Labels, repetition: Labels) -> tuple[Labels, Labels]:
        """Return label and repetition (n,) of the rows from `begin` on, as they really were."""
        label, repetition = label.copy(), repetition.copy()
        for first, end, true, number in self._patches:
            some = _within(first, end, begin, len(label))
            label[some], repetition[some] = true, number
        for first, end in self._left_out:
            label[_within(first, end, begin, len(label))] = UNLABELLED
        return label, repetition


def _within(first: int, end: int, begin: int, count: int) -> slice:
    return slice(min(max(0, first - begin), count), min(max(0, end - begin), count))


def _at_cues(edges: Sequence[Edge], pieces: Iterable[tuple[Labels, Labels]]) -> dict[int, Pair]:
    """Return label and repetition of the rows before and at each cue."""
    wanted = np.array(sorted({row for cue, _ in edges for row in (cue - 1, cue)}), np.int64)
    found: dict[int, Pair] = {}
    begin = 0
    for label, repetition in pieces:
        first, last = np.searchsorted(wanted, [begin, begin + len(label)])
        for row in wanted[first:last].tolist():
            found[row] = int(label[row - begin]), int(repetition[row - begin])
        begin += len(label)
    return found
