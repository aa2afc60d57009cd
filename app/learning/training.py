"""Training on many people at once, stopped by people kept apart, resumed where it was cut off."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app import private_files
from app.inference.networks import Classifier, convolutional
from app.learning.augmentation import WITHIN_SESSION, Augmentation
from app.learning.batches import Windows, balanced_draw
from app.learning.datasets import Ids
from app.learning.metrics import Scores, confusion
from app.learning.progress import Progress

WARM_UP = 0.15  # of the steps
SMOOTHING = 0.1  # of the labels
# The weights that are judged and kept are a running average over some 400 steps: single epochs differ by more
# on a few people than epochs do in truth (Polyak, Juditsky, SIAM J. Control Optim. 30(4), 1992).
AVERAGING = 0.9975
# A later epoch is taken unless it is worse by more than this: so few people cannot tell smaller differences,
# and features trained for longer calibrate better (docs/models.md).
UNDECIDED = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how hard to train."""

    epochs: int = 12
    windows: int = 65_536  # an epoch, equally many of every class of every person
    batch: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    own_heads: float = 0.7  # share of the loss that goes through the sessions' own heads
    patience: int = 6  # epochs that are worse on the people kept apart
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


@dataclass(slots=True)
class Progressed:
    """What is known after an epoch; saved, so that training goes on from here."""

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)


class Trainer:
    """One network, the people it learns from and those who stop it.

    Half of each batch goes through the network's own head, in the augmentation for people never seen; the
    other half through a linear head of its own for each session, in the milder augmentation of one session.
    So the features also learn what separates gestures within a person, which one head for all cannot use;
    calibration does. The sessions' heads are thrown away.
    (Hard parameter sharing: Caruana, "Multitask learning", Machine Learning 28, 1997.)
    """

    def __init__(
        self,
        network: Classifier,
        windows: Windows,
        people: Sequence[int],
        apart: Sequence[int],
        schedule: Schedule,
    ) -> None:
        self.network, self.windows = convolutional(network), windows
        self.schedule, self.apart = schedule, apart
        data = windows.data
        self._rows = data.rows_of(people)
        self._groups = data.person[self._rows] * len(data.classes) + data.label[self._rows]
        sessions, own = np.unique(np.column_stack([data.person, data.session]), axis=0, return_inverse=True)
        self._session = torch.from_numpy(own.reshape(-1))
        self._chance = torch.Generator().manual_seed(schedule.seed)
        self.own_heads = nn.Parameter(
            torch.zeros(len(sessions), network.head.in_features + 1, len(data.classes))
        )
        parameters = [*network.parameters(), self.own_heads]
        self._optimiser = torch.optim.AdamW(
            parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self._batches = schedule.windows // schedule.batch
        self._rate = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            schedule.learning_rate,
            total_steps=schedule.epochs * self._batches + 1,
            pct_start=WARM_UP,
        )
        self.state = Progressed()
        self._steps = 0
        self._average = copy.deepcopy(network)

    def run(self, checkpoint: Path | None, progress: Progress) -> Progressed:
        """Train to the end, or until the people kept apart stop it; the network gets its best weights."""
        if checkpoint is not None and checkpoint.is_file():
            self._resume(checkpoint)
        while not self._done():
            self._epoch(progress)
            if checkpoint is not None:
                self._save(checkpoint)
        self.network.load_state_dict(self.state.best_state)
        self.network.eval()
        return self.state

    def _done(self) -> bool:
        state = self.state
        stale = bool(self.apart) and state.epoch - state.best_epoch >= self.schedule.patience
        return state.epoch >= self.schedule.epochs or stale

    def _epoch(self, progress: Progress) -> None:
        self.network.train()
        self._steps = 0
        torch.manual_seed(self.schedule.seed * 1000 + self.state.epoch)  # dropout; the same after a resume
        drawn = balanced_draw(self._groups, self._batches * self.schedule.batch, self._chance)
        rows = torch.split(torch.from_numpy(self._rows)[drawn], self.schedule.batch)
        for k in progress(range(len(rows)), self._batches, f"epoch {self.state.epoch + 1}"):
            self._optimiser.zero_grad()
            self._loss(rows[k]).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self._optimiser.step()
            self._rate.step()
            self._follow()
        self._judge()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights (and normalisation statistics) a little towards the newest."""
        taken = self._batches * self.state.epoch + self._steps
        self._steps += 1
        keep = min(AVERAGING, (1 + taken) / (10 + taken))  # the first steps are soon forgotten
        newest = self.network.state_dict()
        for name, value in self._average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(newest[name], 1 - keep)

    def _loss(self, rows: Tensor) -> Tensor:
        schedule, chance = self.schedule, self._chance
        half = len(rows) // 2
        emg = self.windows.take(rows, schedule.augmentation.shift, chance)
        emg = torch.cat([schedule.augmentation(emg[:half], chance), WITHIN_SESSION(emg[half:], chance)])
        features, label = self._features(emg), self.windows.label[rows]
        common = functional.cross_entropy(
            self.network.head(features[:half]), label[:half], label_smoothing=SMOOTHING
        )
        heads = self.own_heads[self._session[rows[half:]]]  # (batch, features + 1, classes)
        logits = torch.einsum("bf,bfk->bk", features[half:], heads[:, :-1]) + heads[:, -1]
        own = functional.cross_entropy(logits, label[half:], label_smoothing=SMOOTHING)
        return (1 - schedule.own_heads) * common + schedule.own_heads * own

    def _features(self, emg: Tensor) -> Tensor:
        """Spiking networks run for a random number of steps: a request may ask for one as for eight."""
        dropout = nn.functional.dropout
        if self.network.spiking:
            steps = 2 ** int(torch.randint(0, 4, (), generator=self._chance))
            return self.network.features(emg, steps)  # type: ignore[call-arg]  # of a spiking network alone
        return dropout(self.network.features(emg), self.network.shape.dropout, training=True)

    def _judge(self) -> None:
        """Score the people kept apart; without any, the last epoch is the best."""
        state = self.state
        state.epoch += 1
        score = (
            balanced_accuracy(self._average, self.windows, self.apart) if self.apart else float(state.epoch)
        )
        state.scores.append(score)
        state.best = max(state.best, score)
        if score >= state.best - UNDECIDED:
            state.best_epoch = state.epoch
            state.best_state = copy.deepcopy(self._average.state_dict())

    def _save(self, path: Path) -> None:
        private_files.make_folder(path.parent)
        temporary = path.with_suffix(".tmp")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self._average.state_dict(),
                "own_heads": self.own_heads.data,
                "optimiser": self._optimiser.state_dict(),
                "rate": self._rate.state_dict(),
                "chance": self._chance.get_state(),
                "state": {name: getattr(self.state, name) for name in Progressed.__slots__},
            },
            temporary,
        )
        temporary.replace(path)

    def _resume(self, path: Path) -> None:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self._average.load_state_dict(saved["average"])
        self.own_heads.data.copy_(saved["own_heads"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self._rate.load_state_dict(saved["rate"])
        self._chance.set_state(saved["chance"])
        self.state = Progressed(**saved["state"])


def balanced_accuracy(network: Classifier, windows: Windows, people: Sequence[int]) -> float:
    """Mean over those people, the model as it is."""
    data = windows.data
    scores = []
    for person in people:
        rows: Ids = data.rows_of([person])
        table = confusion(data.label[rows], windows.predict(network, rows), len(data.classes))
        scores.append(Scores(table, data.rest).balanced_accuracy)
    return float(np.mean(scores))
