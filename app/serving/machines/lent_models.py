"""Models that a machine does not have are lent to it by another: file by file, each against its sha256.

A copy lies in `<instance>/borrowed`, is in no list, and goes when nobody has needed it for a while.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path

from app import private_files
from app.errors import ArtefactError, DataError, ModelNameError, MyostreamError, NotReadyError
from app.inference import artefact
from app.inference.artefact import CARD, MANIFEST, Artefact
from app.inference.artefact_files import is_artefact
from app.inference.manifest_json import parse
from app.serving.machines.machines import Machines, Reached
from app.serving.models.shelf import ModelShelf

log = logging.getLogger(__name__)

FILE, USES = "machines.model.file", "machines.model.uses"
PIECE = 1 << 18  # bytes of one answer
MOST_BYTES = 1 << 28  # of a model; as of one that is uploaded
KEPT_S = 60.0  # after it was last needed
_ENDED = 64  # bytes of the sha256 in front of each piece, as hexadecimal digits


class LentModels:
    """Lends what lies here, and borrows what does not. `uses`: why a model of that name is in use here, or None."""

    def __init__(
        self,
        folder: Path,
        shelf: ModelShelf,
        machines: Machines,
        uses: Callable[[str], str | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder, self._shelf, self._machines = folder, shelf, machines
        self._uses, self._wall = uses, wall
        self._lenders: dict[str, str] = {}  # by the copy's name, the key of the machine that lent it last
        self._lock = threading.Lock()  # one is fetched at a time
        machines.bus.serve(FILE, self._lend)
        machines.bus.serve(USES, self._say_use)
        shelf.lent = self.borrow

    def borrow(self, name: str) -> Artefact:
        """Return a copy of a model that another machine has: as it is there now, or as it was when that is gone.

        Raises:
            ModelNameError: no machine has one of that name, or it has been deleted.
            NotReadyError: the disk does not take it, or it comes damaged.
        """
        copy, without = self._copy(name), set()
        for other in self._machines.others():
            try:
                text, sha256 = self._whole(other, name, MANIFEST)
                if copy is None or copy.sha256 != sha256:
                    copy = self._fetched(other, name, text, sha256)
                self._lenders[name] = other.machine.key
                break
            except ModelNameError:
                without.add(other.machine.key)
            except (ArtefactError, DataError) as error:
                raise NotReadyError(
                    f"the model {name} that {other.machine.name} lends is damaged: {error}"
                ) from None
            except OSError as error:
                raise NotReadyError(f"the model {name} cannot be kept: {error.strerror or error}") from None
            except MyostreamError as error:
                log.warning("%s does not lend the model %s: %s", other.machine.name, name, error)
        if copy is None or self._lenders.get(name) in without:
            raise ModelNameError(f"no model {name[:64]!r} on any machine; GET /models has those there are")
        self._shelf.do(lambda: os.utime(copy.path))
        return copy

    def used_elsewhere(self, name: str) -> str | None:
        """Return why other machines need that model as it is; None where none does, or none answers."""
        for other in self._machines.others():
            try:
                why = json.loads(self._machines.ask(other, USES, name.encode()))
            except MyostreamError as error:
                log.warning(
                    "%s does not say whether it uses the model %s: %s", other.machine.name, name, error
                )
                continue
            if why is not None:
                return f"{other.machine.name} has borrowed it: {why}"
        return None

    def has(self, name: str) -> bool:
        """Whether it lies here, of this machine or borrowed."""
        with suppress(ModelNameError):
            return self._shelf.find(name).artefact is not None
        return self._copy(name) is not None

    def tidy(self, needed: Container[str]) -> None:
        """Delete the copies that nobody needs any more: `needed` are the names of those that somebody may."""
        self._shelf.do(lambda: self._tidy(needed))

    def _tidy(self, needed: Container[str]) -> None:
        for path in self.folder.glob("*"):
            try:
                if path.name in needed or self._uses(path.name):
                    os.utime(path)
                elif self._wall() - path.stat().st_mtime > KEPT_S:
                    shutil.rmtree(path)
            except OSError as error:  # another worker was quicker, or the disk does not let it go
                log.debug("the copy %s stays: %s", path, error)

    def _copy(self, name: str) -> Artefact | None:
        if not is_artefact(self.folder / name):
            return None
        try:
            return self._shelf.do(lambda: artefact.load(self.folder / name))
        except ArtefactError as error:
            log.warning("the copy of the model %s is damaged, and is borrowed again: %s", name, error)
            return None

    def _fetched(self, other: Reached, name: str, text: bytes, sha256: str) -> Artefact:
        """Return the model, in its place; others who want it meanwhile wait for that.

        Raises:
            ArtefactError: a file is not what the manifest says.
            OSError: the disk does not take it.
        """
        with self._lock:
            copy = self._copy(name)
            if copy is not None and copy.sha256 == sha256:
                return copy
            model = self._taken_over(other, name, text, sha256)
        log.info("the model %s is borrowed from %s", name, other.machine.name)
        return model

    def _taken_over(self, other: Reached, name: str, text: bytes, sha256: str) -> Artefact:
        manifest = parse(text)
        self._shelf.do(lambda: private_files.make_folder(self.folder))
        aside = Path(self._shelf.do(lambda: tempfile.mkdtemp(prefix=".new-", dir=self.folder)))  # 0700
        try:
            new, left = aside / name, MOST_BYTES - len(text)
            self._write(new / MANIFEST, text)
            for file in (*manifest.files, CARD):
                try:
                    body, of = self._whole(other, name, file, left)
                except DataError:
                    if file == CARD:  # a model may have none
                        continue
                    raise
                if of != sha256:
                    raise ArtefactError("it has become another meanwhile; ask again")
                left -= len(body)
                self._write(new / file, body)
            model = self._shelf.do(lambda: artefact.load(new))
            return self._shelf.do(lambda: artefact.install(model, self.folder / name, replacing=True))
        finally:
            self._shelf.do(lambda: shutil.rmtree(aside, ignore_errors=True))

    def _write(self, path: Path, body: bytes) -> None:
        self._shelf.do(lambda: private_files.write(path, body))

    def _whole(self, other: Reached, name: str, file: str, most: int = MOST_BYTES) -> tuple[bytes, str]:
        """Return a file of a model, and the sha256 of the manifest beside which it lies.

        Raises:
            ModelNameError: there is no such model.
            DataError: it has no such file, or a larger one than may be.
            MyostreamError: the machine does not answer.
        """
        found, sha256 = bytearray(), ""
        while True:
            asked = {"name": name, "file": file, "from": len(found)}
            answer = self._machines.ask(other, FILE, json.dumps(asked).encode())
            of, piece = answer[:_ENDED].decode("ascii"), answer[_ENDED:]
            if sha256 not in ("", of):
                raise DataError("it has become another meanwhile; ask again")
            sha256 = of
            found += piece
            if len(found) > most:
                raise DataError(f"it is larger than {MOST_BYTES >> 20} MiB")
            if len(piece) < PIECE:
                return bytes(found), sha256

    def _lend(self, message: bytes) -> bytes:
        """Answer another machine with a piece of a file. What is only borrowed is lent on: its owner may be gone."""
        asked = json.loads(message)
        name, file, at = str(asked["name"]), str(asked["file"]), int(asked["from"])
        model = self._lendable(name)
        if file not in (MANIFEST, CARD, *model.manifest.files):
            raise DataError(f"the model {name} has no file {file[:64]!r}")
        try:
            return model.sha256.encode() + self._shelf.do(lambda: _piece(model.path / file, at))
        except FileNotFoundError:
            raise DataError(f"the model {name} has no {file}") from None
        except OSError as error:
            raise NotReadyError(f"the model {name} cannot be read: {error.strerror or error}") from None

    def _lendable(self, name: str) -> Artefact:
        with suppress(ModelNameError):
            found = self._shelf.find(name).artefact
            if found is not None:
                return found
        copy = self._copy(name)
        if copy is None:
            raise ModelNameError(f"no model {name[:64]!r} here")
        return copy

    def _say_use(self, message: bytes) -> bytes:
        """Answer why a borrowed model has to stay as it is; a model of this machine's own is another's affair."""
        name = message.decode()
        with suppress(ModelNameError):
            self._shelf.find(name)
            return b"null"
        return json.dumps(self._uses(name)).encode()


def _piece(path: Path, at: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(PIECE)
