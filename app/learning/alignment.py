"""Where the ring of electrodes sits on the arm: one roll and one gain a session, with or without labels.

People put an armband on turned by one electrode, or two; then channel 1 is another muscle. With labels the
turn is seen in which channels each gesture excites. Without labels it is the one with which the network is
sure of each window and yet sees all its classes: information maximisation, Bridle, Heading, MacKay,
"Unsupervised classifiers, mutual information and 'phantom targets'", NIPS 1991.

A turn and a gain go into the weights of a network's first layer, so an aligned network has the parent's form
and costs nothing more.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.inference.networks import Classifier, convolutional
from app.learning.batches import Windows
from app.learning.datasets import Dataset, Ids

Profiles = npt.NDArray[np.float64]

QUIET = 0.5  # counts, below the noise of a channel at rest; keeps a logarithm finite
ROUNDS = 20  # of turning everyone to the mean of the others; it settles after three or four
MOST = 800  # windows of a session are enough to find its turn
FARTHEST = 4  # electrodes, either way
GAINS = (0.7, 1.0, 1.4)
FAR = 0.02  # nats that a turn must be better by for each electrode


@dataclass(frozen=True, slots=True)
class Alignment:
    """Channel c of what a network sees is `gain` times channel c - `roll` of the signal."""

    roll: int = 0  # electrodes
    gain: float = 1.0


def turned(network: Classifier, alignment: Alignment) -> Classifier:
    """Return a copy of a network that aligns its own input."""
    twin = convolutional(copy.deepcopy(network))
    with torch.no_grad():
        twin.entry.weight.copy_(torch.roll(twin.entry.weight, -alignment.roll, 1) * alignment.gain)
    return twin


def by_labels(network: Classifier, windows: Windows, rows: Ids) -> Alignment:
    """With what alignment the network finds those labels most likely, every class alike."""
    label, emg = _some(windows, rows)
    weight = 1.0 / torch.bincount(label, minlength=len(windows.data.classes))[label]

    def likelihood(alignment: Alignment) -> float:
        found = _logits(network, emg, alignment).log_softmax(1)
        return float((found.gather(1, label[:, None])[:, 0] * weight).sum())

    return max((Alignment(r, g) for r, g in product(_rolls(emg), GAINS)), key=likelihood)


def without_labels(network: Classifier, windows: Windows, rows: Ids) -> Alignment:
    """Return what those windows of one session say by themselves; every gesture should be among them.

    The gain goes half of the way to the training data's level: how strongly somebody acts is real, too.
    """
    _, emg = _some(windows, rows)
    gain = float(1 / np.sqrt(max(windows.level(rows), 1e-6)))

    def information(roll: int) -> float:
        found = _logits(network, emg, Alignment(roll)).softmax(1)
        return _entropy(found.mean(0)) - _entropy(found) - FAR * abs(roll)

    return Alignment(max(_rolls(emg), key=information), gain)


def canonical(data: Dataset, people: Sequence[int]) -> Dataset:
    """Return the dataset with the ring of each session of `people` turned to where it is like the others'.

    Uses their labels; everyone else's signal stays as it is.
    """
    sessions = [
        (who, number) for who in people for number in np.unique(data.session[data.rows_of([who])]).tolist()
    ]
    profiles = np.stack([_profile(data, *session) for session in sessions])
    rolls = _agreed(profiles, np.array([who for who, _ in sessions]))
    signal = data.signal.copy()
    for (who, number), roll in zip(sessions, rolls.tolist(), strict=True):
        rows = np.flatnonzero((data.person == who) & (data.session == number))
        for first, end in np.unique(np.column_stack([data.first[rows], data.end[rows]]), axis=0).tolist():
            signal[first:end] = np.roll(signal[first:end], roll, axis=1)
    return replace(data, signal=signal)


def _profile(data: Dataset, who: int, session: int) -> Profiles:
    """How much more each channel is excited by each gesture than at rest, (classes, channels), unit norm."""
    here = (data.person == who) & (data.session == session)
    found = np.zeros((len(data.classes), data.signal.shape[1]))
    for k in range(len(data.classes)):
        rows = np.flatnonzero(here & (data.label == k))
        if len(rows):
            emg = data.windows(rows).astype(np.float64)
            level = np.abs(emg - emg.mean(1, keepdims=True)).mean(1)
            found[k] = np.log(level + QUIET).mean(0)
    seen = np.array([bool((here & (data.label == k)).any()) for k in range(len(data.classes))])
    found[seen] -= found[data.rest] if seen[data.rest] else found[seen].mean(0)
    found[seen] -= found[seen].mean(1, keepdims=True)
    return found / max(float(np.linalg.norm(found)), 1e-9)


def _agreed(profiles: Profiles, person: Ids) -> Ids:
    """Return the roll of each profile that brings it nearest to the mean of the other people's."""
    channels = profiles.shape[2]
    rolls = np.zeros(len(profiles), np.int64)
    for _ in range(ROUNDS):
        now = np.stack([np.roll(one, roll, 1) for one, roll in zip(profiles, rolls, strict=True)])
        after = rolls.copy()
        for who in np.unique(person):
            others = now[person != who].sum(0)
            for k in np.flatnonzero(person == who):
                likeness = [float((np.roll(profiles[k], roll, 1) * others).sum()) for roll in range(channels)]
                after[k] = int(np.argmax(likeness))
        if (after == rolls).all():
            break
        rolls = after
    return rolls


def _some(windows: Windows, rows: Ids) -> tuple[Tensor, Tensor]:
    """Labels and windows of at most MOST of them, evenly taken."""
    some = torch.from_numpy(rows[:: max(1, len(rows) // MOST)])
    return windows.label[some], windows.take(some)


def _rolls(emg: Tensor) -> list[int]:
    """Return the turns of a ring that are tried, small ones first: max() takes the first of equals."""
    channels = emg.shape[2]
    least, most = max(-(channels // 2), -FARTHEST), min((channels - 1) // 2, FARTHEST)
    return sorted(range(least, most + 1), key=abs)


@torch.no_grad()
def _logits(network: Classifier, emg: Tensor, alignment: Alignment) -> Tensor:
    network.eval()
    answer = network(torch.roll(emg, alignment.roll, 2) * alignment.gain)
    logits: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return logits


def _entropy(probabilities: Tensor) -> float:
    """Mean over the rows, in nats."""
    nats = -(probabilities * probabilities.clamp_min(1e-9).log()).sum(-1)
    return float(nats.mean())
