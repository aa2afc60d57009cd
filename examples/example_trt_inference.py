"""Load a model, warm it up, infer, and time it: in TensorRT where it runs, else in the best backend there is.

    python examples/example_trt_inference.py
    python examples/example_trt_inference.py --model myo-8ch-200hz --iterations 5000 --backend onnxruntime

A plan for TensorRT comes from `flask --app wsgi engine build`. No server is needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from app.errors import MyostreamError  # noqa: E402
from app.inference.artefact import Artefact, find  # noqa: E402
from app.inference.latency import histogram, summary, time_calls  # noqa: E402
from app.inference.openers import openers  # noqa: E402
from app.inference.parity import PreciseBackend  # noqa: E402
from app.inference.prediction import normalise, predict  # noqa: E402


def main() -> int:
    options = arguments()
    artefact = find(options.model, ROOT / "instance" / "models")
    backend = load(artefact, options.plan, options.backend)
    print(f"{artefact.manifest.name} in {backend.name}, {backend.precision}")
    try:
        infer(backend, artefact)
        time_it(backend, artefact, options.iterations)
    finally:
        backend.close()  # on the thread that opened it: CUDA's context is bound to it
    return 0


def load(artefact: Artefact, plan: Path, wanted: str | None) -> PreciseBackend:
    """The backend that was asked for, or the best that opens; each has passed its parity check by then."""
    refusals = []
    for name, opener in openers(artefact, plan).items():
        if wanted in (None, name):
            try:
                return opener()
            except MyostreamError as error:
                refusals.append(str(error))
                print(error, file=sys.stderr)
    raise MyostreamError("no backend: " + "; ".join(refusals))


def infer(backend: PreciseBackend, artefact: Artefact) -> None:
    """One window as it comes from the electrodes: normalise, infer, name the gesture."""
    manifest = artefact.manifest
    noise = np.random.default_rng(1).standard_normal((1, manifest.length, manifest.channels))
    window = noise * manifest.std + manifest.mean  # (1, length, channels), in the manifest's units
    logits = backend.infer(normalise(window, manifest.mean, manifest.std)).logits
    index, confidence, _ = predict(logits).first()
    print(f"a window of noise is taken for {manifest.classes[index]!r}, confidence {confidence:.2f}")


def time_it(backend: PreciseBackend, artefact: Artefact, iterations: int) -> None:
    manifest = artefact.manifest
    for batch in (1, 64):
        emg = np.zeros((batch, manifest.length, manifest.channels), np.float32)
        times = time_calls(backend, emg, range(iterations))  # warms up first
        found = summary(times, batch)
        print(
            f"batch {batch}: mean {found.mean_latency_ms:.3f} ms, median {found.median_latency_ms:.3f} ms, "
            f"p99 {found.p99_latency_ms:.3f} ms, {found.throughput_qps:.0f} windows/s"
        )
        print("\n".join(histogram(times)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="synthetic-16ch-2khz", help="a name in instance/models, or a path")
    parser.add_argument(
        "--plan", type=Path, default=ROOT / "instance" / "engines", help="a plan, or their folder"
    )
    parser.add_argument("--backend", choices=["tensorrt", "onnxruntime", "pytorch"], help="default: the best")
    parser.add_argument("--iterations", type=int, default=1000)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MyostreamError as error:
        sys.exit(f"error: {error}")
