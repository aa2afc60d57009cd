"""Models that clients bring: kept aside until they are proven, and then put in their place whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from app import private_files
from app.errors import ArtefactError, BusyError, DataError, NotReadyError, OverloadedError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.verification.child import Proof, Trial
from app.serving.models.shelf import READ_ONLY, ModelShelf
from app.serving.process.offload import BlockingWorker

MOST_UNDERWAY = 2  # in this worker: one is tried, and the next comes in meanwhile
PREFIX = ".upload-"  # nothing that a model may be called

Used = Callable[[str], str | None]  # why a model of that name may not change; None where it may


class ModelUploads:
    """Takes models in, one at a time."""

    def __init__(self, shelf: ModelShelf, used: Used) -> None:
        self._shelf, self._used = shelf, used
        self._turn, self._trial = BlockingWorker(), Trial()
        self._underway = 0

    @contextmanager
    def receiving(self) -> Iterator[Arriving]:
        """Yield where the zip of one model is put; whatever is not kept is deleted in the end.

        Raises:
            OverloadedError: as many come in, or are tried, as may.
            NotReadyError: the disk does not take it.
        """
        if self._underway >= MOST_UNDERWAY:
            raise OverloadedError(f"{MOST_UNDERWAY} models are coming in, as many as may; ask again")
        self._underway += 1
        held = ExitStack()
        try:
            folder = self._shelf.do(lambda: held.enter_context(_aside(self._shelf.folder)))
            file: IO[bytes] = self._shelf.do(lambda: held.enter_context((folder / "model.zip").open("xb")))
            yield Arriving(folder, file, self)
        except OSError as error:
            raise NotReadyError(f"the model cannot be kept: {error.strerror or error}") from None
        finally:
            self._underway -= 1
            self._shelf.do(lambda: _closed(held))

    def write(self, file: IO[bytes], piece: bytes) -> None:
        """Write on the disk's thread.

        Raises:
            OSError: the disk does not take it.
        """
        self._shelf.do(lambda: file.write(piece))

    def keep(self, folder: Path, file: IO[bytes], replacing: bool) -> tuple[Artefact, Proof]:
        """Try what has come, and put it in its place.

        Raises:
            DataError: it is no model, or not what it says.
            BusyError: there is one of that name, and it is in use or not to be replaced.
            NotReadyError: the disk does not take it.
        """
        self._shelf.do(file.close)
        try:
            proof = self._turn.do(lambda: self._trial.run(folder / "model.zip"))
            model = self._shelf.do(lambda: artefact.load(proof.folder))
        except ArtefactError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from None
        name = model.manifest.name
        self._expect_free(name, replacing)
        try:
            return self._shelf.install(model, replacing), proof
        except ArtefactError as error:  # another has just written it
            raise BusyError(str(error)) from None

    def close(self) -> None:
        """End what is tried; nothing is left of it. Safe to call twice."""
        self._trial.end()
        self._turn.close()

    def _expect_free(self, name: str, replacing: bool) -> None:
        there = next((entry for entry in self._shelf.entries() if entry.name == name), None)
        if there and there.read_only:
            raise BusyError(f"the model {name} is not replaced: {READ_ONLY}")
        if there and not replacing:
            raise BusyError(f"there is a model {name} already; replace=true takes its place")
        if there and (why := self._used(name)):
            raise BusyError(f"the model {name} is not replaced: {why}")


class Arriving:
    """The zip of one model; made by `ModelUploads.receiving`."""

    def __init__(self, folder: Path, file: IO[bytes], uploads: ModelUploads) -> None:
        self._folder, self._file, self._uploads = folder, file, uploads
        self._digest = hashlib.sha256()
        self.size = 0  # bytes

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            OSError: the disk does not take them.
        """
        self._digest.update(piece)
        self.size += len(piece)
        self._uploads.write(self._file, piece)

    def keep(self, *, replacing: bool, sha256: str | None) -> tuple[Artefact, Proof]:
        """Return the model that the zip has become, and how it is known that it is what it says.

        Raises:
            DataError: it is no model, not what it says, or its bytes have another sha256 than they should.
            BusyError: there is one of that name, and it is in use or not to be replaced.
            NotReadyError: the disk does not take it.
        """
        came = self._digest.hexdigest()
        if sha256 is not None and sha256 != came:
            raise DataError(
                f"the body's sha256 is {came}, not {sha256}: it was damaged on its way, or is another"
            )
        return self._uploads.keep(self._folder, self._file, replacing)


@contextmanager
def _aside(models: Path) -> Iterator[Path]:
    """Yield a new folder that only this user may enter; its lock says that somebody writes there."""
    private_files.make_folder(models)
    _clear(models)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=models))  # 0700
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _clear(models: Path) -> None:
    """Delete what a process that was killed has left."""
    for folder in models.glob(f"{PREFIX}*"):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _closed(held: ExitStack) -> None:
    with suppress(OSError):  # what the full disk did not take is deleted with the rest
        held.close()
