"""A dataset as tensors: normalised windows on request, drawn so that every class and person counts alike."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from app.inference.manifest import Statistics
from app.inference.networks import Classifier, folded
from app.learning.datasets import Dataset, Ids

BATCH = 4096  # windows predicted at a time


class Windows:
    """The windows of a dataset, normalised with a model's statistics.

    The signal is shared, not copied: weights of several folds, each with its own statistics, look at the same one.
    """

    def __init__(self, data: Dataset, mean: Statistics, std: Statistics) -> None:
        self.data = data
        self._signal = torch.from_numpy(np.asarray(data.signal, np.float32))
        self._mean, self._std = torch.tensor(mean), torch.tensor(std)
        self._length, self._context = data.length, data.context
        self._span = torch.arange(-data.context, data.length)
        self._start, self._first = torch.from_numpy(data.start), torch.from_numpy(data.first)
        self._piece = torch.from_numpy(data.piece)
        self._latest = torch.from_numpy(data.end) - data.length
        self.label = torch.from_numpy(data.label)

    def take(self, rows: Tensor, shift: int = 0, chance: torch.Generator | None = None) -> Tensor:
        """Windows (rows, reads, channels), moved by up to `shift` samples but never out of their segment.

        Context goes back to where the unbroken signal began, as it does in a stream; before that it is the mirror.
        """
        start = self._start[rows]
        if shift:
            start = start + torch.randint(-shift, shift + 1, start.shape, generator=chance)
            start = torch.minimum(torch.maximum(start, self._first[rows]), self._latest[rows])
        return (self._signal[self._places(start, self._piece[rows])] - self._mean) / self._std

    def _places(self, start: Tensor, piece: Tensor) -> Tensor:
        """Return which samples the windows at `start` read, (rows, reads); see app.inference.history."""
        there = (start - piece + self._length)[:, None]  # samples that a stream would have
        place = (start - piece)[:, None] + self._span
        if self._context:
            place = torch.remainder(place, 2 * there)
            place = torch.where(place < there, place, 2 * there - 1 - place)
        return place + piece[:, None]

    def level(self, rows: Ids) -> float:
        """Root mean square of those windows, in deviations of the training data."""
        return float(self.take(torch.from_numpy(rows)).square().mean().sqrt())

    def logits(self, network: Classifier, rows: Ids) -> Tensor:
        """Logits (rows, classes) of a network in the form in which it is served."""
        plain = folded(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        chunks = torch.split(torch.from_numpy(rows), BATCH)
        with torch.inference_mode():
            return torch.cat([_logits(plain, self.take(chunk)) for chunk in chunks])

    def predict(self, network: Classifier, rows: Ids) -> Ids:
        """Return the class of each of those windows."""
        predicted: Ids = self.logits(network, rows).argmax(1).numpy()
        return predicted


def balanced_draw(groups: Ids, count: int, chance: torch.Generator) -> Tensor:
    """`count` positions in `groups`, each group as often as any other, windows of a group alike."""
    _, number, size = np.unique(groups, return_inverse=True, return_counts=True)
    weight = torch.from_numpy(1.0 / size[number.reshape(-1)])
    return torch.multinomial(weight, count, replacement=True, generator=chance)


def _logits(network: nn.Module, windows: Tensor) -> Tensor:
    answer = network(windows)
    logits: Tensor = answer[0] if isinstance(answer, tuple) else answer
    return logits
