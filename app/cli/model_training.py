"""What `model train` trains: a recipe with the options of the command, and its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.cli.named_recordings import recording_path
from app.errors import DataError

if TYPE_CHECKING:
    from app.emg.files.recordings import Recording

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


def training_data(recipe: Any, folder: str | None, gestures: Sequence[str] | None) -> tuple[Recording, ...]:
    """Return the recordings that a recipe is trained on.

    Raises:
        DataError: it needs a folder of recordings, and none is named.
    """
    from app.learning import datasets, recipes

    if recipe.dataset == recipes.SIMULATOR:
        return recipes.simulated(recipe, range(1000, 1000 + SIMULATED_PEOPLE))
    if folder is None:
        raise DataError(f"{recipe.name} is trained on recordings: name their folder with --data")
    with recording_path(folder) as path:
        people = datasets.load_people(path, gestures)
    return datasets.named(people, recipe.classes, recipe.rest_class)
