"""Writes a recording as it goes. Everything here may block: it belongs on a native thread of its own."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from app import private_files
from app.emg.auxiliary import AuxChunk
from app.emg.recording import folder as folders
from app.emg.recording.folder import LOG, PROMPTS, STOP
from app.emg.recording.header import RecordingHeader
from app.emg.recording.header import encode as encode_header
from app.emg.recording.log_format import (
    MAGIC,
    Entry,
    RecordedModel,
    RecordedPrediction,
    encode,
    joined,
    joined_aux,
    read_with_ends,
)
from app.emg.recording.progress import RecordingProgress
from app.emg.recording.prompts import prompt_log
from app.emg.recording.prompts.prompt_log import Asked, Line
from app.emg.source import Chunk
from app.errors import BusyError, DataError, no_descriptor

log = logging.getLogger(__name__)

# What a writer has open, other processes leave alone. The system gives the lock back when the writer dies.
_OURS = fcntl.LOCK_EX | fcntl.LOCK_NB


class RecordingWriter:
    """One recording being written.

    Raises:
        DataError: its header is more than a header may be.
        FileExistsError: there is one of that name.
        OSError: it cannot be written; that it began is then undone.
    """

    def __init__(self, root: Path, header: RecordingHeader) -> None:
        self.header, self._root = header, root
        text = encode_header(header)  # refused before anything is there
        self.progress = RecordingProgress()
        self._aux_steps = [header.sampling_rate / stream.sampling_rate for stream in header.aux]
        self._told = False
        # unbuffered: what was written is with the kernel, which outlives us
        path = folders.make(root, header.name) / LOG
        self._file = open(path, "xb", buffering=0, opener=private_files.opener)  # noqa: SIM115  closed by `finish`
        try:
            fcntl.flock(self._file, _OURS)
            _write_all(self._file, MAGIC)
            folders.write_header(root, header.name, text)  # last: nobody takes it for one left behind
        except OSError:
            self._file.close()
            with suppress(OSError, DataError):
                folders.remove(root, header.name)
            raise
        self.bytes = len(MAGIC)

    def write_prompts(self, lines: Iterable[Line]) -> None:
        """Append what happened to the prompts, on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        content = b"".join(map(prompt_log.encode, lines))
        if not content:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._root / self.header.name / PROMPTS, flags, private_files.FILE)
        with os.fdopen(handle, "ab", buffering=0) as file:
            _write_all(file, content)
            os.fsync(handle)

    def asked_of_prompts(self) -> list[Asked]:
        """Take what other processes ask of the prompts."""
        return [] if self.header.plan is None else prompt_log.asked(self._root, self.header.name)

    def write(self, entries: Iterable[Entry]) -> None:
        """Append, and return when it is on the disk.

        Raises:
            OSError: it cannot be written. Cut off where the last whole record ends, the log stays readable.
        """
        if self.append(entries):
            os.fsync(self._file.fileno())
            self._say()

    def append(self, entries: Iterable[Entry]) -> int:
        """Append, and return how many records that were: with the kernel, and on the disk some time, or at the end.

        Raises:
            OSError: as `write`.
        """
        records = self._records(list(entries))
        for record in records:
            content = encode(record)
            _write_all(self._file, content)
            self.bytes += len(content)
            self.progress.count(record)
        return len(records)

    def _records(self, entries: list[Entry]) -> list[Entry]:
        """Return what is written of them: what continues as one, and what came beside the EMG for itself."""
        chunks = [entry for entry in entries if isinstance(entry, Chunk)]
        beside = [aux for chunk in chunks for aux in chunk.aux]
        beside += [entry for entry in entries if isinstance(entry, AuxChunk)]
        return [
            *joined(chunks),
            *joined_aux([aux for aux in beside if self._keeps(aux)], self._aux_steps),
            # in their order: what a prediction says is in the classes of the model before it
            *(entry for entry in entries if isinstance(entry, RecordedPrediction | RecordedModel)),
        ]

    def _keeps(self, aux: AuxChunk) -> bool:
        """Whether it is of a stream that the header names: nothing else could be read back."""
        known = self.header.aux_channels
        keeps = 0 <= aux.stream < len(known) and aux.samples.shape[1:] == (known[aux.stream],)
        if not keeps and not self._told:
            self._told = True
            log.warning("%s: auxiliary stream %d is not as its header says", self.header.name, aux.stream)
        return keeps and len(aux.samples) > 0

    def _say(self) -> None:
        """How it goes. Where that cannot be said just now the log itself has it."""
        try:
            folders.write_end(self._root, self.header.name, self.progress)
        except DataError:  # its folder was taken away by hand
            return
        except OSError as error:
            if not no_descriptor(error):
                raise

    @property
    def asked_to_stop(self) -> bool:
        """Whether another process wants it ended."""
        return (self._root / self.header.name / STOP).exists()

    def finish(self, state: str, error: str | None = None) -> RecordingProgress:
        """Say how it ended; a disk that is full is told to the log only, the recording is over either way."""
        ended = replace(
            self.progress, state=state, error=error
        )  # nobody is to see it over before it is closed
        try:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), self.bytes)  # the torn record of a full disk
                os.fsync(self._file.fileno())
            folders.write_end(self._root, self.header.name, ended)
            (self._root / self.header.name / STOP).unlink(missing_ok=True)
        except (OSError, DataError) as reason:
            log.warning("how the recording %s ended cannot be written: %s", self.header.name, reason)
        finally:
            self._file.close()
        return ended


def recover(root: Path, name: str) -> RecordingProgress | None:
    """How a recording ended whose writer was killed; None where a process is still writing it.

    A torn record at its end is cut off. Reads the whole log.

    Raises:
        DataError: there is no such recording, or it is damaged.
        OSError: no descriptor is left.
    """
    header = folders.read_header(root, name)
    found, end = RecordingProgress(state="complete", recovered=True), len(MAGIC)
    try:
        with folders.open_file(root, name, LOG, os.O_RDWR) as file:
            fcntl.flock(file, _OURS)
            said = folders.read_end(root, name)  # its writer may have ended it just now
            if said is not None and said.over:
                return said
            if file.read(len(MAGIC)) != MAGIC:  # not to be cut off where it does not even begin
                raise DataError(f"the recording {name} is damaged ({LOG} does not begin as a log does)")
            file.seek(0)
            for at, entry in read_with_ends(file, header.channels, header.aux_channels):
                found.count(entry)
                end = at
            with suppress(OSError):
                file.truncate(end)
            with suppress(OSError, DataError):  # a full or read-only disk: found again the next time
                folders.write_end(root, name, found)
    except BlockingIOError:
        return None
    log.warning(
        "the recording %s was left behind by a killed server: %d samples are there", name, found.samples
    )
    return found


def running(root: Path, source: str) -> str | None:
    """Return the name of the recording of that source which some process writes just now."""
    for name in folders.names(root):
        with suppress(DataError):
            said = folders.read_end(root, name)
            if said is not None and said.over:
                continue
            if folders.read_header(root, name).source == source and is_being_written(root, name):
                return name
    return None


def is_being_written(root: Path, name: str) -> bool:
    """Whether some process has it open for writing."""
    try:
        with folders.open_file(root, name, LOG) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except DataError:
        return False
    return False


def expect_over(root: Path, name: str) -> None:
    """See that nobody writes it any more.

    Raises:
        BusyError: somebody does.
    """
    if is_being_written(root, name):
        raise BusyError(f"the recording {name} is still being written; stop it first")


def _write_all(file: BinaryIO, content: bytes) -> None:
    """Write all of it; a raw file may take less at a time."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
