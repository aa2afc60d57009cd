"""What a window of a covariance model costs, beside the shipped network that it stands for, on one core.

    OMP_NUM_THREADS=1 python -m benchmarks.covariance [--calls 2000]

Random weights: no cost depends on them. Each row is ONNX Runtime on one thread, timed by that thread's own processor
time: what else the machine does is not counted, but for what it does to caches. The rows take turns, block by block,
so that this falls on all alike.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.config import ROOT
from app.inference import artefact
from app.inference.artefact import Artefact, weights_bytes
from app.inference.covariance.constants import constants
from app.inference.manifest import Manifest
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import fixed_windows
from app.learning.covariance.graph import covariance_graph

MODELS = ROOT / "instance" / "models"
BLOCKS = 20  # the calls of a row are spread over these
BATCH = 64
MYO_BANDS = [[15, 35], [35, 60], [60, 95]]
MYO = {"channels": 8, "length": 40, "context": 160, "sampling_rate": 200.0}
LONG = {**MYO, "context": 360}
FAST = {"channels": 16, "length": 400, "context": 1100, "sampling_rate": 2000.0}

# name, and what differs from the defaults
SHAPES: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("8 ch 200 Hz, 1 s", MYO, {}),
    ("8 ch 200 Hz, 1 s, 3 bands", MYO, {"bands_hz": MYO_BANDS}),
    ("8 ch 200 Hz, 1 s, 3 bands, typical", MYO, {"bands_hz": MYO_BANDS, "typical": 96}),
    ("8 ch 200 Hz, 2 s, 3 bands, typical", LONG, {"bands_hz": MYO_BANDS, "typical": 96}),
    (
        "8 ch 200 Hz, 2 s, 3 bands, typical, curved",
        LONG,
        {"bands_hz": MYO_BANDS, "typical": 96, "curved": 128},
    ),
    ("8 ch 200 Hz, 2 s, 3 bands", LONG, {"bands_hz": MYO_BANDS}),
    ("16 ch 2 kHz, 0.75 s", FAST, {}),
    ("16 ch 2 kHz, 0.75 s, typical", FAST, {"typical": 272}),
    ("16 ch 2 kHz, 0.75 s, typical, curved", FAST, {"typical": 272, "curved": 128}),
    ("16 ch 2 kHz, 1 s", {**FAST, "context": 1600}, {}),
    (
        "16 ch 2 kHz, 0.75 s, 3 bands of 50 ms",
        FAST,
        {"bands_hz": [[20, 80], [80, 160], [160, 450]], "frame_ms": 50.0},
    ),
    ("64 ch 2 kHz, 0.75 s, 16 directions", {**FAST, "channels": 64}, {"projected": 16}),
)


@dataclass(slots=True)
class Row:
    """One model, and how long its calls took."""

    name: str
    backend: OnnxBackend
    windows: np.ndarray
    one: list[float]
    many: list[float]

    def run(self, calls: int) -> None:
        """Time `calls` of one window, and a tenth as many of a batch."""
        self.one += list(_times(lambda: self.backend.infer(self.windows[:1]), calls))
        self.many += list(_times(lambda: self.backend.infer(self.windows), max(1, calls // 10)))


def main() -> None:
    """Print a row for each model: the median and the best of one window, of 64, and windows a second in batches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000, help="of one window, for each model")
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        rows = [*_shipped(), *(_covariance(Path(folder), k) for k in range(len(SHAPES)))]
        for _ in range(BLOCKS):
            for row in rows:
                row.run(max(1, calls // BLOCKS))
    print("model | one window, ms: median | best tenth | batch of 64, ms: median | windows a second")
    for row in rows:
        one, many = np.array(row.one) * 1e3, np.array(row.many) * 1e3
        figures = f"{np.median(one):.3f} | {np.quantile(one, 0.1):.3f} | {np.median(many):.2f}"
        print(f"{row.name} | {figures} | {BATCH / np.median(many) * 1e3:.0f}")


def _shipped() -> Iterator[Row]:
    """Yield the power networks that are shipped, in the precision they are served with."""
    for name in artefact.list_artefacts(MODELS):
        model = artefact.load(MODELS / name)
        if model.manifest.architecture != "covariance":
            precision = "int8" if "model.int8.onnx" in model.manifest.files else "fp32"
            yield _row(f"{name} {model.manifest.version}, {precision}", model, precision)
        else:
            yield _row(f"{name} {model.manifest.version}", model, "fp32")


def _covariance(folder: Path, k: int) -> Row:
    name, shape, values = SHAPES[k]
    channels = shape["channels"]
    manifest = Manifest(
        name=f"covariance-{k}",
        version="0",
        architecture="covariance",
        hyper_parameters={"floor": 0.0044, **values},
        units="counts",
        mean=np.zeros(channels, np.float32),
        std=np.ones(channels, np.float32),
        classes=("rest", *(f"gesture {k}" for k in range(1, 8))),
        rest_class="rest",
        rest_rms=0.1,
        active_rms=1.0,
        **shape,
    )
    weights = _weights(manifest)
    files = {
        "weights.safetensors": weights_bytes(weights),
        "model.onnx": covariance_graph(manifest, weights),
    }
    return _row(name, artefact.save(folder / manifest.name, manifest, files), "fp32")


def _weights(manifest: Manifest) -> dict[str, np.ndarray]:
    random, parameters = np.random.default_rng(0), constants(manifest).parameters
    features, classes = parameters.size(manifest.channels), len(manifest.classes)
    shapes = {"head.weight": (classes, features), "head.bias": (classes,)}
    if parameters.typical:
        shapes |= {"typical.weight": (parameters.typical, features), "typical.bias": (parameters.typical,)}
    if parameters.curved:
        shapes |= {"curve.weight": (parameters.curved, features), "curve.bias": (parameters.curved,)}
        shapes["curvature.weight"] = (classes, parameters.curved)
    if parameters.projected:
        shapes["project.weight"] = (parameters.projected, manifest.channels)
    return {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def _row(name: str, model: Artefact, precision: str) -> Row:
    backend = OnnxBackend.open(model, precision=precision)
    windows = np.resize(fixed_windows(model.manifest), (BATCH, model.manifest.reads, model.manifest.channels))
    for _ in range(20):
        backend.infer(windows)
    return Row(name, backend, windows, [], [])


def _times(call: Callable[[], object], calls: int) -> Iterator[float]:
    for _ in range(calls):
        began = time.thread_time()
        call()
        yield time.thread_time() - began


if __name__ == "__main__":
    main()
