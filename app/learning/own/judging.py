"""How good a model of one's own is on repetitions left out of learning, beside the classic baseline and chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.learning import lda
from app.learning.covariance.head import fit_head
from app.learning.metrics import Confusion, confusion
from app.learning.own.joined import Ids
from app.learning.own.teaching import Taught, changed, fitted
from app.learning.own.windows import OwnWindows, scale_of

Doubles = npt.NDArray[np.float64]

MOST_FOLDS = 8  # with more repetitions several are left out at once
DRAWS = 1000  # of the interval
SHUFFLES = 16  # in all folds together; a single permutation of few classes says little
INTERVAL = (0.025, 0.975)
# What later repetitions give differs from those judged by more than their own spread: within a lesson people do a
# gesture much the same way, and two repetitions without a mistake do not say that there will be none. So a repetition
# is worth less than one draw, and each class borrows from all. Chosen on myo-readings (25 people, 3 sessions, 3 to 8
# classes, 2 and 3 repetitions, with and without a base): the interval holds what the others give in 94 of 100 lessons,
# where drawing the repetitions again did in 57.
WORTH = 0.7  # draws
BORROWED = 0.5  # draws, of the mean of all classes
SUREST = 0.98  # the most that this mean is taken for
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """Figures of windows whose repetition was left out of learning, statistics included."""

    classes: tuple[str, ...]
    confusion: Confusion  # of what was tested; a class with one repetition has none
    balanced_accuracy: float
    interval: tuple[float, float]  # 95 %, of what later repetitions give
    lda: float  # Hudgins' features, the same windows
    chance: float  # the same model taught with the labels of stretches shuffled
    repetitions: int  # of the class that has fewest among those tested
    windows: int
    logits: Doubles  # (windows, classes) of those left out
    label: Ids
    repetition: Ids
    baseline: Ids  # what the classic baseline predicts of them

    @property
    def recall(self) -> list[float | None]:
        """Of each class; None where it could not be tested."""
        totals = self.confusion.sum(1)
        return [float(self.confusion[k, k] / n) if n else None for k, n in enumerate(totals)]


def judged(windows: OwnWindows, model: Taught, taught: Ids, test: Ids) -> Judgement:
    """Return how good a model is that some windows taught, on others; `chance` is what guessing gives."""
    guessing = 1 / len(np.unique(windows.label[test]))
    baseline = _baseline(windows, model, taught, test)
    return _judgement(windows, test, model.logits(windows.moments[test]), baseline, guessing)


def judged_in_turn(windows: OwnWindows, teach: Callable[[Ids], Taught]) -> Judgement | None:
    """Return how good models are each of which was taught without a repetition, on that; None where there is but one.

    `chance` is what guessing gives.
    """
    parts = folds(windows)
    if not parts:
        return None
    logits, predicted = [], []
    for taught, test in parts:
        model = teach(taught)
        logits.append(model.logits(windows.moments[test]))
        predicted.append(_baseline(windows, model, taught, test))
    rows = np.concatenate([test for _, test in parts])
    guessing = 1 / len(np.unique(windows.label[rows]))
    return _judgement(windows, rows, np.concatenate(logits), np.concatenate(predicted), guessing)


def folds(windows: OwnWindows) -> list[tuple[Ids, Ids]]:
    """Return (taught, tested) rows: each fold leaves one repetition of every class out that has two at least."""
    several = np.zeros(len(windows), bool)
    place = np.zeros(len(windows), np.int64)
    for k in range(len(windows.joined.classes)):
        own = np.flatnonzero(windows.label == k)
        numbers, where = np.unique(windows.repetition[own], return_inverse=True)
        several[own] = len(numbers) > 1
        place[own] = where % MOST_FOLDS
    count = int(place[several].max(initial=0)) + 1 if several.any() else 0
    parts = [several & (place == k) for k in range(count)]
    return [(np.flatnonzero(~part), np.flatnonzero(part)) for part in parts if part.any()]


def judge(windows: OwnWindows) -> Judgement | None:
    """Return how good the model is; None where no class has two repetitions."""
    parts = folds(windows)
    if not parts:
        return None
    logits, predicted, by_chance = [], [], []
    for taught, test in parts:
        scale = scale_of(windows, taught)
        features = scale.features(windows.moments)
        copies = scale.features(changed(windows, taught, scale))
        model = fitted(windows, taught, scale, features[taught], copies)
        logits.append(model.head.logits(features[test]))
        predicted.append(_baseline(windows, model, taught, test))
        by_chance += [
            _by_chance(windows, features, taught, test, seed) for seed in range(-(-SHUFFLES // len(parts)))
        ]
    rows = np.concatenate([test for _, test in parts])
    return _judgement(
        windows, rows, np.concatenate(logits), np.concatenate(predicted), float(np.mean(by_chance))
    )


def _judgement(windows: OwnWindows, rows: Ids, logits: Doubles, baseline: Ids, chance: float) -> Judgement:
    """Return the figures of those windows, of which a model said `logits` and the baseline predicted that."""
    classes, label, predicted = windows.joined.classes, windows.label[rows], logits.argmax(1)
    repetition = windows.repetition[rows]
    tables = tables_of(label, predicted, repetition, len(classes))
    return Judgement(
        classes=classes,
        confusion=confusion(label, predicted, len(classes)),
        balanced_accuracy=balanced(label, predicted),
        interval=interval_of(tables),
        lda=balanced(label, baseline),
        chance=chance,
        repetitions=min(len(table) for table in tables),
        windows=len(rows),
        logits=logits,
        label=label,
        repetition=repetition,
        baseline=baseline,
    )


def _baseline(windows: OwnWindows, model: Taught, taught: Ids, test: Ids) -> Ids:
    """Return what discriminant analysis of Hudgins' features predicts."""
    threshold = float(np.sqrt(model.scale.parameters.floor) * np.median(model.scale.std))
    features = [lda.hudgins(windows.recent(rows), threshold) for rows in (taught, test)]
    return lda.fit(features[0], windows.label[taught]).predict(features[1])


