"""The zip in which a model travels: made of a folder, and taken apart without trusting a byte of it."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from app import private_files
from app.errors import ArtefactError
from app.inference.artefact import CARD, MANIFEST, Artefact
from app.inference.manifest import MAX_FILES, is_file_name, shown

MOST_BYTES = 1 << 28  # of all files together, unpacked
PIECE_BYTES = 1 << 20
LATEST = (1980, 1, 1, 0, 0, 0)  # the same model is the same zip, whenever it is made
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def pack(model: Artefact, file: IO[bytes]) -> None:
    """Write a model's files, and its card, into a zip; the same bytes for the same model.

    Raises:
        OSError: a file cannot be read, or the zip not written.
    """
    names = [MANIFEST, *sorted(model.manifest.files)]
    if (model.path / CARD).is_file():
        names.append(CARD)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, LATEST)
            entry.external_attr = (stat.S_IFREG | private_files.FILE) << 16
            archive.writestr(entry, (model.path / name).read_bytes())


def unpack(path: Path, folder: Path) -> None:
    """Take a model's zip apart into a new folder.

    Raises:
        ArtefactError: it is damaged, or holds what no model has; says what, and what would be right.
        OSError: the disk does not take it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _expect_model(entries)
            _extract(archive, entries, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArtefactError(f"it is damaged or no zip: {shown(str(error))}") from None


def _expect_model(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES + 2:
        raise ArtefactError(f"the zip holds {len(entries)} files; a model has at most {MAX_FILES}")
    for entry in entries:
        _expect_plain(entry)
    names = [entry.filename for entry in entries]
    inner = [name for name in names if name != MANIFEST and name.rpartition("/")[2].lower() == MANIFEST]
    if inner and MANIFEST not in names:
        raise ArtefactError(
            f"{shown(inner[0])}: zip the files of the model's folder, not the folder: cd NAME && zip -r ../NAME.zip ."
        )
    if inner or len({name.lower() for name in names}) != len(names):
        twice = inner or [name for name in names if names.count(name) > 1] or ["a name in two spellings"]
        raise ArtefactError(
            f"the zip holds {shown(twice[0])} twice or another manifest; a model has one of each"
        )
    if MANIFEST not in names:
        raise ArtefactError(f"the zip holds no {MANIFEST}; it has {shown(names)}")


def _expect_plain(entry: zipfile.ZipInfo) -> None:
    """See that an entry is a file inside the folder, in a form that everybody reads."""
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    inside = name.rstrip("/") if entry.is_dir() else name
    if inside != MANIFEST and not is_file_name(inside):
        raise ArtefactError(f"{shown(name)} cannot be a file of a model")
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        raise ArtefactError(f"{shown(name)} is a link or a device; a model has files only")
    if entry.flag_bits & 0x1:
        raise ArtefactError(f"{shown(name)} is encrypted; send the zip without a password")
    if entry.compress_type not in _KNOWN_METHODS:
        raise ArtefactError(f"{shown(name)} is packed in a way that is not taken; use deflate, or none")


def _extract(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo], folder: Path) -> None:
    """What an entry says of its size is not believed: the bytes are counted."""
    left = MOST_BYTES
    for entry in entries:
        if entry.is_dir():
            continue
        target = folder / entry.filename
        private_files.make_folder(target.parent)
        with archive.open(entry) as source, open(target, "xb", opener=private_files.opener) as file:
            while piece := source.read(PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    raise ArtefactError(
                        f"the files of the zip are larger than {MOST_BYTES >> 20} MiB together"
                    )
                file.write(piece)
