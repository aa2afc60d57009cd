"""Whether a model's folder is what its manifest says: its files, its graphs, and the answers they give."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import ArtefactError, BackendUnavailableError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.shared_stem import STEM, StemBackend
from app.inference.foreign import golden
from app.inference.foreign.golden import GOLDEN, Golden
from app.inference.manifest import FOREIGN
from app.inference.onnx.backend import GRAPHS, OnnxBackend
from app.inference.outputs import LOGITS, PROBABILITIES, are_probabilities
from app.inference.parity import checked, fixed_windows
from app.inference.prediction import Floats
from app.inference.reference import reference_logits
from app.inference.values import NamedValue
from app.inference.verification.graph_rules import check_graph

SLOWEST_S = 1.0  # of one window: no stream could use what is slower
NOTHING_TOLD = 10 * golden.ALLOWED  # by which the answers must differ from each other at least


@dataclass(frozen=True, slots=True)
class Verified:
    """A model that is what it says, and how that is known."""

    artefact: Artefact
    by: str  # "golden vectors" or "reference"
    windows: int
    difference: float | None  # from the golden vectors


def verified(folder: Path) -> Verified:
    """Open a model's folder that nobody has vouched for, and try all of it.

    Raises:
        ArtefactError: something is wrong; one line says what, and what would be right.
    """
    found = artefact.load(folder)
    _expect_known_files(found)
    for name in found.manifest.files:
        if name.endswith(".safetensors"):
            found.weights(name)
        if name.endswith(".onnx"):
            check_graph(found.file(name).read_bytes(), name)
    try:
        return _foreign(found) if found.manifest.architecture == FOREIGN else _own(found)
    except BackendUnavailableError as error:
        raise ArtefactError(f"{error.reason}; {error.cure}") from None


def _expect_known_files(found: Artefact) -> None:
    """Refuse what no model has: a pickle is a program, and nothing else is ever read."""
    foreign = found.manifest.architecture == FOREIGN
    for name in found.manifest.files:
        known = name in (GRAPHS["fp32"], GOLDEN) if foreign else _is_ours(name, found.manifest.architecture)
        if not known:
            what = (
                f"{GRAPHS['fp32']} and {GOLDEN}" if foreign else ".safetensors and the graphs that we export"
            )
            raise ArtefactError(
                f"files names {name!r}; a model of architecture {found.manifest.architecture} has {what}"
            )


def _is_ours(name: str, architecture: str) -> bool:
    stem = architecture == "covariance" and name == STEM
    return stem or name in GRAPHS.values() or name.endswith(".safetensors")


def _own(found: Artefact) -> Verified:
    """One of our networks: numpy computes it from the weights, and each graph is to answer as that does."""
    windows = fixed_windows(found.manifest)
    if not np.isfinite(reference_logits(found, windows)).all():
        raise ArtefactError(f"{artefact.WEIGHTS}: its answers are not finite")
    for precision, name in GRAPHS.items():
        if name in found.manifest.files:
            checked(OnnxBackend.open(found, precision=precision), found).close()
    if STEM in found.manifest.files:
        checked(StemBackend.open(found), found).close()
    return Verified(found, "reference", len(windows), None)


def _foreign(found: Artefact) -> Verified:
    """Somebody's own graph: it is to answer as its author says, and the same for one window as for many."""
    manifest = found.manifest
    backend = OnnxBackend.open(found)
    vectors = golden.read(found.file(GOLDEN), manifest)
    _expect_quick(backend, vectors, found)
    difference = golden.expect_agreement(backend, found)
    together = golden.answers(backend, vectors, manifest)
    _expect_kind(together, manifest.outputs.kind)
    _expect_in_range(together, manifest.outputs.values)
    _expect_telling(together / golden.scale(together, manifest))
    alone = [golden.answers(backend, _one(vectors, k), manifest) for k in range(min(len(together), 8))]
    apart = golden.difference(_first(vectors, len(alone)), np.concatenate(alone), manifest)
    if not apart <= golden.ALLOWED:
        raise ArtefactError(
            f"the graph answers otherwise for one window than for a batch of them (by {apart:.2g}): "
            "export it in eval mode, and with nothing that depends on the batch"
        )
    return Verified(found, "golden vectors", len(vectors.emg), difference)


def _one(vectors: Golden, k: int) -> Golden:
    return Golden(vectors.emg[k : k + 1], vectors.output[k : k + 1])


def _first(vectors: Golden, count: int) -> Golden:
    return Golden(vectors.emg[:count], vectors.output[:count])


def _expect_quick(backend: OnnxBackend, vectors: Golden, found: Artefact) -> None:
    one = _one(vectors, 0)
    golden.answers(backend, one, found.manifest)
    began = time.perf_counter()
    golden.answers(backend, one, found.manifest)
    took_s = time.perf_counter() - began
    if took_s > SLOWEST_S:
        raise ArtefactError(f"one window takes {took_s:.1f} s on one core; {SLOWEST_S:g} s is the most")


def _expect_kind(given: Floats, kind: str) -> None:
    if kind == PROBABILITIES and not are_probabilities(given):
        raise ArtefactError(
            "outputs.kind is probabilities, but they are below 0 or do not sum to 1: are they logits?"
        )
    if kind == LOGITS and are_probabilities(given):
        raise ArtefactError(
            "outputs.kind is logits, but every row is at least 0 and sums to 1: say probabilities, or the "
            "confidence would be flattened by a second softmax"
        )


def _expect_in_range(given: Floats, declared: Sequence[NamedValue]) -> None:
    """Values whose range is in other units than the graph's would all be clipped."""
    for column, value in zip(given.T, declared, strict=False):
        outside = (column < value.low) | (column > value.high)
        if 2 * int(outside.sum()) > len(column):
            raise ArtefactError(
                f"outputs.values[{value.name}] is {value.low:g} to {value.high:g}, but the answers to {GOLDEN} go "
                f"from {column.min():g} to {column.max():g}: are they in other units?"
            )


def _expect_telling(given: Floats) -> None:
    """Answers that are all alike would prove a graph right that looks at nothing."""
    if not float(np.ptp(given, axis=0).max()) > NOTHING_TOLD:
        raise ArtefactError(
            f"{GOLDEN}: the answers to all its windows are the same; take windows that differ"
        )
