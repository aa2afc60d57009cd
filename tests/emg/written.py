"""Makes recordings as the writer leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.recording.header import Model, RecordingHeader
from app.emg.recording.log_format import Entry
from app.emg.recording.writer import RecordingWriter
from app.emg.source import Chunk

RATE, CHANNELS = 200.0, 3

MODEL = Model(name="tiny", version="1.0", sha256="a" * 64, classes=("rest", "fist"), backend="fake", fps=30.0)
HEADER = RecordingHeader(
    name="one",
    source="live",
    subject="S07",
    started_at=1_760_000_000.25,
    sampling_rate=RATE,
    channels=CHANNELS,
    units="uV",
    gesture_names=("rest", "fist"),
    mains_hz=50.0,
    model=MODEL,
    plan=None,
)


def chunk(index: int, count: int = 10, label: int | None = 0, restart: bool = False, seed: int = 0) -> Chunk:
    samples = np.random.default_rng(seed + index).normal(size=(count, CHANNELS)).astype(np.float32)
    labels = None if label is None else np.full(count, label, np.int16)
    return Chunk(index=index, samples=samples, labels=labels, restart=restart)


def written(
    root: Path, entries: Iterable[Entry] | Sequence[Entry], end: str | None = "complete", **changes: Any
) -> Path:
    """A recording of those entries; with `end=None` as a killed writer leaves it."""
    writer = RecordingWriter(root, replace(HEADER, **changes))
    writer.write(entries)
    if end is None:
        writer._file.close()  # what the kernel does for a process that is killed
    else:
        writer.finish(end)
    return root / writer.header.name


ACCELEROMETER = AuxStream(
    name="accelerometer", channel_names=("X", "Y", "Z"), units="g", sampling_rate=RATE / 13.5
)
BATTERY = AuxStream(name="battery", channel_names=("level",), units="%", sampling_rate=0.5)


def aux(stream: int, at: float, count: int, seed: int = 0) -> AuxChunk:
    """Return samples of ACCELEROMETER (0) or BATTERY (1), of which the first lies at `at`."""
    channels = (ACCELEROMETER, BATTERY)[stream].channels
    samples = np.random.default_rng(abs(seed + int(at))).normal(size=(count, channels)).astype(np.float32)
    return AuxChunk(stream=stream, at=at, samples=samples)
