"""The models that a training has to do with: its base, the one it is compared with, and the new one in their place."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.config import Settings
from app.errors import ArtefactError, BusyError, ModelNameError, MyostreamError, NotReadyError
from app.inference.artefact import Artefact
from app.serving.jobs import job as jobs
from app.serving.jobs.job import TrainingRequest
from app.serving.jobs.material import TrainingFieldError
from app.serving.jobs.outcome import why_not
from app.serving.models.shelf import ModelShelf
from app.serving.pipelines.source_models import SourceModels
from app.serving.pipelines.source_pipelines import SourcePipelines

SWAP_TRIES, SWAP_AGAIN_S = 20, 0.25  # while another change of a model is under way


class TrainingModels:
    """Finds, keeps and puts into use what trainings need and make."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        shelf: ModelShelf,
        pipelines: SourcePipelines,
        source_models: SourceModels,
    ) -> None:
        self._settings, self._shelf, self._pipelines = settings, shelf, pipelines
        self._models = source_models

    @property
    def settings(self) -> Settings:
        return self._settings()

    @property
    def recordings(self) -> Path:
        """Return the folder that they lie in."""
        return (self.settings.instance / "recordings").resolve()

    def base(self, name: str | None) -> Artefact | None:
        """Return the model that is to be made a person's own.

        Raises:
            TrainingFieldError: there is none of that name, or it is of another kind.
        """
        if name is None:
            return None
        try:
            found = self._shelf.sound(name)
        except (ModelNameError, NotReadyError) as error:
            raise TrainingFieldError("base", str(error)) from None
        if found.manifest.gives_values:
            raise TrainingFieldError("base", f"{name} gives values, and knows no gestures")
        if found.manifest.architecture != "covariance":
            raise TrainingFieldError(
                "base",
                f"{name} is no covariance model, which alone learns any gestures; null makes one from nothing, and "
                "`flask model calibrate` adapts networks",
            )
        return found

    def rival(self, asked: TrainingRequest) -> str | None:
        """Return the folder of the model that reads the source now; None where nobody needs it, or none does."""
        if asked.use == jobs.YES or asked.unlabelled:
            return None
        try:
            use = self._pipelines.named(asked.source).use
        except MyostreamError:
            return None
        return None if use.model is None else str(use.model.artefact.path.resolve())

    def expect_free(self, name: str) -> None:
        """See that there is no model of that name.

        Raises:
            BusyError: there is.
        """
        if any(entry.name == name for entry in self._shelf.entries()):
            raise BusyError(f"there is a model {name} already; choose another name, or delete it")

    def has(self, name: str, sha256: str) -> bool:
        """Whether that very model is there."""
        try:
            return self._shelf.sound(name).sha256 == sha256
        except (ModelNameError, NotReadyError):
            return False

    def keep(self, model: Artefact) -> None:
        """Put a new model among the others.

        Raises:
            BusyError: there is one of that name.
            NotReadyError: the disk does not take it.
        """
        try:
            self._shelf.install(model, replacing=False)
        except ArtefactError as error:  # another has written it meanwhile
            raise BusyError(str(error)) from None

    def used(
        self, asked: TrainingRequest, result: dict[str, Any], closed: Callable[[], bool]
    ) -> dict[str, Any]:
        """Put the model into use where it is to be; return what came of that. `closed` says that the worker ends."""
        why = why_not(asked.use, result)
        if why is not None:
            return {"why_not_used": why}
        for again in range(SWAP_TRIES, 0, -1):
            try:
                pipeline = self._pipelines.named(asked.source)
                swap = self._models.swaps.put(pipeline, asked.name)
            except BusyError as error:  # another change is under way
                if again > 1 and not closed():
                    time.sleep(SWAP_AGAIN_S)
                why = str(error)
            except MyostreamError as error:
                return {"why_not_used": str(error)}
            else:
                return {
                    "used": True,
                    "source": pipeline.name,
                    "previous": swap.previous,
                    "from_sample": swap.from_sample,
                }
        return {"why_not_used": why}
