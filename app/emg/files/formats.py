"""All formats that are imported, in the order in which they are asked: the one that says most of itself comes first."""

from __future__ import annotations

from app.emg.files import own_npz
from app.emg.files.imported import FileFormat

FORMATS: tuple[FileFormat, ...] = (own_npz,)
