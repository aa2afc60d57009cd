"""What a covariance model does with the raw vector of a window (constants.py), as one matrix: all that a child adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.backend import Logits
from app.inference.covariance.constants import Constants
from app.inference.covariance.parameters import CovarianceParameters

Arrays = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The rows of `head` and behind them those of `typical` and of `curve`, as they read the raw vector.

    `of` makes it.
    """

    matrix: Floats  # (raw, placements x classes + typical + curved), C order
    bias: Floats  # (placements x classes + typical + curved,)
    placements: int
    typical: int
    curvature: Floats  # (curved, classes): what the square of each row of `curve` adds; (0, classes) without

    @classmethod
    def of(cls, held: Constants, weights: Arrays) -> Head:
        """Return that of a model's weights.

        Raises:
            KeyError, ValueError: a tensor is missing, or of another shape.
        """
        rows, biases = [weights["head.weight"]], [weights["head.bias"]]
        parameters = held.parameters
        for name, number in (("typical", parameters.typical), ("curve", parameters.curved)):
            if number:
                rows.append(weights[f"{name}.weight"])
                biases.append(weights[f"{name}.bias"])
        matrix = (np.concatenate(rows).astype(np.float64) @ held.spread).T
        bias = np.concatenate(biases).astype(np.float32)
        if bias.shape != matrix.shape[1:]:
            raise ValueError(f"{matrix.shape[1]} rows of weights have biases of shape {bias.shape}")
        curvature = _curvature_of(weights, parameters, len(rows[0]) // parameters.placements)
        return cls(
            np.ascontiguousarray(matrix, np.float32),
            bias,
            parameters.placements,
            parameters.typical,
            curvature,
        )

    @property
    def linear(self) -> int:
        """Return how many rows are of `head`."""
        return len(self.bias) - self.typical - len(self.curvature)

    @property
    def squares(self) -> Floats:
        """Return what the squares of the other rows take off the logits, (typical + curved, classes).

        One column, (typical, 1), where they take the same off all.
        """
        alike = shared_squares(self.typical)
        if not len(self.curvature):
            return alike
        found: Floats = np.concatenate([alike.repeat(self.curvature.shape[1], 1), -self.curvature])
        return found

    @property
    def form(self) -> tuple[int, int, int, int]:
        """Return what must be alike in heads whose products are made to logits together."""
        return self.linear, self.placements, self.typical, len(self.curvature)

    def products(self, raw: Floats) -> Floats:
        """Return what every row says of raw vectors (n, raw), (n, rows)."""
        found: Floats = raw @ self.matrix
        found += self.bias
        return found

    def logits(self, products: Floats) -> Logits:
        """Return the logits (n, classes) of products of this head, or of heads of its form, without the curves."""
        logits = products[:, : self.linear]
        if self.placements > 1:
            logits = _over_placements(logits.reshape(len(products), self.placements, -1))
        if self.typical:
            far = products[:, self.linear : self.linear + self.typical]
            logits = logits - np.float32(0.5) * np.einsum("ij,ij->i", far, far)[:, np.newaxis]
        return np.ascontiguousarray(logits)

    def curved(self, logits: Logits, products: Floats) -> Logits:
        """Return the logits of products of this head with its curves, of those without."""
        if not len(self.curvature):
            return logits
        curve: Floats = products[:, -len(self.curvature) :]
        squares: Floats = np.square(curve)
        added: Floats = squares @ self.curvature
        found: Logits = logits + added
        return found


def logits_of(heads: Sequence[Head], raws: Sequence[Floats]) -> list[Logits]:
    """Return what each head says of its own raw vectors, (n, classes) each; heads of one form take one pass."""
    products = [head.products(raw) for head, raw in zip(heads, raws, strict=True)]
    by_form: dict[tuple[int, int, int, int], list[int]] = {}
    for place, head in enumerate(heads):
        by_form.setdefault(head.form, []).append(place)
    found: dict[int, Logits] = {}
    for places in by_form.values():
        logits = heads[places[0]].logits(np.concatenate([products[place] for place in places]))
        start = 0
        for place in places:
            own = logits[start : start + len(products[place])]
            found[place] = heads[place].curved(own, products[place])
            start += len(products[place])
    return [found[place] for place in range(len(heads))]


def shared_squares(typical: int) -> Floats:
    """Return what the squares of `typical` take off the logits of all classes, (typical, 1)."""
    found: Floats = np.full((typical, 1), 0.5, np.float32)
    return found


def _curvature_of(weights: Arrays, parameters: CovarianceParameters, classes: int) -> Floats:
    if not parameters.curved:
        return np.zeros((0, classes), np.float32)
    found = np.ascontiguousarray(weights["curvature.weight"].T, np.float32)
    if found.shape != (parameters.curved, classes):
        raise ValueError(f"curvature.weight has shape {found.T.shape}")
    return found


def _over_placements(each: Floats) -> Floats:
    """Return the log of the sum over placements, (n, classes), of (n, placements, classes)."""
    most = each.max(1, keepdims=True)
    total: Floats = np.log(np.exp(each - most).sum(1))
    total += most[:, 0]
    return total