def _by_chance(windows: OwnWindows, features: Doubles, taught: Ids, test: Ids, seed: int) -> float:
    """Return the balanced accuracy of a head that was taught with labels that changed places.

    Whole repetitions change places: neighbouring windows are nearly the same, so a shuffle of windows would leave
    nothing to learn and prove nothing.
    """
    units = np.stack([windows.label[taught], windows.repetition[taught]], 1)
    stretches, which = np.unique(units, axis=0, return_inverse=True)
    label = np.random.default_rng(seed).permutation(stretches[:, 0])[which.reshape(-1)]
    head = fit_head(features[taught], label, len(windows.joined.classes))
    return balanced(windows.label[test], head.predict(features[test]))


def balanced(label: Ids, predicted: Ids) -> float:
    """Return the mean over the gestures of how often each is found."""
    return float(np.mean([(predicted[label == k] == k).mean() for k in np.unique(label)]))


def tables_of(label: Ids, predicted: Ids, repetition: Ids, classes: int) -> list[Doubles]:
    """Return (repetitions, 2) right and all windows, of each class that was tested."""
    found = []
    for k in range(classes):
        own = label == k
        numbers = np.unique(repetition[own])
        rows = [(own & (repetition == number)) for number in numbers]
        if rows:
            found.append(np.array([((predicted[row] == k).sum(), row.sum()) for row in rows], np.float64))
    return found


def ahead_of(label: Ids, own: Ids, other: Ids, repetition: Ids) -> tuple[float, float]:
    """Return between what one model's balanced accuracy is above another's on later repetitions, in 19 of 20 lessons.

    As `interval_of`, of what only the one, only the other, and both or neither get right: that is narrower than what
    two intervals leave open, as what is hard for one is mostly hard for the other. Over the 25 people of myo-readings
    it held what later repetitions gave in 96 of 100 lessons (tests/learning/own/test_stated_lead.py).
    """
    shares, counts = [], []
    for k in np.unique(label):
        of = label == k
        mine, theirs = own[of] == k, other[of] == k
        only, lost = float(np.mean(mine & ~theirs)), float(np.mean(theirs & ~mine))
        shares.append((only, lost, 1 - only - lost))
        counts.append(len(np.unique(repetition[of])))
    stated = float(np.mean([only - lost for only, lost, _ in shares]))
    usual = np.maximum(np.mean(shares, axis=0), (1 - SUREST) / 2)
    usual /= usual.sum()
    chance = np.random.default_rng(SEED)
    ahead = []
    for share, count in zip(shares, counts, strict=True):
        drawn = chance.dirichlet(WORTH * count * np.array(share) + BORROWED * usual, DRAWS)
        ahead.append(drawn[:, 0] - drawn[:, 1])
    low, high = np.quantile(np.mean(ahead, axis=0), INTERVAL)
    return min(float(low), stated), max(float(high), stated)


def interval_of(tables: list[Doubles]) -> tuple[float, float]:
    """Return between what the balanced accuracy of later repetitions lies in 19 of 20 lessons.

    Drawn for each class from a beta distribution: what its repetitions showed, and a little of what all classes did.
    Source: Gelman et al., "Bayesian Data Analysis", 3rd ed. 2013, section 2.4, and 5.3 for a prior from other groups.
    """
    chance = np.random.default_rng(SEED)
    shares = [float(table[:, 0].sum() / table[:, 1].sum()) for table in tables]
    stated = float(np.mean(shares))
    usual = min(stated, SUREST)
    recalls = []
    for share, table in zip(shares, tables, strict=True):
        right = WORTH * len(table) * share + BORROWED * usual
        wrong = WORTH * len(table) * (1 - share) + BORROWED * (1 - usual)
        recalls.append(chance.beta(right, wrong, DRAWS) if min(right, wrong) > 0 else np.full(DRAWS, share))
    low, high = np.quantile(np.mean(recalls, axis=0), INTERVAL)
    return min(float(low), stated), max(float(high), stated)
