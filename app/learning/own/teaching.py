"""From labelled windows to a head: what the signal is like, features of the windows and of copies, and the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.covariance.moments import Moments
from app.learning.covariance.head import Head, fit_head
from app.learning.own.joined import Ids
from app.learning.own.windows import OwnWindows, Scale, mixed, scale_of

Doubles = npt.NDArray[np.float64]

# Copies whose context is in part another gesture's, as after a change so long ago: else a model is slow to see one.
CHANGED_S = (0.2, 1.5)
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A model before it is written."""

    scale: Scale
    head: Head

    def logits(self, found: Moments) -> Doubles:
        """Return the logits (n, classes) of windows with those moments."""
        return self.head.logits(self.scale.features(found))


def teach(windows: OwnWindows, rows: Ids) -> Taught:
    """Return the model that those windows teach, and nothing else. Every class must have two among them."""
    scale = scale_of(windows, rows)
    copies = scale.features(changed(windows, rows, scale))
    return fitted(windows, rows, scale, scale.features(windows.moments[rows]), copies)


def fitted(windows: OwnWindows, rows: Ids, scale: Scale, own: Doubles, copies: Doubles) -> Taught:
    """Return the model that features of windows, and of a copy of each, teach."""
    label = np.tile(windows.label[rows], 2)
    return Taught(scale, fit_head(np.concatenate([own, copies]), label, len(windows.joined.classes)))


def changed(windows: OwnWindows, rows: Ids, scale: Scale) -> Moments:
    """Return a copy of each of those windows, as if the gesture had just changed to its own."""
    chance = np.random.default_rng(SEED)
    age = chance.uniform(*CHANGED_S, len(rows))
    share = np.exp(-1e3 * age / scale.parameters.tau_ms)
    others = windows.moments[_partners(windows.label[rows], rows, chance)]
    return mixed(windows.moments[rows], others, share)


def _partners(label: Ids, rows: Ids, chance: np.random.Generator) -> Ids:
    """Return, for each row, one of another class."""
    found: Ids = rows.copy()
    for k in np.unique(label):
        others = rows[label != k]
        if len(others):
            found[label == k] = chance.choice(others, int((label == k).sum()))
    return found
