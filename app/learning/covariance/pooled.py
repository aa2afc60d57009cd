"""The head for people never seen, who wear the ring as people do: the discriminant of all that the pool shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.learning.covariance.head import Head, discriminant, shrunk
from app.learning.covariance.prior import Session

SHRINKAGE = 0.1


def pooled_head(sessions: Sequence[Session]) -> Head:
    """Return the head taught by those sessions, as worn; every session and every class counts alike."""
    each = np.stack([one.means for one in sessions])
    means = each.mean(0)
    apart = (each - means).reshape(-1, means.shape[1])
    within = np.mean([one.within for one in sessions], axis=0)
    return discriminant(means, shrunk(within + apart.T @ apart / len(apart), SHRINKAGE))
