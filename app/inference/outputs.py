"""What a graph of somebody else's gives for a window: logits or probabilities of classes, or values. numpy only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError
from app.inference.values import NamedValue, expect_distinct

LOGITS, PROBABILITIES, VALUES = "logits", "probabilities", "values"
KINDS = (LOGITS, PROBABILITIES, VALUES)
LEAST = 1e-7  # of a probability: its logarithm is a number, and softmax gives the same to 7 digits
SUM_ALLOWED = 1e-3

_TENSOR = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Outputs:
    """`kind` is one of KINDS; `name` that of the graph's output, empty where there is but one.

    Raises:
        ArtefactError: another kind, no name, or `values` that do not go with the kind.
    """

    kind: str = LOGITS
    name: str = ""
    values: tuple[NamedValue, ...] = field(default=())  # the graph's columns, where the kind is VALUES

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ArtefactError(f"outputs.kind must be one of {', '.join(KINDS)}, got {self.kind[:40]!r}")
        if self.name and _TENSOR.fullmatch(self.name) is None:
            raise ArtefactError(
                f"outputs.name must be a tensor's name without spaces, got {self.name[:40]!r}"
            )
        if self.kind == VALUES:
            expect_distinct(self.values)
        elif self.values:
            raise ArtefactError(f"outputs.values must be left out unless outputs.kind is {VALUES}")


def as_logits(output: npt.NDArray[np.float32], kind: str) -> npt.NDArray[np.float32]:
    """Return logits (batch, classes) whose softmax is what the graph says; probabilities become their logarithms.

    Values are no logits, and stay as they are.
    """
    if kind != PROBABILITIES:
        return output
    logarithms: npt.NDArray[np.float32] = np.log(np.maximum(output, np.float32(LEAST)))
    return logarithms


def are_probabilities(output: npt.NDArray[np.float32]) -> bool:
    """Whether each row is at least 0 and sums to 1."""
    sums = output.sum(axis=-1)
    return bool((output >= 0).all() and (np.abs(sums - 1) <= SUM_ALLOWED).all())
