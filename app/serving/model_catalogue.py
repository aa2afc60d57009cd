"""The models with what this server makes of them: which sources each would read, and which use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from app.config import DEFAULT_MODEL, Settings
from app.emg.description import describe_source
from app.emg.signal.fit import fit, fits
from app.errors import BusyError, DataError
from app.inference.artefact import Artefact
from app.inference.description import described
from app.inference.manifest import Manifest
from app.serving.models.open_models import OpenModels
from app.serving.models.shelf import Entry, ModelShelf
from app.serving.models.uploads import ModelUploads
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.profile_catalogue import ProfileCatalogue
from app.serving.sources.fitting import need_of


@dataclass(frozen=True, slots=True)
class SourceFit:
    """A source beside a model."""

    source: str
    fits: bool
    how: str  # "as it is", what the montage does, or why it does not fit
    uses: bool


class ModelCatalogue:
    """The models of the instance, for clients who look, bring and delete."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        open_models: Callable[[], OpenModels],
        pipelines: SourcePipelines,
    ) -> None:
        self._settings, self._open, self._pipelines = settings, open_models, pipelines
        self.shelf = ModelShelf(settings().model_folders)
        self.uploads = ModelUploads(self.shelf, self.used_anywhere)
        self.profiles = ProfileCatalogue(settings, self.shelf)
        self.used_elsewhere: Callable[[str], str | None] = lambda _: None  # why another machine needs it

    def all(self) -> dict[str, Any]:
        """Return every model, and those that are damaged, for JSON."""
        entries = self.shelf.entries()
        sound = [entry.artefact for entry in entries if entry.artefact is not None]
        return {
            "models": [self._described(entry, sound) for entry in entries if entry.artefact is not None],
            "damaged": [
                {"name": one.name, "reason": one.damage} for one in entries if one.damage is not None
            ],
        }

    def one(self, name: str) -> dict[str, Any]:
        """Return that model for JSON.

        Raises:
            ModelNameError: there is none.
            NotReadyError: it is damaged.
        """
        self.shelf.find(name)  # one that another machine has is told of there
        self.shelf.sound(name)
        entries = self.shelf.entries()
        sound = [entry.artefact for entry in entries if entry.artefact is not None]
        return self._described(self.shelf.find(name), sound)

    def delete(self, name: str) -> None:
        """Delete that model.

        Raises:
            ModelNameError: there is none.
            BusyError: it is in use, a profile names it, or it came with the code.
            NotReadyError: the disk does not let it go.
        """
        self.shelf.find(name)
        if why := self.used_anywhere(name):
            raise BusyError(f"the model {name} is not deleted: {why}")
        if who := self.profiles.naming(name):
            said = "the profile" if len(who) == 1 else "the profiles"
            raise BusyError(
                f"the model {name} is not deleted: {said} {', '.join(who[:5])} would lack it; change that first"
            )
        self.shelf.remove(name)

    def used(self, name: str) -> str | None:
        """Return why that model must stay as it is; None where nothing uses it."""
        sources = [one.name for one in self._pipelines if one.use.name == name]
        if sources or self._open().uses(name):
            read = f", for {', '.join(sources)}" if sources else ""
            return f"this server runs it{read}"
        if (self._settings().model or DEFAULT_MODEL) == name:
            return "this server starts with it; name another in EMG_MODEL first"
        return None

    def used_anywhere(self, name: str) -> str | None:
        """Return why that model must stay as it is, here or for another machine; None where nothing uses it."""
        return self.used(name) or self.used_elsewhere(name)

    def close(self) -> None:
        """Safe to call twice."""
        self.uploads.close()
        self.shelf.close()

    def _described(self, entry: Entry, others: list[Artefact]) -> dict[str, Any]:
        assert entry.artefact is not None  # damaged ones are told apart before
        beside = [asdict(self._fit(one, entry.name, entry.artefact.manifest)) for one in self._pipelines]
        return {
            **described(entry.artefact, others),
            "name": entry.name,
            "bytes": entry.size,
            "used": self.used(entry.name) is not None,
            "read_only": entry.read_only,
            "sources": beside,
        }

    def _fit(self, pipeline: SourcePipeline, name: str, manifest: Manifest) -> SourceFit:
        signal, montage = describe_source(pipeline.source), self._settings().montage
        uses = pipeline.use.name == name
        need = need_of(manifest)
        if found := fits(signal, [need], montage):
            return SourceFit(pipeline.name, fits=True, how=found[0].how, uses=uses)
        try:
            fit(signal, need, montage)
        except DataError as error:
            return SourceFit(pipeline.name, fits=False, how=str(error), uses=uses)
        return SourceFit(pipeline.name, fits=True, how="as it is", uses=uses)
