"""The files of a model's folder: read and written, checked by their sha256, and no further than the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from app import private_files
from app.errors import ArtefactError
from app.inference import folder_swap
from app.inference.manifest import is_file_name, is_name, shown

Weights = Mapping[str, npt.NDArray[Any]]

MANIFEST = "manifest.json"
MAX_FILE_BYTES = 1 << 28  # 256 MiB: bounds the time to hash what a folder holds
MAX_HEADER_BYTES = 1 << 20  # safetensors itself would parse 100 MB of JSON
CURE = "Restore the folder, or make it again with `flask --app wsgi model train`"


def weights_bytes(weights: Weights) -> bytes:
    """Return the tensors as the content of a safetensors file."""
    contiguous = {name: np.asarray(array, order="C") for name, array in weights.items()}
    return bytes(safetensors.numpy.save(contiguous))


def is_folder(path: Path) -> bool:
    """Return whether there is a folder of that name."""
    try:
        return path.is_dir()
    except OSError:  # a name longer than the file system takes
        return False


def is_artefact(folder: Path) -> bool:
    """Return whether the folder holds a manifest; it is not opened."""
    try:
        return (folder / MANIFEST).is_file()
    except OSError:  # a name longer than the file system takes
        return False


def read(path: Path, limit: int) -> bytes:
    """Return what a file holds.

    Raises:
        ArtefactError: it is missing, no file, larger than `limit` bytes, or cannot be read.
    """
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


def verify(folder: Path, name: str, digest: str) -> None:
    """See that a file of the folder is the one that the manifest names.

    Raises:
        ArtefactError: it is another, or leads out of the folder.
    """
    path = folder / name
    if not is_inside(path, folder):
        raise ArtefactError(f"{path} leads out of the folder. {CURE}")
    if hashlib.sha256(read(path, MAX_FILE_BYTES)).hexdigest() != digest:
        raise ArtefactError(f"{path} is not the file that {MANIFEST} names (sha256 differs). {CURE}")


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path leads to something in the folder."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def tensors(content: bytes, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file.

    Raises:
        ArtefactError: it is cut short or damaged.
    """
    header = int.from_bytes(content[:8], "little")
    if len(content) < 8 or header > min(MAX_HEADER_BYTES, len(content) - 8):
        raise ArtefactError(f"{path} is cut short or no safetensors file. {CURE}")
    try:
        json.loads(content[8 : 8 + header])  # refused here if nested: the parser below is not ours
        return dict(safetensors.numpy.load(content))
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtefactError(f"{path} is damaged: {shown(str(error))}. {CURE}") from None


def expect_replaceable(folder: Path) -> None:
    """Refuse all but nothing, and an artefact."""
    if not is_name(folder.name):
        raise ArtefactError(
            f"a model's folder is named with letters, digits, '.', '_', '-', got {shown(folder.name)}"
        )
    folder_swap.settle(folder)
    if folder.is_symlink() or (folder.exists() and not is_artefact(folder)):
        raise ArtefactError(
            f"{folder} exists and is not a model's folder; choose another name or move it away"
        )


def expect_nothing(folder: Path) -> None:
    """Refuse a place where something is."""
    if folder.exists():
        raise ArtefactError(f"{folder} exists; choose another name")


def write(folder: Path, name: str, content: bytes | Path) -> str:
    """Write a file of an artefact, for its owner alone; return its sha256.

    Raises:
        ArtefactError: the name is none for a file.
    """
    if not is_file_name(name):
        raise ArtefactError(f"{shown(name)} cannot be a file of an artefact")
    data = content if isinstance(content, bytes) else read(content, MAX_FILE_BYTES)
    private_files.write(folder / name, data)
    return hashlib.sha256(data).hexdigest()


def let_read(new: Path, folder: Path) -> None:
    """Let whoever could read the folder that was there read the new one; else the owner alone."""
    if not folder.exists():
        return
    mode = folder.stat().st_mode & 0o777
    for path in (new, *new.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)
