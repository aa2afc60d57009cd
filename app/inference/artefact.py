"""A model's folder: `<models>/<name>/manifest.json` and the files it vouches for. No pickles, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from app import private_files
from app.errors import ArtefactError
from app.inference import folder_swap
from app.inference.manifest import FOREIGN, Manifest, Parent, is_file_name, is_name, shown
from app.inference.manifest_json import MAX_BYTES, encode, parse

Weights = Mapping[str, npt.NDArray[Any]]
ModelFolders = Path | Sequence[Path]  # a name is looked for in the first, then in the next

__all__ = [
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

MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
NEEDED = {FOREIGN: ("model.onnx", "golden.npz")}  # files, by architecture; of any other the weights
CARD = "README.md"  # prose about the model; the manifest does not vouch for it
MAX_FILE_BYTES = 1 << 28  # 256 MiB: bounds the time to hash what a folder holds
MAX_HEADER_BYTES = 1 << 20  # safetensors itself would parse 100 MB of JSON
CURE = "Restore the folder, or make it again with `flask --app wsgi model train`"


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
        return _tensors(_read(path, MAX_FILE_BYTES), path)


def load(path: Path | str) -> Artefact:
    """Open a model's folder, checking every field and every file against its sha256.

    Raises:
        ArtefactError: something is missing, damaged or changed; the line names the file and the cure.
    """
    folder_swap.settle(Path(path))
    return _opened(Path(path))


def _opened(folder: Path) -> Artefact:
    text = _read(folder / MANIFEST, MAX_BYTES)
    try:
        manifest = parse(text)
    except ArtefactError as error:
        raise ArtefactError(f"{folder / MANIFEST}: {error}. {CURE}") from None
    for name in NEEDED.get(manifest.architecture, (WEIGHTS,)):
        if name not in manifest.files:
            raise ArtefactError(f"{folder / MANIFEST}: files does not name {name}. {CURE}")
    for name, digest in manifest.files.items():
        _verify(folder, name, digest)
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
        if _is_artefact(Path(text)):
            return load(text)
    there = "; ".join(f"{one} has {', '.join(sorted(_names(one))) or 'no model'}" for one in _each(folders))
    seen = f"{text} holds no {MANIFEST}; " if text.isprintable() and _is_folder(Path(text)) else ""
    raise ArtefactError(f"no model {shown(text)}: {seen}{there}; a path to a folder works too")


def place(name: str, folders: ModelFolders) -> Path | None:
    """Return where the model of that name lies, in the first of `folders` that has it; None: in none."""
    for folder in _each(folders):
        folder_swap.settle(folder / name)
        if _is_artefact(folder / name):
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
    return tuple(entry.name for entry in folder.iterdir() if is_name(entry.name) and _is_artefact(entry))


def expect_free(path: Path | str) -> None:
    """Refuse a place where something is: what is there may be years of somebody's work.

    Raises:
        ArtefactError: there is something, or the name is none for a model.
    """
    folder = Path(path)
    _expect_replaceable(folder)
    _expect_nothing(folder)


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
    (_expect_replaceable if replacing else expect_free)(folder)
    for name in NEEDED.get(manifest.architecture, (WEIGHTS,)):
        if name not in files:
            raise ArtefactError(f"{folder} cannot be written without {name}")
    try:
        with folder_swap.replaced(folder) as new:
            if not replacing:
                _expect_nothing(folder)  # once more: until here another could have written it
            _fill(new, manifest, files, card)
            _let_read(new, folder)
            _opened(new)  # what we could not read back is not put in place
    except OSError as error:  # a full disk, a folder of somebody else
        raise ArtefactError(f"{folder} cannot be written: {error.strerror or error}") from None
    return load(folder)


def _fill(new: Path, manifest: Manifest, files: Mapping[str, bytes | Path], card: bytes | None) -> None:
    digests = {name: _write(new, name, content) for name, content in files.items()}
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
    (_expect_replaceable if replacing else expect_free)(folder)
    card = source.path / CARD
    with folder_swap.replaced(folder) as new:
        if not replacing:
            _expect_nothing(folder)
        for name in (*source.manifest.files, MANIFEST):
            private_files.write(new / name, _read(source.path / name, MAX_FILE_BYTES))
        if card.is_file() and not card.is_symlink():
            private_files.write(new / CARD, _read(card, MAX_FILE_BYTES))
        _let_read(new, folder)
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
    _expect_replaceable(path)
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


def weights_bytes(weights: Weights) -> bytes:
    """Return the tensors as the content of a safetensors file."""
    contiguous = {name: np.asarray(array, order="C") for name, array in weights.items()}
    return bytes(safetensors.numpy.save(contiguous))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name longer than the file system takes
        return False


def _is_artefact(folder: Path) -> bool:
    try:
        return (folder / MANIFEST).is_file()
    except OSError:  # a name longer than the file system takes
        return False


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():  # a device or a pipe could keep us waiting
            raise ArtefactError(f"{path} {'is not a file' if path.exists() else 'is missing'}. {CURE}")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}. {CURE}") from None
    if len(content) > limit:
        raise ArtefactError(f"{path} is larger than {limit} bytes. {CURE}")
    return content


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not _is_inside(path, folder):
        raise ArtefactError(f"{path} leads out of the folder. {CURE}")
    if hashlib.sha256(_read(path, MAX_FILE_BYTES)).hexdigest() != digest:
        raise ArtefactError(f"{path} is not the file that {MANIFEST} names (sha256 differs). {CURE}")


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _tensors(content: bytes, path: Path) -> dict[str, npt.NDArray[Any]]:
    header = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header > min(MAX_HEADER_BYTES, len(content) - 8):
        raise ArtefactError(f"{path} is cut short or no safetensors file. {CURE}")
    try:
        json.loads(content[8 : 8 + header])  # refused here if nested: the parser below is not ours
        return dict(safetensors.numpy.load(content))
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtefactError(f"{path} is damaged: {shown(str(error))}. {CURE}") from None


def _expect_replaceable(folder: Path) -> None:
    """Refuse all but nothing, and an artefact."""
    if not is_name(folder.name):
        raise ArtefactError(
            f"a model's folder is named with letters, digits, '.', '_', '-', got {shown(folder.name)}"
        )
    folder_swap.settle(folder)
    if folder.is_symlink() or (folder.exists() and not _is_artefact(folder)):
        raise ArtefactError(
            f"{folder} exists and is not a model's folder; choose another name or move it away"
        )


def _expect_nothing(folder: Path) -> None:
    if folder.exists():
        raise ArtefactError(f"{folder} exists; choose another name")


def _write(folder: Path, name: str, content: bytes | Path) -> str:
    if not is_file_name(name):
        raise ArtefactError(f"{shown(name)} cannot be a file of an artefact")
    data = content if isinstance(content, bytes) else _read(content, MAX_FILE_BYTES)
    private_files.write(folder / name, data)
    return hashlib.sha256(data).hexdigest()


def _let_read(new: Path, folder: Path) -> None:
    """Let whoever could read the folder that was there read the new one; else the owner alone."""
    if not folder.exists():
        return
    mode = folder.stat().st_mode & 0o777
    for path in (new, *new.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)
