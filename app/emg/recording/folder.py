"""A recording's folder: `<root>/<name>/` with its header, its log and how it ended. Nothing outside is touched.

Files: `recording.json` says what was recorded and never changes; `log.bin` only grows (log_format.py);
`end.json` says how it goes while the recording runs, and in the end how it ended. It is as long from the beginning as
it will ever be, so that the reason can still be written when the disk is full. Another process asks the writer to stop
by a file named `stop`. Where there is a plan, `prompts.jsonl` says what became of it (prompt_log.py).
What a training found of its labels lies in `edges.json` (refined_edges.py).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app import private_files
from app.emg.recording.header import MAX_HEADER_BYTES, RecordingHeader, decode
from app.emg.recording.json_fields import read_object
from app.emg.recording.progress import SAID, RecordingProgress, progress_of
from app.errors import DataError, RecordingNameError, no_descriptor

HEADER, LOG, END, STOP, PROMPTS = "recording.json", "log.bin", "end.json", "stop", "prompts.jsonl"
EDGES = "edges.json"
END_BYTES = 1024
MAX_ERROR = 300  # characters of a reason that are kept
ALLOWED = "a name has 1 to 64 letters (a-z, A-Z), digits, '-', '_' and '.', and begins with a letter or digit"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SUBJECT = re.compile(r"[A-Za-z0-9]{1,32}")
SUBJECT_ALLOWED = "must be 1 to 32 letters (a-z, A-Z) and digits, such as S01"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR)  # a link, a FIFO, a folder


def check_name(name: str) -> str:
    """Return the name, if a recording may be called that.

    Raises:
        DataError: it may not; says what is allowed.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"{name[:80]!r} is no name of a recording: {ALLOWED}")
    return name


def names(root: Path) -> list[str]:
    """Return the recordings there are, by name, sound or damaged; what else lies in the folder is passed over.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if NAME.fullmatch(name) and _is_recording(root / name))


def has_header(root: Path, name: str) -> bool:
    """Whether it is a recording yet, or still: the header comes last, and goes first."""
    return os.path.lexists(root / name / HEADER)


def _is_recording(folder: Path) -> bool:
    for file in (HEADER, LOG):
        try:
            (folder / file).lstat()
        except FileNotFoundError:
            continue
        except OSError:  # a folder that is closed to us
            return True
        return True
    return False


def make(root: Path, name: str) -> Path:
    """Return an empty folder for a recording, with room for how it will end. Without a header it is no recording yet.

    Raises:
        DataError: a recording may not be called that.
        FileExistsError: there is one of that name.
        OSError: the disk is full, or may not be written.
    """
    folder = root / check_name(name)
    private_files.make_folder(root)
    folder.mkdir(mode=private_files.FOLDER)
    try:
        _write_new(folder, END, b" " * END_BYTES)
    except OSError:
        remove(root, name)
        raise
    return folder


def write_header(root: Path, name: str, text: bytes) -> None:
    """Make the folder a recording, on the disk when this returns. `text` is as header.py encodes it.

    Raises:
        OSError: it cannot be written.
    """
    folder = root / name
    _write_new(folder, HEADER, text)
    _sync(folder)
    _sync(root)


def replace_header(root: Path, name: str, text: bytes) -> None:
    """Have it say something else, of a recording that nobody else knows yet.

    Raises:
        OSError: it cannot be written.
    """
    (root / name / HEADER).unlink()
    write_header(root, name, text)


def move(made: Path, target: Path) -> None:
    """Give a recording that was made elsewhere on the same file system its place; within `beginning`.

    Raises:
        FileExistsError: there is something of that name.
        OSError: it cannot be moved.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "there is a recording of that name", str(target))
    made.rename(target)
    _sync(target.parent)


def read_header(root: Path, name: str) -> RecordingHeader:
    """Return the header of a recording.

    Raises:
        RecordingNameError: there is no such recording.
        DataError: its header is damaged, or missing.
        OSError: no descriptor is left.
    """
    with open_file(root, name, HEADER) as file:
        text = file.read(MAX_HEADER_BYTES + 1)
    return decode(text, name)


def read_end(root: Path, name: str) -> RecordingProgress | None:
    """How it ended or goes, as its writer last said, which may have been killed since; None before it said anything.

    Raises:
        RecordingNameError: there is no such recording.
    """
    with open_file(root, name, END) as file:
        text = file.read(2 * END_BYTES + 1)
    try:
        return progress_of(read_object(text, 2 * END_BYTES))
    except ValueError:
        return None


