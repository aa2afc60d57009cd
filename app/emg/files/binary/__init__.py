"""The importers of files that are no text, in the order in which they are tried."""

from __future__ import annotations

from app.emg.files.binary import edf, known_recordings, matlab, npy_arrays, opensignals_h5, xdf
from app.emg.files.imported import FileFormat

BINARY_FORMATS: tuple[FileFormat, ...] = (edf, xdf, opensignals_h5, known_recordings, matlab, npy_arrays)
