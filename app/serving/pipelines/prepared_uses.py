"""A model made ready for a source: found, opened, tried out, behind the signal path that it needs."""

from __future__ import annotations

from collections.abc import Callable

from app.emg.signal.signal_path import SignalPath
from app.errors import NotReadyError
from app.inference.manifest import Manifest
from app.serving.counters.shared_swap import Pick
from app.serving.models.open_models import OpenModels
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.profiles.profile import Profile

PathOf = Callable[[SourcePipeline, Manifest | None, Profile | None], SignalPath]


def pick_of(use: ModelUse) -> Pick:
    """Return what somebody would have to choose to get that."""
    return Pick(use.name, None if use.profile is None else use.profile.name)


class PreparedUses:
    """Makes them. `path_of` and `profile_of` as for `ModelSwaps`."""

    def __init__(self, models: OpenModels, path_of: PathOf, profile_of: Callable[[str], Profile]) -> None:
        self._models, self._path_of, self.profile_of = models, path_of, profile_of

    def make(self, pipeline: SourcePipeline, pick: Pick, sha256: str | None = None) -> ModelUse:
        """Return that model, opened, on that source.

        Raises:
            ModelNameError, NotReadyError, BackendUnavailableError, OverloadedError: as `OpenModels.hold`.
            NotReadyError: it is another than that of `sha256`, too.
            ProfileNameError: there is no such profile.
            DataError: it does not fit the source.
        """
        profile = None if pick.profile is None else self.profile_of(pick.profile)
        if pick.model is None:
            return pipeline.prepare(None, self._path_of(pipeline, None, profile), profile)
        artefact = self._models.artefact(pick.model)
        if sha256 is not None and artefact.sha256 != sha256:
            raise NotReadyError(f"the model {pick.model} has changed on the disk")
        path = self._path_of(pipeline, artefact.manifest, profile)  # what does not fit need not be opened
        model = self._models.hold(pick.model)
        try:
            return pipeline.prepare(model, path, profile)
        except BaseException:
            self._models.release(model)
            raise

    def is_that(self, use: ModelUse, pick: Pick) -> bool:
        """Whether a model in use is what somebody chooses, in the version that lies on the disk now."""
        if pick_of(use) != pick:
            return False
        if pick.profile is not None and self.profile_of(pick.profile) != use.profile:
            return False
        return use.model is None or self._models.artefact(use.model.name).sha256 == use.model.artefact.sha256
