"""Where the comparisons of docs/models.md come from: augmentations left out, and the three networks.

    python -m benchmarks.models --data FOLDER augmentation
    python -m benchmarks.models --data FOLDER networks

Trains on the people outside a fold and judges on those in it; checkpoints go to runs/.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.inference.manifest import Manifest
from app.inference.networks import Classifier, folded
from app.learning import datasets, recipes, shipping, splits
from app.learning.batches import Windows
from app.learning.datasets import Dataset, Ids
from app.learning.evaluation import adapted, predict_aligned
from app.learning.metrics import Scores, confusion
from app.learning.recipes import Recipe
from app.learning.splits import Part

LEFT_OUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "rotation": {"roll": 0},
    "fractional rotation": {"fraction": False},
    "common gain": {"gain": 0},
    "gain per channel": {"channel_gain": 0},
    "dropped channel": {"drop": 0},
    "baseline noise": {"noise": 0},
    "time shift": {"shift": 0},
    "all of it": {"roll": 0, "gain": 0, "channel_gain": 0, "drop": 0, "noise": 0, "shift": 0},
}
STEPS = (1, 2, 4, 8)


class WindowClassifier:
    """Balanced accuracy, mean over the people that a fold holds out."""

    def __init__(self, data: Dataset, manifest: Manifest, held: Sequence[int]) -> None:
        self.data, self.windows, self.held = data, Windows(data, manifest.mean, manifest.std), held

    def unseen(self, network: Classifier) -> list[float]:
        """One figure a person, the network as it is."""
        return [
            self._score(part, self.windows.predict(network, part.test)) for part in self._parts(splits.person)
        ]

    def aligned(self, network: Classifier) -> list[float]:
        """One figure a person, each session turned by its own signal."""
        return [
            self._score(part, predict_aligned(network, self.windows, part))
            for part in self._parts(splits.person)
        ]

    def calibrated(self, network: Classifier) -> list[float]:
        """One figure a person, in their first session after its first repetition."""
        return [
            self._score(part, self.windows.predict(adapted(network, self.windows, part), part.test))
            for part in self._parts(lambda data, who: splits.calibration(data, who, 1)[:1])
        ]

    def _parts(self, split: Any) -> Iterator[Part]:
        for who in self.held:
            yield from split(self.data, who)

    def _score(self, part: Part, predicted: Ids) -> float:
        table = confusion(self.data.label[part.test], predicted, len(self.data.classes))
        return Scores(table, self.data.rest).balanced_accuracy


def trained(
    recipe: Recipe, people: Any, fold: str, work: str
) -> tuple[Manifest, Dataset, Classifier, list[int]]:
    """The network that has not seen the people of a fold, and who they are."""
    manifest, data, networks = shipping.train(recipe, people, Path("runs") / work, silent, [fold])
    runs = shipping.runs(len(people), recipe.folds, recipe.apart, recipe.schedule.seed)
    (run,) = (run for run in runs if run.name == fold)
    own = shipping.with_statistics(manifest, data, run.people)
    return own, data, networks[fold], list(run.held)


def augmentation(people: Any, folds: Sequence[str], epochs: int, only: Sequence[str]) -> None:
    """A row for each augmentation left out."""
    print("left out | unseen | unseen, aligned | one repetition")
    for name in only or LEFT_OUT:
        schedule = recipes.MYO.schedule
        schedule = replace(
            schedule, epochs=epochs, augmentation=replace(schedule.augmentation, **LEFT_OUT[name])
        )
        figures = []
        for fold in folds:
            work = f"without-{name.replace(' ', '-')}"
            found = trained(
                replace(recipes.find("myo-8ch-200hz", "power"), schedule=schedule), people, fold, work
            )
            figures.append(judged(*found))
        print(name, "|", " | ".join(f"{value:.3f}" for value in np.mean(figures, axis=0)), flush=True)


def networks(people: Any, folds: Sequence[str], epochs: int, only: Sequence[str]) -> None:
    """A row for each network, and for the spiking one a row for each number of steps."""
    print("network | parameters | operations | ms a window | spikes | unseen | aligned | one repetition")
    for name in only or ("power", "tcn", "spiking"):
        recipe = recipes.find("myo-8ch-200hz", name)
        recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=epochs))
        work = "myo-8ch-200hz" if name == "power" else f"network-{name}"
        found = [trained(recipe, people, fold, work) for fold in folds]
        for steps in STEPS if name == "spiking" else (None,):
            for _, _, network, _ in found:
                if steps is not None:
                    network.steps = steps  # type: ignore[assignment]  # of a spiking network alone
            manifest, data, network, _ = found[0]
            batch = torch.from_numpy(shipping.graph_windows(manifest, data, 256))
            figures = np.mean([judged(*one) for one in found], axis=0)
            cells = [
                f"{name}{'' if steps is None else f', {steps} steps'}",
                f"{network.parameter_count()}",
                f"{network.operations(manifest.length)}",
                f"{milliseconds(network, batch[:1]):.3f}",
                f"{spikes(network, batch):.0f}",
                *(f"{value:.3f}" for value in figures),
            ]
            print(" | ".join(cells), flush=True)


def judged(manifest: Manifest, data: Dataset, network: Classifier, held: list[int]) -> list[float]:
    judge = WindowClassifier(data, manifest, held)
    return [float(np.mean(of(network))) for of in (judge.unseen, judge.aligned, judge.calibrated)]


def milliseconds(network: Classifier, window: torch.Tensor, times: int = 300) -> float:
    """Median time of one window in PyTorch on one thread."""
    plain = folded(network)
    taken = []
    with torch.inference_mode():
        for _ in range(times):
            started = time.perf_counter()
            plain(window)
            taken.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken))


def spikes(network: Classifier, batch: torch.Tensor) -> float:
    """Mean number for one window."""
    if not network.spiking:
        return 0.0
    with torch.inference_mode():
        return float(folded(network)(batch)[1].mean())


def silent(items: Iterable[int], _total: int, _what: str) -> Iterable[int]:
    return items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["augmentation", "networks"])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--folds", nargs="+", default=["fold0", "fold1"])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--only", nargs="*", default=[], help="rows to make")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    people = datasets.load_people(chosen.data)
    table = augmentation if chosen.what == "augmentation" else networks
    table(people, chosen.folds, chosen.epochs, chosen.only)


if __name__ == "__main__":
    main()
