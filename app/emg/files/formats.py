"""All formats that are imported, in the order in which they are asked: the one that says most of itself comes first."""

from __future__ import annotations

from app.emg.files import own_npz
from app.emg.files.binary import BINARY_FORMATS
from app.emg.files.imported import FileFormat
from app.emg.files.text import TEXT_FORMATS

FORMATS: tuple[FileFormat, ...] = (own_npz, *BINARY_FORMATS, *TEXT_FORMATS)
