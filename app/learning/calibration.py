"""A pooled model made one person's own, from one short recording.

First the network is turned to how the ring of electrodes sits, then all of it takes a few small steps on the
person's windows, then its head is replaced by the closed form: linear discriminant analysis of what the
network now makes of them. docs/models.md says what each is worth.

Source of the closed form on deep features: Kornblith, Shlens, Le, "Do better ImageNet models transfer
better?", CVPR 2019, arXiv:1805.08974 (a linear classifier on frozen features as the measure of transfer);
the discriminant is that of app.learning.lda, regularised towards independent features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.inference.networks import Classifier
from app.learning.alignment import by_labels, turned
from app.learning.augmentation import OWN_SESSION, OWN_SESSIONS, Augmentation
from app.learning.batches import Windows, balanced_draw
from app.learning.datasets import Ids
from app.learning.progress import Progress, silently

STEPS = 60
BATCH = 256
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
SMOOTHING = 0.05  # of the labels: people do not start and stop exactly where the labels say
SHRINKAGE = 0.1  # of the features' covariance towards its diagonal
RIDGE = 1e-3  # of the mean variance, added to it: a feature may be silent
COPIES = 4  # augmented copies of every window behind the closed form


def calibrate(
    network: Classifier, windows: Windows, rows: Ids, seed: int = 0, progress: Progress = silently
) -> Classifier:
    """Return a copy of `network` adapted to those windows of one person; the same architecture, nothing added.

    Every class must be among `rows`; a session counts as much as another, and a class as another.
    """
    adapted = turned(network, by_labels(network, windows, rows))
    several = len(np.unique(windows.data.session[rows])) > 1
    changes = OWN_SESSIONS if several else OWN_SESSION
    chance = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():  # dropout draws from the global generator
        torch.manual_seed(seed)
        _fine_tune(adapted, windows, rows, changes, chance, progress)
    _set_head(adapted, windows, rows, changes, chance)
    return adapted.eval()


def _fine_tune(
    network: Classifier,
    windows: Windows,
    rows: Ids,
    changes: Augmentation,
    chance: torch.Generator,
    progress: Progress,
) -> None:
    data = windows.data
    groups = data.session[rows] * len(data.classes) + data.label[rows]
    drawn = torch.from_numpy(rows)[balanced_draw(groups, STEPS * BATCH, chance)]
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=STEPS + 1, pct_start=0.1
    )
    network.train()
    batches = torch.split(drawn, BATCH)
    for k in progress(range(len(batches)), len(batches), "calibrate"):
        batch = batches[k]
        emg = changes(windows.take(batch, changes.shift, chance), chance)
        logits = network.head(network.features(emg))
        loss = functional.cross_entropy(logits, windows.label[batch], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()


@torch.no_grad()
def _set_head(
    network: Classifier, windows: Windows, rows: Ids, changes: Augmentation, chance: torch.Generator
) -> None:
    """Replace the linear head by the discriminant of the network's features, with equal priors."""
    network.eval()
    every = torch.from_numpy(rows).repeat(COPIES)
    features = torch.cat(
        [
            network.features(changes(windows.take(some, changes.shift, chance), chance))
            for some in torch.split(every, BATCH * 16)
        ]
    ).double()
    weight, bias = _discriminant(features, windows.label[every], len(windows.data.classes))
    nn.init.zeros_(network.head.weight).add_(weight.float())
    nn.init.zeros_(network.head.bias).add_(bias.float())


def _discriminant(features: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weights (classes, features) and biases (classes,)."""
    of_class = [features[label == k] for k in range(classes)]
    means = torch.stack([rows.mean(0) for rows in of_class])
    within = torch.stack([torch.cov(rows.T, correction=0) for rows in of_class]).mean(0)
    variance = within.diagonal()
    within = (1 - SHRINKAGE) * within + torch.diag(SHRINKAGE * variance + RIDGE * variance.mean() + 1e-12)
    weight = torch.linalg.solve(within, means.T)  # (features, classes)
    return weight.T, -0.5 * (means.T * weight).sum(0)
