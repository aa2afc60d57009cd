"""CSV and other text of any kind: columns of numbers, with or without names above them."""

from __future__ import annotations

from pathlib import Path

from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.table.assemble import Table, assemble
from app.emg.files.table.choose import Chooser
from app.emg.files.table.dialect import find_dialect
from app.emg.files.table.lines import encoding_of, open_text
from app.emg.files.text.labelled_names import with_name

NAME = "text table"


def matches(head: FileHead) -> bool:
    """Return whether it is text: what it lacks to be a table, `read` says."""
    return bool(head.head.strip()) and not head.path.is_dir() and encoding_of(head.head) is not None


def open_table(path: Path) -> Table:
    """Return the file and how it writes its table.

    Raises:
        DataError: it is no text, or holds no table of numbers.
    """
    text = open_text(path)
    lines, whole = text.sample()
    return Table(text, find_dialect(path.name, lines, whole))


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Look through the file once and return what it holds."""
    table = open_table(path)
    layout = Chooser(table, hints).layout(NAME)
    return assemble(table, with_name(layout, path, hints), hints)
