"""Memory and time of an export: `python -m benchmarks.exports --mib 1024 --channels 16 npz bdf`."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.emg.recording.log_format import Entry, RecordedPrediction
from app.emg.recording.writer import RecordingWriter
from app.emg.source import Chunk
from app.serving.recordings.exports import FORMATS
from tests.emg import written

RATE, FPS, FLUSHED_S = 2000.0, 30, 0.25  # predictions and flushes as the server's own

HEADER = replace(written.HEADER, name="long", sampling_rate=RATE, model=None)


def made(root: Path, mib: int, channels: int, lossy: bool) -> None:
    """Write a recording of so many MiB of noise; a lossy one has a gap in every flush."""
    writer = RecordingWriter(root, replace(HEADER, channels=channels))
    waiting: list[Entry] = []
    for entries in flushes(channels, lossy):
        waiting += entries
        if (
            len(waiting) * channels > 2**14
        ):  # not each for itself: the disk would take an hour for one channel
            writer.write(waiting)
            waiting.clear()
        if writer.bytes > mib * 2**20:
            break
    writer.finish("complete")


def flushes(channels: int, lossy: bool) -> Iterator[list[Entry]]:
    """Yield what a server writes at a time, for ever."""
    random, rows, at, told = np.random.default_rng(0), round(RATE * FLUSHED_S), 0, 0
    noise = (50 * random.standard_normal((16 * rows, channels))).astype(np.float32)
    while True:
        first = int(random.integers(0, 15 * rows))
        label = np.full(rows, at // 8000 % 2, np.int16)
        found: list[Entry] = [Chunk(index=at, samples=noise[first : first + rows], labels=label)]
        at += rows
        while (told + 1) * RATE / FPS <= at:
            told += 1
            found.append(RecordedPrediction(round(told * RATE / FPS), told % 2, 0.5, 0))
        yield found
        at += 7 if lossy else 0


def exported(root: Path, form: str) -> None:
    """Export it in this process, and tell how far its memory went up."""
    suffix, write = FORMATS[form]
    before, began, used = peak_mib(), time.monotonic(), time.process_time()
    target = root / f"export.{suffix}"
    write(root, HEADER.name, target)
    took, used = time.monotonic() - began, time.process_time() - used
    size = target.stat().st_size / 2**20
    target.unlink()
    print(f"{form}: {before:.0f} -> {peak_mib():.0f} MiB resident at most, {size:.0f} MiB written")
    print(f"{form}: {took:.1f} s, {used:.1f} s of a core", flush=True)


def peak_mib() -> float:
    """Return the most that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


def main() -> None:
    """Make the recording, then export it in a process for each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="+", choices=["npz", "bdf"])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--lossy", action="store_true", help="a gap in every quarter of a second")
    parser.add_argument("--root", type=Path, help="the recording is there already, or is made and kept there")
    asked = parser.parse_args()
    if asked.root is not None and (asked.root / HEADER.name).is_dir():
        exported(asked.root, *asked.formats)
        return
    with tempfile.TemporaryDirectory(dir=asked.root) as folder:
        made(Path(folder), asked.mib, asked.channels, asked.lossy)
        for form in asked.formats:
            subprocess.run([sys.executable, "-m", "benchmarks.exports", form, "--root", folder], check=True)


if __name__ == "__main__":
    main()
