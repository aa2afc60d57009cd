"""What `model new` takes on one core: `OMP_NUM_THREADS=1 python -m benchmarks.learning`.

Three figures, in seconds of CPU: of computing, from recordings in memory to the artefact on the disk, its graph and the
check of that included; with the imports that it does; and of the whole command, interpreter and all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

CASES = {  # channels, Hz, gestures with rest, repetitions, seconds of each
    "8ch-200hz": (8, 200.0, 8, 2, 5.0),
    "16ch-2khz": (16, 2000.0, 8, 2, 5.0),
    "5ch-500hz": (5, 500.0, 4, 2, 5.0),
    "32ch-1khz": (32, 1000.0, 8, 2, 5.0),
}


def recorded(path: Path, case: str) -> Path:
    """Write a person who rests and makes each gesture in turn; noise of which each has its own mixture."""
    channels, rate, classes, repetitions, seconds = CASES[case]
    chance = np.random.default_rng(0)
    mixing = chance.normal(size=(classes, channels, channels)) * np.linspace(1, 8, classes)[:, None, None]
    label = np.tile(
        np.repeat([k for g in range(1, classes) for k in (0, g)], round(seconds * rate)), repetitions
    )
    emg = np.empty((len(label), channels), np.float32)
    for k in range(classes):
        own = label == k
        emg[own] = chance.normal(size=(int(own.sum()), channels)) @ mixing[k]
    names = np.array(["rest", *(f"gesture {k}" for k in range(1, classes))])
    np.savez(path, emg=emg, label=label.astype(np.int8), fs=rate, gesture_names=names)
    return path


def measured(path: Path) -> None:
    """Learn from it twice in this process, and tell the CPU of the first time and of the second."""
    began = time.process_time()
    recordings = import_module("app.emg.files.loading").load_path(path)
    new = import_module("app.learning.own.making").new
    made = new(recordings, path.parent / "first")
    first = time.process_time() - began
    again = new(recordings, path.parent / "second")
    judgement = made.learned.judgement
    told = {
        "computing_cpu_s": round(again.seconds, 2),
        "with_imports_cpu_s": round(first, 2),
        "windows": len(made.learned.windows),
        "balanced_accuracy": judgement and round(judgement.balanced_accuracy, 3),
    }
    print(json.dumps(told), flush=True)


def command(path: Path) -> float:
    """Return the seconds of CPU of the whole command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["-m", "app", "model", "new", "--recording", str(path), "--out", str(path.parent / "third")]
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure each case in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--measured", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measured:
        return measured(chosen.measured)
    os.environ["OMP_NUM_THREADS"] = "1"
    for case in chosen.cases:
        with tempfile.TemporaryDirectory() as folder:
            path = recorded(Path(folder) / "me.npz", case)
            words = [sys.executable, "-m", "benchmarks.learning", "--measured", str(path)]
            found = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
            print(json.dumps({"case": case, **found, "command_cpu_s": round(command(path), 2)}), flush=True)
    return None


if __name__ == "__main__":
    main()
