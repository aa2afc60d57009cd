"""From a recipe and recordings to an artefact: main weights, weights for each fold of people, graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.emg.files.recordings import Recording
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import CARD, WEIGHTS, Artefact, weights_bytes
from app.inference.manifest import Manifest
from app.inference.networks import Classifier, build_for, load_arrays, state_arrays
from app.learning.alignment import canonical
from app.learning.batches import Windows
from app.learning.datasets import Dataset, read
from app.learning.memory import fold_file
from app.learning.progress import Progress
from app.learning.recipes import Recipe
from app.learning.training import Progressed, Trainer

CALIBRATING = 512  # windows that set the scales of the int8 graph
EVERY = 5  # every fifth window is enough for statistics


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One training: who teaches, who stops it, who is never seen."""

    name: str
    people: tuple[int, ...]
    apart: tuple[int, ...]
    held: tuple[int, ...]


def runs(people: int, folds: int, apart: int, seed: int, sets: Sequence[int] = ()) -> list[Run]:
    """Return the training on all people, then one for each fold of people it must not see.

    `sets` says how many people each set of recordings has, one after the other: folds share out those of each set.

    Raises:
        DataError: too few people for that.
    """
    if people < max(folds, 1) + apart:
        raise DataError(f"{people} people are too few for {folds} folds and {apart} people kept apart")
    chance, sizes = np.random.default_rng(seed), sets or (people,)
    ends = np.cumsum(sizes)
    order = np.concatenate(
        [end - size + chance.permutation(size) for end, size in zip(ends, sizes, strict=True)]
    ).tolist()
    groups = [sorted(order[k::folds]) for k in range(folds)]
    found = []
    for name, held in [("main", []), *((f"fold{k}", group) for k, group in enumerate(groups))]:
        rest = [person for person in order if person not in held]
        found.append(Run(name=name, people=tuple(rest[apart:]), apart=tuple(rest[:apart]), held=tuple(held)))
    return found


def train(
    recipe: Recipe, recordings: Sequence[Recording], work: Path, progress: Progress, only: Sequence[str] = ()
) -> tuple[Manifest, Dataset, dict[str, Classifier]]:
    """Train every run (or those in `only`), resuming from checkpoints in `work`."""
    draft = recipe.draft()
    data = read(recordings, draft)
    main, *folds = runs(len(recordings), recipe.folds, recipe.apart, recipe.schedule.seed, recipe.sets)
    manifest = with_statistics(draft, data, main.people)
    networks, log = {}, {}
    for run in (main, *folds):
        if only and run.name not in only:
            continue
        own = with_statistics(draft, data, run.people)
        known = canonical(data, (*run.people, *run.apart)) if recipe.ring else data
        windows = Windows(known, own.mean, own.std)
        torch.manual_seed(recipe.schedule.seed)
        networks[run.name] = build_for(own)
        trainer = Trainer(networks[run.name], windows, run.people, run.apart, recipe.schedule)
        log[run.name] = _report(data, run, own, trainer.run(work / f"{run.name}.pt", progress))
    training = {
        "dataset": recipe.dataset,
        "licence": recipe.licence,
        "split": f"{recipe.folds} folds over people" if recipe.folds else "all people",
        "seed": recipe.schedule.seed,
        "epochs": recipe.schedule.epochs,
        "windows_per_epoch": recipe.schedule.windows,
        "hashes": _flat(data.hashes) if recipe.folds else [],
        "runs": log,
    }
    return replace(manifest, training=training), data, networks


def write(
    path: Path,
    manifest: Manifest,
    data: Dataset,
    networks: dict[str, Classifier],
    graphs: bool = True,
    replacing: bool = False,
) -> Artefact:
    """Return the artefact's folder; its model card stays, its metrics do not: they were those of other weights.

    Raises:
        ArtefactError: there is one already, and it is not to be replaced.
    """
    from app.learning.export import export

    files: dict[str, bytes | Path] = {WEIGHTS: weights_bytes(state_arrays(networks["main"]))}
    for name, network in networks.items():
        if name != "main":
            files[fold_file(name)] = weights_bytes(state_arrays(network))
    if graphs:
        files.update(export(networks["main"], manifest, graph_windows(manifest, data)))
    if not replacing:
        return artefact.save(path, manifest, files)
    return save_beside_card(path, manifest, files)


def save_beside_card(path: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Artefact:
    """Write the artefact in place of the one that is there, whose README.md stays."""
    card = path / CARD
    text = card.read_bytes() if card.is_file() else None
    return artefact.save(path, manifest, files, replacing=True, card=text)


def network_of(model: Artefact, file: str = WEIGHTS) -> Classifier:
    """Return the trained network of an artefact, from one of its weights files."""
    network = build_for(model.manifest)
    load_arrays(network, model.weights(file))
    return network.eval()


def with_statistics(draft: Manifest, data: Dataset, people: Iterable[int]) -> Manifest:
    """Return the manifest with what those people's data says of amplitudes: every person counts alike.

    One deviation holds for all channels, so that a turned ring is the same signal. Nobody else is looked at: the
    level of a person who is held out is part of what the weights are not to know.
    """
    rms, means, squares = [], [], []
    for person in people:
        rows = data.rows_of([person])[::EVERY]
        emg = data.windows(rows).astype(np.float64)
        level = np.sqrt(np.square(emg).mean(axis=1)).mean(axis=1)
        resting = data.label[rows] == data.rest
        rms.append((level[resting].mean(), level[~resting].mean()))
        means.append(emg.mean(axis=(0, 1)))
        squares.append(emg.var(axis=(0, 1)))
    rest, active = np.mean(rms, axis=0).tolist()
    deviation = np.sqrt(np.mean(squares))
    return replace(
        draft,
        mean=np.mean(means, axis=0).astype(np.float32),
        std=np.full(draft.channels, deviation, np.float32),
        rest_rms=rest,
        active_rms=active,
    )


def graph_windows(manifest: Manifest, data: Dataset, count: int = CALIBRATING) -> Any:
    """Normalised windows of all classes and people, (count, reads, channels)."""
    groups = data.person * len(data.classes) + data.label
    order = np.random.default_rng(0).permutation(len(groups))
    _, number, size = np.unique(groups[order], return_inverse=True, return_counts=True)
    weight = 1.0 / size[number.reshape(-1)]
    rows = np.random.default_rng(1).choice(order, count, replace=True, p=weight / weight.sum())
    return Windows(data, manifest.mean, manifest.std).take(torch.from_numpy(rows)).numpy()


def _flat(hashes: Iterable[Mapping[int, str]]) -> list[str]:
    return [sha for sessions in hashes for sha in sessions.values()]


def _report(data: Dataset, run: Run, own: Manifest, state: Progressed) -> dict[str, Any]:
    return {
        "mean": [float(value) for value in own.mean],
        "std": [float(value) for value in own.std],
        "held_out": _flat(data.hashes[k] for k in run.held),
        "stopped_by": [data.people[k] for k in run.apart],
        "best_epoch": state.best_epoch,
        "balanced_accuracy_apart": round(state.scores[state.best_epoch - 1], 4),
    }
