"""What each of an artefact's weights has seen, so that nobody is judged by what has learned from them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.errors import ArtefactError
from app.inference.artefact import CURE, WEIGHTS, Artefact
from app.inference.manifest import Manifest
from app.learning.own.hint import Hint, LearningError


def fold_file(name: str) -> str:
    """Where the weights of a fold lie in the artefact."""
    return f"folds/{name}.safetensors"


def weights_for(model: Artefact, content: Collection[str]) -> str:
    """Return the weights file that has never seen a recording, whose sessions have those content hashes.

    Raises:
        DataError: every one has.
    """
    hashes, held_out = _memory(model)
    seen = hashes.intersection(content)
    if not seen:
        return WEIGHTS
    for name, held in held_out.items():
        if seen <= held and fold_file(name) in model.manifest.files:
            return fold_file(name)
    raise _already_taught(model)


def taught_by(model: Artefact) -> set[str]:
    """Return the content hashes of the sessions whose first repetitions, or all, made it one person's own.

    Beside those of `weights_for`: later repetitions of such a session may judge it.

    Raises:
        ArtefactError: the manifest's `training` is not as we write it; somebody edited it.
    """
    found = model.manifest.training.get("taught", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ArtefactError(f"{model.path}: training.taught was edited. {CURE}")
    return set(found)


def expect_not_taught(model: Artefact, content: Collection[str]) -> None:
    """See that no session of those content hashes made the model one person's own.

    Raises:
        DataError: one has.
    """
    if not taught_by(model).isdisjoint(content):
        raise _already_taught(model)


def _already_taught(model: Artefact) -> LearningError:
    text = (
        f"{model.manifest.name} was trained on that recording and has no weights that were not; "
        "its figures would mean nothing"
    )
    return LearningError(Hint("already_taught", text, {"model": model.manifest.name}))


def manifest_of(model: Artefact, file: str = WEIGHTS) -> Manifest:
    """Return the manifest with the statistics of the people whom those weights learnt from.

    Models made before folds had statistics of their own have those of the manifest for all weights.

    Raises:
        ArtefactError: the manifest's `training` is not as we write it; somebody edited it.
    """
    manifest = model.manifest
    try:
        run = manifest.training.get("runs", {}).get(Path(file).stem, {})
        found = {
            name: np.array(run.get(name, getattr(manifest, name)), np.float32) for name in ("mean", "std")
        }
        return replace(manifest, mean=found["mean"], std=found["std"])
    except (AttributeError, TypeError, ValueError, ArtefactError):
        raise _edited(model) from None


def seen_by(model: Artefact, file: str) -> list[str]:
    """Return the content hashes of the sessions that went into those weights."""
    hashes, held_out = _memory(model)
    return sorted(hashes - held_out.get(Path(file).stem, set()))


def _memory(model: Artefact) -> tuple[set[str], dict[str, set[str]]]:
    """Return the sessions that the artefact's weights have seen, and those that each run has not.

    Raises:
        ArtefactError: the manifest's `training` is not as we write it; somebody edited it.
    """
    training = model.manifest.training
    try:
        runs = {name: set(run["held_out"]) for name, run in training.get("runs", {}).items()}
        return set(training.get("hashes", ())), runs
    except (AttributeError, KeyError, TypeError):
        raise _edited(model) from None


def _edited(model: Artefact) -> ArtefactError:
    return ArtefactError(f"{model.path}: training.hashes or training.runs was edited. {CURE}")
