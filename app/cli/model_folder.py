"""What the commands about models share: where models lie, what fits them, and what may be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.named_recordings import sets_of
from app.errors import ArtefactError, DataError

if TYPE_CHECKING:
    from app.emg.files.recordings import Recording
    from app.inference.artefact import Artefact
    from app.inference.manifest import Manifest
    from app.learning.recording_sets import RecordingSet

EVALUATION_PEOPLE, EVALUATION_SEED = 10, 5000


def expect_fit(recordings: Iterable[Recording], manifest: Manifest) -> None:
    """Refuse a recording of another kind, naming the models here that take it."""
    from app.emg.simulated.playback import require
    from app.inference import artefact

    models = [(m.name, m.channels, m.sampling_rate) for m in artefact.manifests(model_folders())]
    for recording in recordings:
        require(recording, manifest.channels, manifest.sampling_rate, models)


def expect_gestures(manifest: Manifest) -> None:
    """Refuse a model that gives values where gestures are judged or learned."""
    if manifest.gives_values:
        raise DataError(
            f"{manifest.name} gives values ({', '.join(manifest.columns)}), no gestures: it is judged and taught where "
            "it was made, and taken in with `model import`"
        )


def how_to_serve(made: Artefact) -> str:
    """Return the line that puts a model into use."""
    name = made.path.name if made.path.parent == models_folder() else made.path.resolve()
    return f"serve it with: EMG_MODEL={name} make serve"


def recordings_for(
    folders: Sequence[str],
    manifest: Manifest,
    gestures: Sequence[str] | None,
    rename: Mapping[str, str] | None = None,
) -> tuple[RecordingSet, ...]:
    """Return the recordings of each folder or file, or simulated people, as that model names gestures."""
    from app.learning import recipes
    from app.learning.recording_sets import RecordingSet

    if list(folders) == [recipes.SIMULATOR]:
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + EVALUATION_PEOPLE)
        return (RecordingSet(recipes.SIMULATOR, recipes.simulate(manifest, seeds, seconds=120.0)),)
    sets = sets_of(folders, manifest.classes, manifest.rest_class, gestures, rename or {})
    for one in sets:
        expect_fit(one.recordings, manifest)
    return sets


def _settings() -> Any:
    from app.config import Settings

    return Settings.from_env()


def models_folder() -> Path:
    """Return where models are written that are called by their names."""
    return model_folders()[0]


def model_folders() -> tuple[Path, ...]:
    """Return where models lie that are called by their names, those that came with the code last."""
    folders: tuple[Path, ...] = _settings().model_folders
    return folders


def is_read_only(model: Artefact) -> bool:
    """Whether it came with the code, and lies outside EMG_INSTANCE."""
    return model.path.parent in model_folders()[1:]


def expect_own(model: Artefact) -> None:
    """See that a model may be changed where it lies.

    Raises:
        ArtefactError: it came with the code, and lies outside EMG_INSTANCE.
    """
    if is_read_only(model):
        raise ArtefactError(
            f"{model.path} came with the code and is only read: copy it to {models_folder()}, where it takes precedence"
        )


def mains() -> float | None:
    """Return EMG_MAINS in Hz; None where it is off."""
    hertz: float | None = _settings().mains_hz
    return hertz


def target_of(out: str, force: bool) -> Path:
    """Where an artefact goes: a bare name is one of instance/models. Said before the work, not after it.

    Raises:
        ArtefactError: something is there, and nobody said that it may be replaced.
    """
    from app.inference import artefact

    target = Path(out) if "/" in out else models_folder() / out
    if not force:
        try:
            artefact.expect_free(target)
        except ArtefactError as error:
            cure = ", or replace it with --force" if (target / "manifest.json").is_file() else ""
            raise ArtefactError(f"{error}{cure}") from None
    return target
