"""What the 32nd calibrated model costs beside the first: memory, one window, a batch, and 20 people at once.

    OMP_NUM_THREADS=1 python -m benchmarks.models_memory --data FOLDER

FOLDER holds the recordings of `myo-readings`; without it the heads are drawn at random, on which no cost depends.
Memory is the process's share (PSS) after each model has answered one window and 64, each kind in a process of its own.
Times are the thread's own processor time; the rows take turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.config import ROOT
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import STEM, StemBackend, infer_many
from app.inference.onnx.backend import OnnxBackend
from app.inference.openers import openers
from app.inference.parity import fixed_windows
from app.learning.covariance.graph import covariance_graph, stem_graph
from app.learning.datasets import load_one
from app.learning.own.adapting import Choice, adapt
from app.learning.target import Target

PARENT = ROOT / "instance" / "models" / "myo-8ch-200hz"
MODELS, PEOPLE, BATCH = 32, 20, 64
ROUNDS = 9
KINDS = {"shared stem": StemBackend.open, "a graph each": OnnxBackend.open}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="recordings to calibrate on")
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.models)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.data)
        print("backends | MB with one model | with 32 | for each more")
        for kind in KINDS:
            command = [sys.executable, "-m", "benchmarks.models_memory", "--measure", kind]
            subprocess.run([*command, "--models", folder], check=True)
        times(Path(folder))


def make(folder: Path, data: Path | None) -> None:
    """Write MODELS children of PARENT."""
    parent = artefact.load(PARENT)
    if data is None:
        for k in range(MODELS):
            _drawn(parent, folder / f"child-{k:02d}", k)
        return
    recordings = sorted(data.glob("S*.npz"))
    for k in range(MODELS):
        session, who = divmod(k, len(recordings))
        target = Target(path=folder / f"child-{k:02d}")
        recording = load_one(recordings[who])
        adapt(parent, recording, target, Choice(session=session + 1), mains=50.0, even_if_worse=True)


def _drawn(parent: Artefact, path: Path, seed: int) -> None:
    manifest, arrays, chance = parent.manifest, parent.weights(), np.random.default_rng(seed)
    own = replace(CovarianceParameters.read(manifest.hyper_parameters), placements=1)
    classes = len(manifest.classes)
    arrays["head.weight"], arrays["head.bias"] = (
        arrays["head.weight"][:classes],
        arrays["head.bias"][:classes],
    )
    arrays = {
        name: values + chance.normal(0, 0.01, values.shape).astype("f") for name, values in arrays.items()
    }
    changes = {"name": path.name, "hyper_parameters": own.as_json()}
    described = replace(manifest, **changes)
    files = {
        WEIGHTS: weights_bytes(arrays),
        "model.onnx": covariance_graph(described, arrays),
        STEM: stem_graph(described, arrays),
    }
    artefact.save_child(parent, path, files, **changes)


def measure(kind: str, folder: Path) -> None:
    """Open all models as a server does, and print what the process takes after the first and the last."""
    held, taken = [], []
    for path in sorted(folder.iterdir()):
        model = artefact.load(path)
        backend = KINDS[kind](model)
        windows = np.resize(
            fixed_windows(model.manifest), (BATCH, model.manifest.reads, model.manifest.channels)
        )
        backend.infer(windows[:1])
        backend.infer(windows)
        held.append((model, backend))
        taken.append(_pss())
    first, last = taken[0], taken[-1]
    print(f"{kind} | {first:.1f} | {last:.1f} | {(last - first) / (len(taken) - 1):.2f}", flush=True)


def _pss() -> float:
    """Return this process's share of memory, in MB."""
    line = next(line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "Pss:" in line)
    return int(line.split()[1]) / 1024


def times(folder: Path) -> None:
    """Print medians of ROUNDS, in ms."""
    models = [artefact.load(path) for path in sorted(folder.iterdir())[:PEOPLE]]
    stems = [StemBackend.open(model) for model in models]
    whole, parent = OnnxBackend.open(models[0]), artefact.load(PARENT)
    opened = openers(parent, folder)["onnxruntime"]()
    manifest = parent.manifest
    windows = np.resize(fixed_windows(manifest), (BATCH, manifest.reads, manifest.channels))
    one = windows[-1:]
    rows: dict[str, tuple[Callable[[], object], int]] = {
        "one window, parent": (lambda: opened.infer(one), 1000),
        "one window, a graph each": (lambda: whole.infer(one), 1000),
        "one window, shared stem": (lambda: stems[0].infer(one), 1000),
        f"{BATCH} windows, a graph each": (lambda: whole.infer(windows), 40),
        f"{BATCH} windows, shared stem": (lambda: stems[0].infer(windows), 40),
        f"{PEOPLE} people, {PEOPLE} calls": (lambda: [stem.infer(one) for stem in stems], 60),
        f"{PEOPLE} people, one call": (lambda: infer_many([(stem, one) for stem in stems]), 60),
    }
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, (call, count) in rows.items():
            call()
            began = time.thread_time()
            for _ in range(count):
                call()
            taken[name].append((time.thread_time() - began) / count * 1e3)
    print("what | ms: median | best")
    for name, figures in taken.items():
        print(f"{name} | {np.median(figures):.4f} | {min(figures):.4f}")


if __name__ == "__main__":
    main()
