"""From predictions to a decision: rejection, majority vote, rest when in doubt.

Majority vote over the last decisions is the post-processing of Englehart & Hudgins 2003, "A robust, real-time
control scheme for multifunction myoelectric control", IEEE Trans. Biomed. Eng. 50(7); rejection by confidence is
that of Scheme, Hudgins & Englehart 2013, "Confidence-based rejection for improved pattern recognition myoelectric
control", IEEE Trans. Biomed. Eng. 60(6).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def majority(votes: Iterable[int | None], previous: int, rest: int) -> int:
    """Return the class most of `votes` agree on. None is a rejected vote and does not count.

    A tie keeps `previous` (a hand that flickers between two gestures is worse than one that waits);
    no vote that counts means rest.
    """
    counts = Counter(vote for vote in votes if vote is not None).most_common(2)
    if not counts:
        return rest
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return previous
    return counts[0][0]


class Decider:
    """The state of one decision stream: the last `votes` predictions, and what was decided from them."""

    def __init__(self, votes: int, min_confidence: float, rest: int) -> None:
        self._votes: deque[int | None] = deque(maxlen=votes)
        self._min_confidence = min_confidence
        self._rest = rest
        self.decision = rest

    def update(self, prediction: int, confidence: float) -> int:
        """Add one prediction and return the decision (a class id)."""
        self._votes.append(prediction if confidence >= self._min_confidence else None)
        self.decision = majority(self._votes, self.decision, self._rest)
        return self.decision

    def reset(self) -> int:
        """Forget the past and fall to rest: the signal stalled, broke off, or cannot be trusted."""
        self._votes.clear()
        self.decision = self._rest
        return self.decision


def intensity(window: npt.NDArray[np.float32], rest_rms: float, active_rms: float) -> float:
    """Contraction level 0..1 of a filtered window (length, channels).

    The window's RMS, mean over the channels, between the model's levels of rest (0) and of a full gesture (1).
    Amplitude as a proportional control signal: Fougner et al. 2012, "Control of upper limb prostheses:
    terminology and proportional myoelectric control - a review", IEEE Trans. Neural Syst. Rehabil. Eng. 20(5).
    """
    rms = float(np.sqrt(np.square(window).mean(axis=0)).mean())
    return min(max((rms - rest_rms) / (active_rms - rest_rms), 0.0), 1.0)


def decision_delay_ms(
    *,
    window_ms: float,
    hop_ms: float,
    votes: int,
    filter_ms: float,
    latency_ms: float,
    montage_ms: float = 0.0,
) -> float:
    """Mean delay from the onset of a gesture to the decision for it.

    D = T_window / 2 + votes * T_hop / 2 + latency + filter delay + montage delay: the new gesture must fill half of the
    window, windows come once a hop, a majority needs half of the votes, and the filter shows the signal late, as does
    the montage's resampler where the source has another rate than the model.

    Source: Farrell & Weir 2008, "Analysis window induced controller delay for multifunctional prostheses",
    Proc. MEC'08 (Duke University handle 10161/2773); Farrell 2011, "Determining delay created by multifunctional
    prosthesis controllers", J. Rehabil. Res. Dev. 48(6). The group delays are added to theirs.
    """
    return window_ms / 2 + votes * hop_ms / 2 + latency_ms + filter_ms + montage_ms
