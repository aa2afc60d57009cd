"""What `model train` trains: a recipe with the options of the command, and its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.cli.named_recordings import sets_of
from app.errors import DataError

if TYPE_CHECKING:
    from app.learning.recording_sets import RecordingSet

SIMULATED_PEOPLE = 46


def recipe_of(name: str, options: dict[str, Any]) -> Any:
    """Return the recipe of that name, changed as the options say.

    Raises:
        DataError: there is no such recipe or network, or an option that it has no use for.
    """
    from dataclasses import replace

    from app.learning import recipes

    recipe = recipes.find(name, options["network"])
    if recipe.architecture == "covariance" and (options["epochs"] or options["without"]):
        raise DataError("--epochs and --without are for networks (--network); a covariance model is one sum")
    schedule = recipe.schedule
    left_out: dict[str, Any] = dict.fromkeys(options["without"], 0)
    augmentation = replace(schedule.augmentation, **left_out)
    epochs = options["epochs"] or schedule.epochs
    schedule = replace(schedule, augmentation=augmentation, epochs=epochs)
    folds = recipe.folds if options["folds"] is None else options["folds"]
    return replace(recipe, schedule=schedule, folds=folds)


def training_sets(
    recipe: Any, folders: Sequence[str], gestures: Sequence[str] | None, rename: Mapping[str, str]
) -> tuple[RecordingSet, ...]:
    """Return the sets of recordings that a recipe is trained on, with the recipe's names for gestures.

    Raises:
        DataError: it needs a folder of recordings, and none is named; or somebody is in two.
    """
    from app.learning import recipes
    from app.learning.recording_sets import RecordingSet, expect_nobody_twice

    if recipe.dataset == recipes.SIMULATOR:
        people = recipes.simulated(recipe, range(1000, 1000 + SIMULATED_PEOPLE))
        return (RecordingSet(recipes.SIMULATOR, people),)
    if not folders:
        raise DataError(f"{recipe.name} is trained on recordings: name their folder with --data")
    sets = sets_of(folders, recipe.classes, recipe.rest_class, gestures, rename)
    if len(sets) > 1:
        expect_nobody_twice(sets)
    return sets
