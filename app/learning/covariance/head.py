"""The linear head of a covariance model in closed form, and how typical a window is of anything it was taught.

Sources:
    Discriminant: Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7(2), 1936,
        with one covariance for all classes and equal priors, so that it is linear.
    Shrinkage towards the diagonal: Friedman, "Regularized discriminant analysis", J. Am. Stat. Assoc. 84(405), 1989.
    On logarithms of covariances: Barachant et al., "Multiclass brain-computer interface classification by
        Riemannian geometry", IEEE Trans. Biomed. Eng. 59(4), 2012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.errors import DataError
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.curve import Curve, curved

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

SHRINKAGE = 0.3  # of the covariance towards its diagonal; docs/models.md says how it was chosen
RIDGE = 1e-6  # of the mean variance, added to it: a feature may be silent


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Logits of features f: weight f + bias, less half the squared length of typical_weight f + typical_bias.

    Softmax does not see the second term. The largest logit does: it is a Gaussian log-density up to a constant.
    With several placements of a ring the first term is the logarithm of the sum over them. Where classes have
    covariances of their own the curve is added.
    """

    weight: Doubles  # (placements x classes, d)
    bias: Doubles  # (placements x classes,)
    typical_weight: Doubles  # (r, d), r may be 0
    typical_bias: Doubles  # (r,)
    placements: int = 1
    curve: Curve | None = None

    def scores(self, features: Doubles) -> Doubles:
        """Return the logits without what all classes have in common, (n, classes), of features (n, d)."""
        each = (features @ self.weight.T + self.bias).reshape(len(features), self.placements, -1)
        found: Doubles = each[:, 0] if self.placements == 1 else np.logaddexp.reduce(each, axis=1)
        return found if self.curve is None else found + self.curve(features)

    def logits(self, features: Doubles) -> Doubles:
        """Return the logits, (n, classes), of features (n, d)."""
        far = features @ self.typical_weight.T + self.typical_bias
        found: Doubles = self.scores(features) - 0.5 * np.square(far).sum(1, keepdims=True)
        return found

    def predict(self, features: Doubles) -> Ids:
        """Return the class of each row."""
        best: Ids = np.argmax(self.scores(features), axis=1)
        return best

    def tempered(self, temperature: float) -> Head:
        """Return the head whose logits are these divided by a temperature, each placement's by itself."""
        root = np.sqrt(temperature)
        return Head(
            self.weight / temperature,
            self.bias / temperature,
            self.typical_weight / root,
            self.typical_bias / root,
            self.placements,
            None if self.curve is None else self.curve.tempered(temperature),
        )

    def leaning(self, towards: int, by: float) -> Head:
        """Return the head whose logit of one class is larger by so much, as a prior makes it."""
        bias = self.bias.reshape(self.placements, -1).copy()
        bias[:, towards] += by
        return replace(self, bias=bias.reshape(-1))

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the tensors of an artefact, by name."""
        named = {
            "head.weight": self.weight,
            "head.bias": self.bias,
            "typical.weight": self.typical_weight,
            "typical.bias": self.typical_bias,
        }
        if self.curve is not None:
            named |= self.curve.arrays()
        return {name: array.astype(np.float32) for name, array in named.items()}

    def shaping(self, parameters: CovarianceParameters) -> CovarianceParameters:
        """Return the parameters of a model that has this head."""
        curve = 0 if self.curve is None else len(self.curve.bias)
        return replace(parameters, typical=len(self.typical_bias), placements=self.placements, curved=curve)


def fit_head(features: Doubles, label: Ids, classes: int, shrinkage: float = SHRINKAGE) -> Head:
    """Return the linear discriminant of features (n, d) with labels 0 to classes - 1, equal priors.

    Raises:
        DataError: a class has fewer than two rows.
    """
    means, within = class_statistics(features, label, classes)
    return discriminant(means, shrunk(within, shrinkage))


def class_statistics(
    features: Doubles, label: Ids, classes: int, weight: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """Return class means (classes, d) and the covariance within classes (d, d), in which every class counts alike.

    `weight` (n,) says how much each row counts within its class; without it they count alike.

    Raises:
        DataError: a class has fewer than two rows.
    """
    means, within = [], np.zeros((features.shape[1],) * 2)
    for k in range(classes):
        rows = features[label == k]
        if len(rows) < 2:
            raise DataError(f"class {k} has {len(rows)} windows; a class needs at least 2")
        share = np.ones(len(rows)) if weight is None else weight[label == k]
        share = share / share.sum()
        means.append(share @ rows)
        centred = rows - means[-1]
        within += (centred * share[:, np.newaxis]).T @ centred / classes
    return np.stack(means), within


def class_covariances(
    features: Doubles, label: Ids, means: Doubles, weight: Doubles | None = None
) -> Doubles:
    """Return the covariance of each class, (classes, d, d), around means that `class_statistics` gave."""
    found = []
    for k, mean in enumerate(means):
        share = np.ones(len(label)) if weight is None else weight
        share = share[label == k] / share[label == k].sum()
        centred = features[label == k] - mean
        found.append((centred * share[:, np.newaxis]).T @ centred)
    return np.stack(found)


def shrunk(covariance: Doubles, shrinkage: float) -> Doubles:
    """Return a covariance drawn towards its diagonal."""
    return (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))


def discriminant(means: Doubles, covariance: Doubles) -> Head:
    """Return the head of Gaussians with those means (classes, d), one covariance (d, d) and equal priors."""
    size = len(covariance)
    ridge = RIDGE * np.trace(covariance) / size + 1e-12
    root = np.linalg.cholesky(covariance + ridge * np.eye(size))
    whiten = np.asarray(np.linalg.solve(root, np.eye(size)), np.float64)  # covariance^-1 = whiten' whiten
    centre = means.mean(0)
    white = (means - centre) @ whiten.T  # (classes, d), centred: logits stay small, as float32 wants them
    weight = white @ whiten
    bias = -0.5 * np.square(white).sum(1) - weight @ centre
    return Head(weight, bias, whiten, -whiten @ centre)


def class_discriminant(means: Doubles, covariance: Doubles, own: Doubles) -> Head:
    """Return the head of Gaussians whose covariance is the common one (d, d) and in part the class's own.

    Args:
        means: (placements, classes, d).
        covariance: (d, d), the common one.
        own: (classes, d, d) of each class's windows around their mean.
    """
    placements, _, size = means.shape
    head = discriminant(means.reshape(-1, size), covariance)
    middle = means.mean(0)
    curve, volumes = curved(middle, own, head.typical_weight)
    weight, bias = curve.around(means, middle)
    return replace(
        head,
        weight=head.weight + weight.reshape(-1, size),
        bias=head.bias + (bias + volumes).reshape(-1),
        placements=placements,
        curve=curve,
    )
