"""Recordings of an instance that a training can learn from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from app.emg.files.imported import ImportHints
from app.emg.files.importing import import_files
from app.emg.recording.from_file import write_recording
from tests.learning.own.makers import own
from tests.learning.values.makers import followed


def record(instance: Path, name: str, aside: Path, **changes: Any) -> None:
    """Put a recording of that name into the instance: a person who follows cues (tests/learning/own/makers.py)."""
    root, file = instance / "recordings", aside / f"{name}.npz"
    root.mkdir(parents=True, exist_ok=True)
    own(
        file,
        **{
            "channels": 4,
            "rate": 200.0,
            "repetitions": 3,
            "names": ("rest", "fist", "open", "point"),
            **changes,
        },
    )
    _taken_in(instance, name, aside, file)


def record_followed(instance: Path, name: str, aside: Path, **changes: Any) -> None:
    """Put a recording of somebody who follows a cursor into the instance (tests/learning/values/makers.py)."""
    (instance / "recordings").mkdir(parents=True, exist_ok=True)
    file = aside / f"{name}.npz"
    followed(file, **changes)
    _taken_in(instance, name, aside, file)


def _taken_in(instance: Path, name: str, aside: Path, file: Path) -> None:
    root = instance / "recordings"
    found, files = import_files([file], ImportHints())
    folder = aside / f"{name}.aside"
    folder.mkdir()
    write_recording(
        found, files, aside=folder, root=root, name=name, called=name, now=time.time(), most_bytes=2**30
    )
