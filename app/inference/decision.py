"""From predictions to a decision: rejection, hysteresis, majority vote, rest when in doubt.

Majority vote over the last decisions is the post-processing of Englehart & Hudgins 2003, "A robust, real-time
control scheme for multifunction myoelectric control", IEEE Trans. Biomed. Eng. 50(7); rejection by confidence is
that of Scheme, Hudgins & Englehart 2013, "Confidence-based rejection for improved pattern recognition myoelectric
control", IEEE Trans. Biomed. Eng. 60(6).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.inference.decision_rule import DecisionRule


def majority(votes: Iterable[int | None], previous: int, rest: int) -> int:
    """Return the class most of `votes` agree on. None is a rejected vote and does not count.

    A tie keeps `previous` (a hand that flickers between two gestures is worse than one that waits);
    no vote that counts means rest.
    """
    counts: dict[int, int] = {}
    for vote in votes:
        if vote is not None:
            counts[vote] = counts.get(vote, 0) + 1
    if not counts:
        return rest
    most = max(counts.values())
    ahead = [vote for vote, count in counts.items() if count == most]
    return ahead[0] if len(ahead) == 1 else previous


class Hysteresis:
    """A gesture that begins at the probability `enter` and lasts until its own is below `leave`.

    Then another gesture follows at `change`, or rest. Without `enter` a gesture begins with any prediction; without
    `leave` it lasts as long as it is the prediction; without `change` another one needs what the first one did.
    """

    def __init__(self, enter: float | None, leave: float | None, change: float | None, rest: int) -> None:
        self._enter = 0.0 if enter is None else enter
        self._change = self._enter if change is None else change
        self._leave, self._rest = leave, rest
        self.held = rest

    def update(self, prediction: int, probabilities: Sequence[float]) -> int:
        """Return the class that is held after one more window: rest, or a gesture."""
        if not self._lasts(prediction, probabilities):
            needed = self._enter if self.held == self._rest else self._change
            self.held = prediction if probabilities[prediction] >= needed else self._rest
        return self.held

    def reset(self) -> None:
        """Let go of what is held."""
        self.held = self._rest

    def _lasts(self, prediction: int, probabilities: Sequence[float]) -> bool:
        if self.held == self._rest:
            return False
        if self._leave is None:
            return prediction == self.held
        return probabilities[self.held] >= self._leave


class Decider:
    """The state of one decision stream: the last `votes` windows, and what was decided from them.

    A window's vote is its prediction; with `enter`, `leave` or `change` it is what `Hysteresis` holds after it.
    """

    def __init__(self, rule: DecisionRule, rest: int) -> None:
        self._votes: deque[int | None] = deque(maxlen=rule.votes)
        self._min_confidence = rule.min_confidence
        self._rest = rest
        off = rule.enter is None and rule.leave is None and rule.change is None
        self._hysteresis = None if off else Hysteresis(rule.enter, rule.leave, rule.change, rest)
        self.decision = rest

    def update(
        self, prediction: int, confidence: float, probabilities: Sequence[float] = (), unknown: bool = False
    ) -> int:
        """Add one prediction and return the decision (a class id).

        `probabilities` (classes,) are for hysteresis; an `unknown` window is none of the classes, and no vote.
        """
        self._votes.append(self._vote(prediction, confidence, probabilities, unknown))
        self.decision = majority(self._votes, self.decision, self._rest)
        return self.decision

    def reset(self) -> int:
        """Forget the past and fall to rest: the signal stalled, broke off, or cannot be trusted."""
        self._votes.clear()
        if self._hysteresis is not None:
            self._hysteresis.reset()
        self.decision = self._rest
        return self.decision

    def _vote(
        self, prediction: int, confidence: float, probabilities: Sequence[float], unknown: bool
    ) -> int | None:
        if not unknown and confidence >= self._min_confidence:
            if self._hysteresis is None:
                return prediction
            return self._hysteresis.update(prediction, probabilities)
        if self._hysteresis is not None:
            self._hysteresis.reset()  # rest when in doubt
        return None


def intensity(window: npt.NDArray[np.float32], rest_rms: float, active_rms: float) -> float:
    """Contraction level 0..1 of a filtered window (length, channels).

    The window's RMS, mean over the channels, between the model's levels of rest (0) and of a full gesture (1).
    Amplitude as a proportional control signal: Fougner et al. 2012, "Control of upper limb prostheses:
    terminology and proportional myoelectric control - a review", IEEE Trans. Neural Syst. Rehabil. Eng. 20(5).
    """
    return intensity_of(channel_powers(window), rest_rms, active_rms)


def channel_powers(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mean square of each channel of a window (length, channels), (channels,)."""
    found: npt.NDArray[np.float32] = _shares(len(window)) @ np.square(window)  # a fifth of what `mean` takes
    return found


def intensity_of(powers: npt.NDArray[np.float32], rest_rms: float, active_rms: float) -> float:
    """Return the contraction level of a window of those mean squares (channels,); see `intensity`."""
    rms = float(np.sqrt(powers).sum()) / len(powers)
    return min(max((rms - rest_rms) / (active_rms - rest_rms), 0.0), 1.0)


@lru_cache(maxsize=16)
def _shares(length: int) -> npt.NDArray[np.float32]:
    return np.full(length, 1 / length, np.float32)


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
