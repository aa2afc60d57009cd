"""The forms in which a recording can be taken home, and the file of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from app.emg.recording import export_bids as bids
from app.emg.recording import export_npz as recording_export
from app.emg.recording import export_xdf
from app.emg.recording import folder as folders
from app.emg.recording.writer import expect_over
from app.serving.recordings.export_folder import export_folder

FORMATS: dict[str, tuple[str, Callable[[Path, str, Path], object]]] = {
    "npz": ("npz", recording_export.write_npz),
    "bdf": ("zip", bids.write_zip),
    "xdf": ("xdf", export_xdf.write_xdf),
}


def exported(root: Path, name: str, form: str) -> tuple[BinaryIO, int]:
    """Return the recording in that form of FORMATS, as a file that is gone once it is closed, and its bytes. It blocks.

    Raises:
        RecordingNameError: there is none of that name.
        BusyError: it is still being written.
        DataError: it holds no sample, or is nothing that this form can hold.
        OSError: the disk does not take the file.
    """
    suffix, write = FORMATS[form]
    expect_over(root, name)
    folders.read_header(root, name)  # before a folder is made for what is not there
    with export_folder(root) as folder:
        target = folder / f"export.{suffix}"
        write(root, name, target)
        file = target.open("rb")
    return file, file.seek(0, 2)
