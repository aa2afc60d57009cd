"""What LibEMG's screen-guided training writes: a file for each repetition and class, which only its name tells."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.choose import Chooser
from app.emg.files.table.labels import of_numbers, rest_of
from app.emg.files.table.layout import FixedLabel, Layout, says_none
from app.emg.files.table.lines import encoding_of
from app.emg.files.table.rows import Rows
from app.emg.files.text.csv_text import open_table
from app.emg.files.text.labelled_names import NamedLabel, from_name

NAME = "LibEMG"

# As its training numbers the pictures it brings along; its documentation has the first two the other way round.
CLASSES = ("fist", "open_hand", "rest", "extension", "flexion")
REST = 2
MYO_CHANNELS, MYO_HZ = 8, 200.0
_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?:R_\d{1,3}_C_\d{1,3}|C_\d{1,3}_R_\d{1,3})(?![0-9]).*\.(csv|txt)", re.IGNORECASE
)


def is_named_so(path: Path) -> bool:
    """Return whether a file is called as LibEMG calls those of EMG."""
    return bool(_NAME.search(path.name)) and "IMU" not in path.stem.upper()


def matches(head: FileHead) -> bool:
    """Return whether it is text, and called as LibEMG calls its files: they hold nothing but numbers."""
    return is_named_so(head.path) and not head.path.is_dir() and encoding_of(head.head) is not None


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds.

    Raises:
        DataError: as for any table; the rate is asked for where the channels are not a Myo's.
    """
    table = open_table(path)
    layout = replace(Chooser(table, hints).layout(NAME), perhaps_labels=())
    named = from_name(path)
    if named is not None and layout.label is None and not says_none(hints.label):
        layout = _labelled(table, layout, named, hints)
    if layout.clock is None and layout.rate_hz is None and hints.rate_hz is None and _is_myo(table, layout):
        layout = replace(
            layout,
            rate_hz=MYO_HZ,
            rate_said_by="its 8 channels of whole numbers from -128 to 127, a Myo armband's",
            assumed=(
                *layout.assumed,
                "8 channels of whole numbers from -128 to 127 are taken for a Myo armband's, which "
                "runs at 200 Hz; --rate overrides",
            ),
        )
    return assemble(table, layout, hints)


def _labelled(table: Table, layout: Layout, named: NamedLabel, hints: ImportHints) -> Layout:
    assert named.number is not None
    known = hints.gesture_names or (CLASSES if named.number < len(CLASSES) and hints.rest is None else None)
    if known is not None and hints.gesture_names is None:
        names, rest = known, CLASSES[REST]
        assumed = [
            "classes are LibEMG's own "
            f"({', '.join(f'{k} {name}' for k, name in enumerate(CLASSES))}); --gestures names others, counted from 0"
        ]
    else:
        labels = of_numbers(table.file, [float(named.number)], hints, rest=REST)
        names, rest, assumed = labels.gesture_names, labels.rest or rest_of(labels.gesture_names) or "", []
        if hints.gesture_names is None and hints.rest is None:
            assumed = [
                "class 2 is taken as rest, as in LibEMG's own training; --rest N says which is, --gestures names them"
            ]
    fixed = FixedLabel(
        gesture_names=names, gesture=named.number, repetition=named.repetition, rest=rest or None
    )
    found = (
        f"the file's name says class {named.number} ({names[named.number]}), repetition {named.repetition}"
    )
    return replace(layout, fixed=fixed, found=(*layout.found, found), assumed=(*layout.assumed, *assumed))


def _is_myo(table: Table, layout: Layout) -> bool:
    block = next(iter(Rows(table.text, table.dialect).blocks()), None)
    if block is None or len(layout.emg) != MYO_CHANNELS:
        return False
    values = block.numbers[:, list(layout.emg)]
    return bool((values == np.rint(values)).all() and values.min() >= -128 and values.max() <= 127)
