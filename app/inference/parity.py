"""Whether a backend answers as the reference does; one that differs by more than its precision allows is refused."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from app.errors import BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.backend import Backend, Batch, Logits
from app.inference.foreign.golden import RawBackend, expect_agreement, scale
from app.inference.manifest import FOREIGN, Manifest
from app.inference.prediction import Floats, softmax
from app.inference.reference import reference_logits

log = logging.getLogger(__name__)

WINDOWS = 16
SEED = 20240229

# Largest difference of a logit, as a share of the largest logit of the reference. An other order of addition
# moves fp32 by about 1e-6 and fp16 by about 1e-3; int8 rounds every activation to 1/127 of its range. Another
# model's plan differs by about 1, and TF32 (which fp32 must not use) by about 1e-3.
ALLOWED = {"fp32": 2e-4, "fp16": 2e-2, "int8": 0.25}

# Largest difference of a probability, and the lead of the reference's prediction from which it must be the same.
# The shipped graphs, on 4,000 windows of five people and of the simulator: fp16 moves a probability by 0.0005 and
# turns no prediction, int8 by 0.17 and turns none that led by more than 0.24.
PROBABILITY_ALLOWED = {"fp32": 2e-3, "fp16": 2e-2, "int8": 0.25}

# A rounding that moves a membrane potential over its threshold adds a whole spike.
SPIKE_ALLOWED = {"fp32": 0.05, "fp16": 0.1, "int8": 0.5}
SPIKE_PROBABILITY_ALLOWED = {"fp32": 0.05, "fp16": 0.1, "int8": 0.3}


class PreciseBackend(Backend, Protocol):
    """A backend that says how it computes."""

    precision: str  # a key of ALLOWED


B = TypeVar("B", bound=PreciseBackend)


@dataclass(frozen=True, slots=True)
class Parity:
    """How a backend's answers compare with the reference's on the fixed windows."""

    difference: float  # largest of a logit, as a share of the largest logit of the reference
    allowed: float
    probability: float  # largest difference of one
    probability_allowed: float
    turned: int  # windows with another prediction, though the reference's led by more than that
    values: bool = False  # `difference` is a share of a value's range; there are no probabilities

    @property
    def holds(self) -> bool:
        """Whether every difference is within its bound; false for NaN."""
        near = self.difference <= self.allowed and self.probability <= self.probability_allowed
        return near and not self.turned


def fixed_windows(manifest: Manifest) -> Batch:
    """Normalised windows (WINDOWS, reads, channels), the same every time: from rest to three deviations."""
    shape = (WINDOWS, manifest.reads, manifest.channels)
    noise = np.random.default_rng(SEED).standard_normal(shape)
    return (noise * np.geomspace(0.1, 3, WINDOWS)[:, np.newaxis, np.newaxis]).astype(np.float32)


def compare(backend: PreciseBackend, artefact: Artefact) -> Parity:
    """Run the fixed windows through a backend and the reference."""
    windows = fixed_windows(artefact.manifest)
    expected = reference_logits(artefact, windows)
    return compare_logits(backend.infer(windows).logits, expected, backend.precision, artefact.manifest)


def compare_logits(logits: Logits, expected: npt.NDArray[Any], precision: str, manifest: Manifest) -> Parity:
    """Return how logits compare with those of the reference, both (windows, classes)."""
    if manifest.gives_values:
        return _compare_values(logits, expected, precision, manifest)
    spiking = manifest.architecture == "spiking_tcn"
    allowed = (SPIKE_PROBABILITY_ALLOWED if spiking else PROBABILITY_ALLOWED)[precision]
    probabilities = softmax(expected.astype(np.float32))
    turned = logits.argmax(1) != expected.argmax(1)
    return Parity(
        difference=float(np.abs(logits - expected).max() / np.abs(expected).max()),
        allowed=(SPIKE_ALLOWED if spiking else ALLOWED)[precision],
        probability=float(np.abs(softmax(logits) - probabilities).max()),
        probability_allowed=allowed,
        turned=int((turned & (_lead(probabilities) > allowed)).sum()),
    )


def _compare_values(values: Logits, expected: npt.NDArray[Any], precision: str, manifest: Manifest) -> Parity:
    """Return the same of values, whose differences are shares of their ranges."""
    share = float((np.abs(values - expected) / scale(values, manifest)).max())
    return Parity(share, ALLOWED[precision], 0.0, PROBABILITY_ALLOWED[precision], 0, values=True)


def _lead(probabilities: Floats) -> Floats:
    """Return how far the most probable class is before the next, (windows,)."""
    best = np.sort(probabilities, axis=1)
    lead: Floats = best[:, -1] - best[:, -2]
    return lead


def checked(backend: B, artefact: Artefact) -> B:
    """Return the same backend, if it answers as the reference does; else it is closed.

    Somebody's own graph has no reference; its author's golden vectors take that place.

    Raises:
        BackendUnavailableError: it does not; the reason says by how much.
    """
    if artefact.manifest.architecture == FOREIGN:
        return _as_its_author(backend, artefact)
    try:
        found = compare(backend, artefact)
    except Exception:
        backend.close()
        raise
    said = figures(found, backend.precision, WINDOWS)
    if not found.holds:
        backend.close()
        reason = f"its answers differ from the reference of {artefact.manifest.name} by {said}"
        raise BackendUnavailableError(backend.name, reason, _cure(backend.name, artefact.manifest.name))
    log.info("%s answers as the reference: it differs by %s", backend.name, said)
    return backend


def _as_its_author(backend: B, artefact: Artefact) -> B:
    try:
        differs = expect_agreement(cast(RawBackend, backend), artefact)  # the others open no such model
    except Exception:
        backend.close()
        raise
    log.info("%s answers as the golden vectors: it differs by %.2g", backend.name, differs)
    return backend


def figures(found: Parity, precision: str, windows: int) -> str:
    """Return in words by how much the answers to so many windows differ."""
    if found.values:
        return f"{found.difference:.2g} of a value's range, {precision} allows {found.allowed:g}"
    told = (
        f"{found.difference:.2g} of the largest logit, {precision} allows {found.allowed:g}; "
        f"{found.probability:.2g} of a probability, {precision} allows {found.probability_allowed:g}"
    )
    if found.turned:
        told += f"; another prediction in {found.turned} of {windows} windows, where the reference is sure"
    return told


def _cure(backend: str, model: str) -> str:
    if backend == "tensorrt":
        return f"Build the plan again with `flask --app wsgi engine build --model {model}`"
    if backend == "onnxruntime":
        return f"Export the graphs again with `flask --app wsgi model export --model {model} --force`"
    return "Take another device or version of torch, or leave it out of EMG_BACKENDS"
