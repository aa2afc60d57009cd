"""Time and memory of importing a CSV beside numpy: `python -m benchmarks.imports --mb 100 --columns 9`."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from app.emg.files.imported import ImportHints
from app.emg.files.text import csv_text

RATE, ROWS_AT_A_TIME = 2000.0, 20_000
IMPORT, LOADTXT, NOTHING = "import", "loadtxt", "nothing"


def made(path: Path, mb: float, columns: int) -> None:
    """Write a CSV of so many MB: a time in s, then channels of noise with two decimals."""
    random, row = np.random.default_rng(0), 0
    form = ",".join(["%.4f", *["%.1f"] * (columns - 1)]) + "\n"
    with path.open("w") as file:
        while file.tell() < mb * 1e6:
            noise = 50 * random.standard_normal((ROWS_AT_A_TIME, columns - 1))
            times = (row + np.arange(ROWS_AT_A_TIME)) / RATE
            file.writelines(form % (at, *values) for at, values in zip(times, noise.tolist(), strict=True))
            row += ROWS_AT_A_TIME


def measured(path: Path, what: str) -> None:
    """Do it in this process, and tell its time and how far the process's memory went up."""
    rows, began, used = 0, time.monotonic(), time.process_time()
    if what == LOADTXT:
        rows = len(np.loadtxt(path, np.float32, delimiter=","))
    elif what == IMPORT:
        file = csv_text.read(path, ImportHints())
        rows = sum(len(chunk.samples) for chunk in file.chunks())
    took, used = time.monotonic() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    told = {
        "what": what,
        "rows": rows,
        "seconds": round(took, 2),
        "cpu_s": round(used, 2),
        "peak_mib": round(peak),
    }
    print(json.dumps(told), flush=True)


def main() -> None:
    """Make the file, then read it in turn by both, each time in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=100)
    parser.add_argument("--columns", type=int, default=9)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--file", type=Path, help="is there already")
    parser.add_argument("--only", choices=[IMPORT, LOADTXT, NOTHING])
    asked = parser.parse_args()
    if asked.only:
        measured(asked.file, asked.only)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or Path(folder) / "long.csv"
        if asked.file is None:
            made(path, asked.mb, asked.columns)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {asked.columns} columns")
        runs = [{what: child(path, what) for what in (LOADTXT, IMPORT)} for _ in range(asked.times)]
    for unit, of_what in (("seconds", "time"), ("cpu_s", "time of a core, which other load does not change")):
        ratios = [run[IMPORT][unit] / run[LOADTXT][unit] for run in runs]
        print(f"import / loadtxt, {of_what}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def child(path: Path, what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.imports", "--only", what, "--file", str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    print(said)
    found: dict[str, float] = json.loads(said)
    return found


if __name__ == "__main__":
    main()
