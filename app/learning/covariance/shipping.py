"""From a recipe and recordings to a covariance artefact: pooled heads and priors, one of each for a fold of people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import WEIGHTS, Artefact, weights_bytes
from app.inference.covariance.features import of_moments
from app.inference.covariance.moments import Moments
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
from app.inference.networks import build_for, load_arrays
from app.learning import splits
from app.learning.confidence import fit_temperature, reject_threshold
from app.learning.covariance.head import Doubles, Ids
from app.learning.covariance.known import RING, TEMPERATURE, Confidence, prior_file
from app.learning.covariance.own import example, own_head
from app.learning.covariance.pooled import Pool, pool_of
from app.learning.covariance.prior import Prior
from app.learning.covariance.windows import moments_of
from app.learning.datasets import Dataset, read
from app.learning.export import export
from app.learning.memory import fold_file
from app.learning.operating_point import RULE
from app.learning.progress import Progress
from app.learning.recipes import Recipe
from app.learning.shipping import Run, graph_windows, runs, save_beside_card, with_statistics

CALIBRATIONS = (1, 2)  # repetitions whose heads are given a temperature by the pool
SESSIONS = 3  # of each person say how sure such heads are: who came on thirty days does not say it for all


def make(
    recipe: Recipe, recordings: Sequence[Recording], path: Path, progress: Progress, *, replacing: bool
) -> Artefact:
    """Write the artefact; its model card stays, its metrics do not: they were those of other weights.

    Raises:
        DataError: the recordings cannot teach the model.
        ArtefactError: there is one already, and it is not to be replaced.
    """
    draft = recipe.draft()
    data = read(recordings, draft)
    main, *folds = runs(len(recordings), recipe.folds, 0, recipe.schedule.seed, recipe.sets)
    found = moments_of(data, draft)
    parameters = CovarianceParameters.read(draft.hyper_parameters)
    features = of_moments(found, parameters)
    everyone = pool_of(data, features, draft, ring=recipe.ring)
    pools = {WEIGHTS: everyone} | {fold_file(run.name): everyone.without(run.held) for run in folds}
    heads = {name: its.head() for name, its in pools.items()}
    seen = [(heads[fold_file(run.name)], data.rows_of(run.held)) for run in folds]
    pooled = confidence([(head.logits(features[rows]), data.label[rows]) for head, rows in seen])
    priors = _priors_of_others(everyone)
    calibrated = [
        confidence(own_logits(data, found, parameters, priors, repetitions, progress, ring=recipe.ring))
        for repetitions in CALIBRATIONS
    ]
    manifest = replace(
        _described(recipe, draft, data, (main, *folds), calibrated), reject_below=pooled.reject_below
    )
    files = {prior_file(name): weights_bytes(its.prior().arrays()) for name, its in pools.items()}
    arrays = {name: head.tempered(pooled.temperature).arrays() for name, head in heads.items()}
    files |= {name: weights_bytes(tensors) for name, tensors in arrays.items()}
    network = build_for(manifest)
    load_arrays(network, arrays[WEIGHTS])
    files |= export(network, manifest, graph_windows(manifest, data), progress)
    save = save_beside_card if replacing else artefact.save
    return save(path, manifest, files)


def own_logits(
    data: Dataset,
    found: Moments,
    parameters: CovarianceParameters,
    priors: Mapping[int, Prior],
    repetitions: int,
    progress: Progress,
    *,
    ring: bool,
) -> list[tuple[Doubles, Ids]]:
    """Return logits and labels of each person's later repetitions, by heads of their first ones and others' priors.

    Of sessions that show every class.
    """
    answers = []
    people = sorted(priors)
    for k in progress(range(len(people)), len(people), f"{repetitions} repetitions"):
        mine = data.rows_of([people[k]])
        for session in _some(np.unique(data.session[mine])):
            here = mine[data.session[mine] == session]
            rows = splits.first_repetitions(data, here, repetitions)
            test = here[data.repetition[here] > repetitions]
            if not len(test) or np.bincount(data.label[rows], minlength=len(data.classes)).min() < 2:
                continue
            shown = example(data, found, rows)
            every = range(len(data.classes))
            head = own_head(shown, every, parameters, priors[people[k]], rest=data.rest, ring=ring)
            answers.append((head.logits(of_moments(found[test], parameters)), data.label[test]))
    return answers


def _priors_of_others(everyone: Pool) -> dict[int, Prior]:
    """Return for each person what the others are like; of two people both, since one alone is nobody to go by."""
    people = sorted({one.person for one in everyone.worn})
    if len(people) <= 2:
        return dict.fromkeys(people, everyone.prior())
    return {person: everyone.without([person]).prior() for person in people}


def _some(sessions: Ids) -> Ids:
    """Return at most SESSIONS of them, evenly spread."""
    if len(sessions) <= SESSIONS:
        return sessions
    return sessions[np.round(np.linspace(0, len(sessions) - 1, SESSIONS)).astype(np.int64)]


def confidence(answers: Sequence[tuple[Doubles, Ids]]) -> Confidence:
    """Return what makes those answers of people who did not teach mean something."""
    if not answers:
        return Confidence(TEMPERATURE, None)
    logits = np.concatenate([found for found, _ in answers])
    temperature = fit_temperature(logits, np.concatenate([label for _, label in answers]))
    return Confidence(temperature, reject_threshold(logits / temperature))


def _described(
    recipe: Recipe, draft: Manifest, data: Dataset, its: Sequence[Run], calibrated: Sequence[Confidence]
) -> Manifest:
    """Return the manifest with levels and what it was trained on; the signal stays in its units."""
    levels = with_statistics(draft, data, range(len(data.people)))
    own = {"mean": draft.mean.tolist(), "std": draft.std.tolist()}
    training = {
        "dataset": recipe.dataset,
        "licence": recipe.licence,
        "split": f"{recipe.folds} folds over people" if recipe.folds else "all people",
        "seed": recipe.schedule.seed,
        RING: recipe.ring,
        "hashes": _hashes(data, range(len(data.people))) if recipe.folds else [],
        "calibrated": [asdict(one) for one in calibrated],
        "runs": {run.name: {**own, "held_out": _hashes(data, run.held)} for run in its},
    }
    return replace(
        draft,
        rest_rms=levels.rest_rms,
        active_rms=levels.active_rms,
        decision=RULE,
        training=training,
    )


def _hashes(data: Dataset, people: Collection[int]) -> list[str]:
    return [sha for person in people for sha in data.hashes[person].values()]