def write_end(root: Path, name: str, progress: RecordingProgress) -> None:
    """Say how it ended or goes, in the space that was set aside for it; an end is on the disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    values = {name: getattr(progress, name) for name in SAID}
    values["error"] = None if progress.error is None else progress.error[:MAX_ERROR]
    text = json.dumps(values).encode()
    if len(text) > END_BYTES:  # escaped, a reason in another script takes six bytes a character
        values["error"] = str(values["error"]).encode("ascii", "replace").decode()
        text = json.dumps(values).encode()
    with open_file(root, name, END, os.O_RDWR) as file:
        file.write(text.ljust(END_BYTES))
        file.flush()
        if progress.over:
            os.fsync(file.fileno())


def ask_to_stop(root: Path, name: str) -> None:
    """Have whatever process writes it end it soon.

    Raises:
        RecordingNameError: there is no such recording.
    """
    with open_file(root, name, STOP, os.O_RDWR | os.O_CREAT):
        pass


def write_beside(root: Path, name: str, file: str, content: bytes) -> None:
    """Put a small file into a recording's folder, there in full or not at all.

    Raises:
        RecordingNameError: there is no such recording.
        OSError: it cannot be written.
    """
    part = f".{file}.part"
    with open_file(root, name, part, os.O_RDWR | os.O_CREAT) as opened:
        opened.write(content)
    (root / name / part).rename(root / name / file)


@contextmanager
def beginning(root: Path) -> Iterator[None]:
    """One process at a time may begin a recording.

    Raises:
        OSError: the folder cannot be made.
    """
    try:
        private_files.make_folder(root)
    except FileExistsError:  # not a recording of that name: what should hold them is a file
        raise NotADirectoryError(errno.ENOTDIR, f"{root} is not a folder") from None
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # on a native thread: it waits
        yield
    finally:
        os.close(handle)


@contextmanager
def open_file(root: Path, name: str, file: str, flags: int = os.O_RDONLY) -> Iterator[BinaryIO]:
    """Yield a file of a recording; neither it nor the folder may be a link to somewhere else.

    Raises:
        RecordingNameError: there is no such recording.
        DataError: it lacks that file, which may not be opened, or is none.
        OSError: no descriptor is left.
    """
    folder = _opened(name, None, lambda: os.open(root / check_name(name), _FOLDER))
    try:
        # a FIFO must not hold us up
        handle = _opened(name, file, lambda: os.open(file, flags | _FILE, private_files.FILE, dir_fd=folder))
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError(_damaged(name, file))
    with os.fdopen(handle, "rb" if flags == os.O_RDONLY else "r+b") as opened:
        yield opened


def _opened(name: str, file: str | None, open_it: Callable[[], int]) -> int:
    """Return a descriptor; what cannot be opened is named for what it is."""
    try:
        return open_it()
    except OSError as error:
        if no_descriptor(error):
            raise
        if error.errno in _ABSENT and file is None:
            raise RecordingNameError(f"there is no recording {name}") from None
        if error.errno in _ABSENT:
            raise DataError(_damaged(name, str(file))) from None
        reason = f"{file or 'its folder'} cannot be opened: {error.strerror}"
        raise DataError(f"the recording {name} is damaged ({reason})") from None


def _damaged(name: str, file: str) -> str:
    return f"there is no recording {name} to be read: it is damaged ({file} is missing, or no plain file)"


def size(root: Path, name: str) -> int:
    """Bytes of its files, without those of an export."""
    found = 0
    for file in (HEADER, LOG, END, PROMPTS, EDGES):
        with suppress(FileNotFoundError):
            found += (root / name / file).lstat().st_size
    return found


def remove(root: Path, name: str) -> None:
    """Delete a recording: the files in its folder, and the folder.

    Raises:
        RecordingNameError: there is no such recording.
        OSError: it may not be deleted.
    """
    folder = root / check_name(name)
    if folder.is_symlink() or not folder.is_dir():
        raise RecordingNameError(f"there is no recording {name}")
    with os.scandir(folder) as entries, ExitStack() as held:
        found = list(entries)
        if any(entry.is_dir(follow_symlinks=False) for entry in found):  # nothing of ours: nothing is deleted
            raise IsADirectoryError(errno.EISDIR, "it holds a folder")
        files = [Path(entry.path) for entry in found]
        with suppress(DataError, BlockingIOError):  # whoever lists it meanwhile takes it for one that is busy
            fcntl.flock(held.enter_context(open_file(root, name, LOG)), fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in sorted(files, key=lambda file: file.name != HEADER):  # without it, it is no recording
            file.unlink()
    folder.rmdir()
    _sync(root)


def _write_new(folder: Path, name: str, content: bytes) -> None:
    with open(folder / name, "xb", opener=private_files.opener) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Flush the folder: only then is a new file there after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
