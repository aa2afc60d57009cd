"""Files that clients bring: kept in a folder of their own, and made into recordings by a process of its own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from app.emg.files.file_choice import TEXT
from app.emg.files.imported import ImportHints
from app.emg.recording import import_job
from app.errors import BusyError, DataError, NotReadyError, OverloadedError
from app.serving.process.offload import BlockingWorker
from app.serving.recordings.export_folder import export_folder
from app.serving.recordings.import_helper import ImportHelper

MOST_BYTES = 2**30  # of a recording: as of one that is made by this server
MEMORY = 3 * 2**30  # bytes that a process may map
SECONDS = 300  # of a processor that it may take
MOST_NAME = 120  # bytes of a file's name
MOST_FILES = 1000
MOST_UNDERWAY = 2  # imports in this worker: one is made, and the next comes in meanwhile


class FileImports:
    """Makes recordings below `root` of files, one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._disk, self._turn = BlockingWorker(), BlockingWorker()
        self._helper = ImportHelper()
        self._closed = False
        self._underway = 0

    @contextmanager
    def receiving(self) -> Iterator[Received]:
        """Yield where the files of one import are put; they are deleted in the end.

        Raises:
            OverloadedError: as many come in, or are made, as may.
            NotReadyError: the disk does not take them.
        """
        if self._underway >= MOST_UNDERWAY:
            raise OverloadedError(f"{MOST_UNDERWAY} imports are under way, as many as may be; ask again")
        self._underway += 1
        held = ExitStack()
        try:
            folder = self._disk.do(lambda: held.enter_context(export_folder(self.root)))
            for name in ("files", "aside"):
                self._disk.do((folder / name).mkdir)
            try:
                yield Received(folder, self._disk.do, self._made)
            finally:
                self._disk.do(held.close)
        except OSError as error:
            raise NotReadyError(f"the file cannot be kept: {error.strerror or error}") from None
        finally:
            self._underway -= 1

    def close(self) -> None:
        """End an import that runs; nothing is left of it. Safe to call twice."""
        self._closed = True
        self._helper.kill()
        with suppress(RuntimeError):
            self._turn.do(self._helper.close)
        for worker in (self._turn, self._disk):
            worker.close()

    def _made(self, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
        return self._turn.do(lambda: self._run(folder, {**job, "root": str(self.root)}))

    def _run(self, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
        """Have the job done; this worker's own thread waits, and no stream."""
        if self._closed:
            raise NotReadyError("the server is shutting down")
        said, result = folder / "job.json", folder / "result.json"
        said.write_text(json.dumps(job), encoding="utf-8")
        self._helper.do(said, result)
        if self._closed:
            raise NotReadyError("the server is shutting down")
        return import_job.result_in(result, job)


class Received:
    """The files of one import; made by `FileImports.receiving`."""

    def __init__(
        self,
        folder: Path,
        on_disk: Callable[[Callable[[], Any]], Any],
        made: Callable[[Path, dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._folder, self._on_disk, self._make = folder, on_disk, made
        self.paths: list[Path] = []

    @contextmanager
    def open(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Yield what writes a file that its client calls `name`: the last part of that, without what may not be.

        Raises:
            DataError: there are too many files.
        """
        if len(self.paths) >= MOST_FILES:
            raise DataError(f"up to {MOST_FILES} files become one recording")
        path = self._free(plain_file_name(name))
        file: IO[bytes] = self._on_disk(lambda: path.open("xb"))
        try:
            yield lambda piece: self._on_disk(lambda: file.write(piece))
        finally:
            self._on_disk(file.close)
        self.paths.append(path)

    def import_as(self, name: str | None, subject: str | None, hints: ImportHints) -> dict[str, Any]:
        """Return the report (app/emg/recording/import_report.py) of the recording that the files have become.

        Raises:
            DataError: what is wrong with the files.
            BusyError: there is a recording of that name.
            NotReadyError: the disk does not take it.
        """
        report = self._make(
            self._folder,
            {
                "paths": [str(path) for path in self._read()],
                "hints": asdict(hints),
                "aside": str(self._folder / "aside"),
                "name": name,
                "called": self.paths[0].stem,
                "subject": subject,
                "now": time.time(),
                "most_bytes": MOST_BYTES,
                "memory": MEMORY,
                "seconds": SECONDS,
            },
        )
        if "error" in report:
            kinds = {import_job.BUSY: BusyError, import_job.DISK: NotReadyError}
            raise kinds.get(report["kind"], DataError)(report["error"])
        return report

    def _read(self) -> list[Path]:
        """Return what is read: each file, or the folder of them all, which may be one recording of LibEMG."""
        several = len(self.paths) > 1 and all(path.suffix.lower() in TEXT for path in self.paths)
        return [self._folder / "files"] if several else self.paths

    def _free(self, name: str) -> Path:
        path = self._folder / "files" / name
        return (
            path if path not in self.paths else path.with_name(f"{path.stem}-{len(self.paths)}{path.suffix}")
        )


def plain_file_name(said: str) -> str:
    """Return what a file that a client calls that is called here: it may say a label, and lies in no other folder."""
    last = re.split(r"[/\\]", said)[-1]
    text = "".join(c if c.isprintable() else "_" for c in last).lstrip(".").strip()
    while len(text.encode()) > MOST_NAME:
        stem, dot, suffix = text.rpartition(".")
        text = f"{stem[:-1]}{dot}{suffix}" if dot and len(suffix) < 10 and stem else text[:-1]
    return text or "file"
