"""Text formats of the field, one a module; TEXT_FORMATS is the order in which they are tried."""

from __future__ import annotations

from app.emg.files.imported import FileFormat
from app.emg.files.text import folder
from app.emg.files.text.folder import FILE_FORMATS

TEXT_FORMATS: tuple[FileFormat, ...] = (folder, *FILE_FORMATS)
