"""Which models there are. Read anew only where a file has changed: to hash a model of 10 MB takes 20 ms."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from app.errors import ArtefactError, BusyError, ModelNameError, NotReadyError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.manifest import is_name
from app.inference.verification.archive import pack
from app.serving.process.offload import BlockingWorker

log = logging.getLogger(__name__)

READ_ONLY = "it came with the server; one of its name in EMG_INSTANCE would take its place"

T = TypeVar("T")
Signature = tuple[tuple[str, int, int, int], ...]  # of each file: name, inode, size, time of change


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A model's folder. `artefact` is None where it is damaged, for the reason that `damage` says."""

    name: str
    artefact: Artefact | None
    damage: str | None
    size: int  # bytes
    read_only: bool = False  # it came with the code, and lies outside of what is written


class ModelShelf:
    """The models of one or two folders; of two of one name, that of the first counts.

    The first is written, the others are only read. All that asks the disk runs on a native thread, so that no stream
    waits.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders, self.folder = folders, folders[0]
        self._disk = BlockingWorker()
        self.lent: Callable[[str], Artefact] | None = None  # gives what another machine has, or raises
        self._known: dict[str, tuple[Signature, Entry]] = {}

    def entries(self) -> list[Entry]:
        """Return all models, by name.

        Raises:
            NotReadyError: the folder cannot be read.
        """
        return self._do(self._entries, "the models cannot be read")

    def find(self, name: str) -> Entry:
        """Return that model.

        Raises:
            ModelNameError: there is none.
            NotReadyError: the folder cannot be read.
        """
        return self._do(lambda: self._find(name), "the model cannot be read")

    def sound(self, name: str) -> Artefact:
        """Return that model's artefact; one that another machine has is borrowed, and in no list here.

        Raises:
            ModelNameError: there is none.
            NotReadyError: it is damaged, or cannot be read.
        """
        try:
            entry = self.find(name)
        except ModelNameError:
            if self.lent is None or not is_name(name):
                raise
            return self.lent(name)
        if entry.artefact is None:
            raise NotReadyError(f"the model {name} is damaged: {entry.damage}")
        return entry.artefact

    def archive(self, model: Artefact) -> tuple[BinaryIO, int]:
        """Return a zip of a model, and its size in bytes; the file has no name, and goes when it is closed.

        Raises:
            NotReadyError: the disk does not take it.
        """
        return self._do(lambda: self._pack(model), "the archive cannot be made")

    def install(self, model: Artefact, replacing: bool) -> Artefact:
        """Put a copy of a proven artefact in its place, whole or not at all.

        Raises:
            ArtefactError: something is there that is not to be replaced.
            NotReadyError: the disk does not take it.
        """
        target = self.folder / model.manifest.name
        return self._do(
            lambda: artefact.install(model, target, replacing=replacing), "the model cannot be kept"
        )

    def remove(self, name: str) -> None:
        """Delete that model for good, whole or damaged.

        Raises:
            ModelNameError: there is none.
            BusyError: it came with the code, and is only read.
            NotReadyError: the disk does not let it go.
        """

        def delete() -> None:
            if self._find(name).read_only:
                raise BusyError(f"the model {name} is not deleted: {READ_ONLY}")
            try:
                artefact.remove(self.folder / name)
            except FileNotFoundError:
                raise ModelNameError(_none(name)) from None
            except ArtefactError as error:
                raise NotReadyError(str(error)) from None

        self._do(delete, "the model cannot be deleted")

    def do(self, job: Callable[[], T]) -> T:
        """Return what `job` returns or raises, done on this shelf's thread."""
        return self._disk.do(job)

    def close(self) -> None:
        """Safe to call twice."""
        self._disk.close()

    def _do(self, job: Callable[[], T], trouble: str) -> T:
        try:
            return self._disk.do(job)
        except OSError as error:
            raise NotReadyError(f"{trouble}: {error.strerror or error}") from None

    def _entries(self) -> list[Entry]:
        names = artefact.list_artefacts(self.folders)
        self._known = {name: known for name, known in self._known.items() if name in names}
        found = []
        for name in names:
            try:
                found.append(self._entry(name))
            except FileNotFoundError:  # deleted since
                continue
        return found

    def _find(self, name: str) -> Entry:
        if not is_name(name):
            raise ModelNameError(_none(name))
        try:
            return self._entry(name)
        except FileNotFoundError:
            raise ModelNameError(_none(name)) from None

    def _entry(self, name: str) -> Entry:
        folder = artefact.place(name, self.folders)
        if folder is None:
            raise FileNotFoundError(name)
        signature = _signature(folder)
        known = self._known.get(name)
        if known is not None and known[0] == signature:
            return known[1]
        size, read_only = sum(one[2] for one in signature), folder.parent != self.folder
        try:
            entry = Entry(name, artefact.load(folder), None, size, read_only)
        except ArtefactError as error:
            entry = Entry(name, None, str(error), size, read_only)
            log.warning("the model %s is damaged: %s", name, error)
        self._known[name] = signature, entry
        return entry

    def _pack(self, model: Artefact) -> tuple[BinaryIO, int]:
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  whoever reads it closes it
        try:
            pack(model, file)
            size = file.tell()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file, size


def _none(name: str) -> str:
    return f"no model {name[:64]!r}; GET /models has those there are"


def _signature(folder: Path) -> Signature:
    found = []
    for path in sorted(folder.rglob("*")):
        told = path.lstat()
        found.append((str(path.relative_to(folder)), told.st_ino, told.st_size, told.st_mtime_ns))
    return tuple(found)
