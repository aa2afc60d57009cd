"""A model's folder: `<models>/<name>/manifest.json` and the files it vouches for. No pickles, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from app import private_files
from app.errors import ArtefactError
from app.inference import folder_swap
from app.inference.artefact_files import (
    CURE,
    MANIFEST,
    MAX_FILE_BYTES,
    expect_nothing,
    expect_replaceable,
    is_artefact,
    is_folder,
    let_read,
    read,
    tensors,
    verify,
    weights_bytes,
    write,
)
from app.inference.manifest import FOREIGN, Manifest, Parent, is_name, shown
from app.inference.manifest_json import MAX_BYTES, encode, parse

ModelFolders = Path | Sequence[Path]  # a name is looked for in the first, then in the next

__all__ = [
    "CURE",
    "MANIFEST",
    "Artefact",
    "Manifest",
    "ModelFolders",
    "Parent",
    "expect_free",
    "find",
    "install",
    "list_artefacts",
    "load",
    "manifests",
    "place",
    "remove",
    "save",
    "save_child",
    "weights_bytes",
]

WEIGHTS = "weights.safetensors"
NEEDED = {FOREIGN: ("model.onnx", "golden.npz")}  # files, by architecture; of any other the weights
CARD = "README.md"  # prose about the model; the manifest does not vouch for it


@dataclass(frozen=True, slots=True, eq=False)
class Artefact:
    """A folder that matched its manifest when it was loaded."""

    path: Path
    manifest: Manifest
    sha256: str  # of manifest.json, which names the sha256 of every other file

    def file(self, name: str) -> Path:
        """Where one of the verified files is.

        Raises:
            ArtefactError: the manifest does not name it.
        """
        if name not in self.manifest.files:
            held = ", ".join(self.manifest.files)
            raise ArtefactError(f"{self.path} has no {shown(name)}; it has {held}")
        return self.path / name

    def weights(self, name: str = WEIGHTS) -> dict[str, npt.NDArray[Any]]:
        """Return the tensors of a safetensors file, by name.

        Raises:
            ArtefactError: the file is damaged.
        """
        path = self.file(name)
        return tensors(read(path, MAX_FILE_BYTES), path)


def load(path: Path | str) -> Artefact:
    """Open a model's folder, checking every field and every file against its sha256.

    Raises:
        ArtefactError: something is missing, damaged or changed; the line names the file and the cure.
    """
    folder_swap.settle(Path(path))
    return _opened(Path(path))


def _opened(folder: Path) -> Artefact:
    text = read(folder / MANIFEST, MAX_BYTES)
    try:
        manifest = parse(text)
    except ArtefactError as error:
        raise ArtefactError(f"{folder / MANIFEST}: {error}. {CURE}") from None
    for name in NEEDED.get(manifest.architecture, (WEIGHTS,)):
        if name not in manifest.files:
            raise ArtefactError(f"{folder / MANIFEST}: files does not name {name}. {CURE}")
    for name, digest in manifest.files.items():
        verify(folder, name, digest)
    return Artefact(folder, manifest, hashlib.sha256(text).hexdigest())


def find(name_or_path: Path | str, folders: ModelFolders) -> Artefact:
    """Open an artefact by its name in the first of `folders` that has it, or by the path of its folder.

    Raises:
        ArtefactError: there is none (the message lists those there), or it does not match its manifest.
    """
    text = str(name_or_path)
    here = place(text, folders) if is_name(text) else None
    if here is not None:
        return load(here)
    if text.isprintable():
        folder_swap.settle(Path(text))
        if is_artefact(Path(text)):
            return load(text)
    there = "; ".join(f"{one} has {', '.join(sorted(_names(one))) or 'no model'}" for one in _each(folders))
    seen = f"{text} holds no {MANIFEST}; " if text.isprintable() and is_folder(Path(text)) else ""
    raise ArtefactError(f"no model {shown(text)}: {seen}{there}; a path to a folder works too")


def place(name: str, folders: ModelFolders) -> Path | None:
    """Return where the model of that name lies, in the first of `folders` that has it; None: in none."""
    for folder in _each(folders):
        folder_swap.settle(folder / name)
        if is_artefact(folder / name):
            return folder / name
    return None


def list_artefacts(folders: ModelFolders) -> tuple[str, ...]:
    """Return the names of those that hold a manifest, sorted, each once; they are not opened."""
    return tuple(sorted({name for folder in _each(folders) for name in _names(folder)}))


def manifests(folders: ModelFolders) -> list[Manifest]:
    """Return what the models are; a damaged one is passed over."""
    found = []
    for name in list_artefacts(folders):
        folder = place(name, folders)
        with suppress(ArtefactError):
            found += [] if folder is None else [load(folder).manifest]
    return found


def _each(folders: ModelFolders) -> Sequence[Path]:
    return (folders,) if isinstance(folders, Path) else folders


def _names(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    for unsettled in folder_swap.unsettled(folder):
        folder_swap.settle(unsettled)
    return tuple(entry.name for entry in folder.iterdir() if is_name(entry.name) and is_artefact(entry))


def expect_free(path: Path | str) -> None:
    """Refuse a place where something is: what is there may be years of somebody's work.

    Raises:
        ArtefactError: there is something, or the name is none for a model.
    """
    folder = Path(path)
    expect_replaceable(folder)
    expect_nothing(folder)


def save(
    path: Path | str,
    manifest: Manifest,
    files: Mapping[str, bytes | Path],
    *,
    replacing: bool = False,
    card: bytes | None = None,
) -> Artefact:
    """Write a folder whole or not at all, also where the process dies half way. A new one is for its owner alone.

    Args:
        path: the folder.
        manifest: its `files` is ignored and computed.
        files: contents, or paths to copy from, by relative name; `weights.safetensors` is a must.
        replacing: take the place of the artefact that is there; without it, what is there is left alone.
        card: the README.md, which the manifest does not vouch for.

    Raises:
        ArtefactError: something is there that is not to be replaced, a file name leads out of the folder,
            weights are missing, or the disk does not take it.
    """
    folder = Path(path)
    (expect_replaceable if replacing else expect_free)(folder)
    for name in NEEDED.get(manifest.architecture, (WEIGHTS,)):
        if name not in files:
            raise ArtefactError(f"{folder} cannot be written without {name}")
    try:
        with folder_swap.replaced(folder) as new:
            if not replacing:
                expect_nothing(folder)  # once more: until here another could have written it
            _fill(new, manifest, files, card)
            let_read(new, folder)
            _opened(new)  # what we could not read back is not put in place
    except OSError as error:  # a full disk, a folder of somebody else
        raise ArtefactError(f"{folder} cannot be written: {error.strerror or error}") from None
    return load(folder)


def _fill(new: Path, manifest: Manifest, files: Mapping[str, bytes | Path], card: bytes | None) -> None:
    digests = {name: write(new, name, content) for name, content in files.items()}
    if card is not None:
        private_files.write(new / CARD, card)
    private_files.write(new / MANIFEST, encode(replace(manifest, files=digests)))


def install(source: Artefact, path: Path | str, *, replacing: bool = False) -> Artefact:
    """Put a copy of an artefact, byte for byte and so with the same sha256, in place whole or not at all.

    Raises:
        ArtefactError: something is there that is not to be replaced, or the source has changed meanwhile.
        OSError: the disk does not take it.
    """
    folder = Path(path)
    (expect_replaceable if replacing else expect_free)(folder)
    card = source.path / CARD
    with folder_swap.replaced(folder) as new:
        if not replacing:
            expect_nothing(folder)
        for name in (*source.manifest.files, MANIFEST):
            private_files.write(new / name, read(source.path / name, MAX_FILE_BYTES))
        if card.is_file() and not card.is_symlink():
            private_files.write(new / CARD, read(card, MAX_FILE_BYTES))
        let_read(new, folder)
        if _opened(new).sha256 != source.sha256:
            raise ArtefactError(f"{source.path} has changed while it was copied")
    return load(folder)


def remove(path: Path) -> None:
    """Delete an artefact for good.

    Raises:
        ArtefactError: what is there is not a model's folder.
        FileNotFoundError: nothing is there.
        OSError: it cannot be deleted.
    """
    expect_replaceable(path)
    folder_swap.removed(path)


def save_child(
    parent: Artefact,
    path: Path | str,
    files: Mapping[str, bytes | Path],
    keep: Collection[str] = (),
    *,
    replacing: bool = False,
    card: bytes | None = None,
    **changes: Any,
) -> Artefact:
    """Write an artefact made from another (calibrated to a person); the parent is not touched.

    Its manifest is the parent's with `changes`, and names the parent. Of the parent's files only those
    in `keep` are copied: an ONNX graph holds the parent's weights.
    """
    origin = Parent(parent.manifest.name, parent.sha256)
    kept = {name: parent.file(name) for name in keep}
    manifest = replace(parent.manifest, parent=origin, **changes)
    return save(path, manifest, {**kept, **files}, replacing=replacing, card=card)
