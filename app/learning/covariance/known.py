"""What a covariance model's artefact knows: its head, its prior, and how sure heads of a person's own are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.inference.artefact import WEIGHTS, Artefact
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.curve import Curve
from app.learning.covariance.head import Head
from app.learning.covariance.prior import Prior

PRIOR = "prior.safetensors"
RING = "ring"  # of manifest.training: whether people put the electrodes on turned
TEMPERATURE = 3.0  # where nobody is held out to fit one on


@dataclass(frozen=True, slots=True)
class Confidence:
    """What logits are divided by, and how large the largest then is for all but one in a hundred windows."""

    temperature: float
    reject_below: float | None


def own_confidence(model: Artefact, repetitions: int) -> Confidence:
    """Return that of heads taught by so many repetitions of a person, or by the most that was tried."""
    kept = model.manifest.training.get("calibrated", [])
    if not kept:
        return Confidence(TEMPERATURE, None)
    return Confidence(**kept[min(repetitions, len(kept)) - 1])


def prior_file(weights: str) -> str:
    """Where the prior of those weights lies in the artefact: it has seen the same people."""
    return PRIOR if weights == WEIGHTS else f"{weights.removesuffix('.safetensors')}.prior.safetensors"


def prior_of(model: Artefact, weights: str = WEIGHTS) -> Prior:
    """Return what the people whom those weights learned from are like.

    Raises:
        ArtefactError: the artefact has none, or it is damaged.
    """
    parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
    return Prior.of_arrays(model.weights(prior_file(weights)), parameters.size(model.manifest.channels))


def is_ring(model: Artefact) -> bool:
    """Return whether people put the electrodes on turned."""
    return bool(model.manifest.training.get(RING, False))


def head_of(model: Artefact, weights: str = WEIGHTS) -> Head:
    """Return the head of an artefact's weights, for features in double precision."""
    arrays = model.weights(weights)
    placements = CovarianceParameters.read(model.manifest.hyper_parameters).placements
    size = arrays["head.weight"].shape[1]
    typical = arrays.get("typical.weight", np.zeros((0, size))), arrays.get("typical.bias", np.zeros(0))
    parts = (arrays["head.weight"], arrays["head.bias"], *typical)
    weight, bias, typical_weight, typical_bias = (np.asarray(part, np.float64) for part in parts)
    return Head(weight, bias, typical_weight, typical_bias, placements, Curve.of_arrays(arrays))
