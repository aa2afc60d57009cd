"""What lies here of a person: their profile and their recordings, deleted together."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import BusyError, DataError
from app.serving.jobs.trainings import Trainings
from app.serving.model_catalogue import ModelCatalogue
from app.serving.recordings.service import RecordingService


class NobodyError(DataError):
    """Nobody can tell whose recordings are to be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What was deleted of a person, and what is left."""

    profile: str
    person: str
    recordings: tuple[str, ...]
    models_left: tuple[
        str, ...
    ]  # that are this person's: `DELETE /models/<name>` deletes each where nothing uses it


def delete_person(
    profile: str, models: ModelCatalogue, recorder: RecordingService, trainings: Trainings
) -> Deleted:
    """Delete a profile, and all recordings whose subject is its person; other people's and nobody's stay.

    The profile goes last: where the disk stops in the middle, the same call goes on.

    Raises:
        ProfileNameError: there is no such profile.
        NobodyError: it names no person.
        BusyError: it must stay, or one of the recordings runs or is learned from; nothing is deleted.
        NotReadyError: the disk does not let them go.
    """
    models.profiles.expect_deletable(profile)
    person = models.profiles.find(profile).person
    if person is None:
        raise NobodyError(
            f"the profile {profile} names no person, so nobody can tell whose recordings these are; "
            "PUT /profiles/<name> says it"
        )
    there = [state for state in recorder.states() if state.subject == person]
    if running := [state.name for state in there if not state.over]:
        raise BusyError(f"nothing is deleted: {running[0]} is still being recorded; stop it first")
    names = tuple(sorted(state.name for state in there))
    for job in trainings.all():
        if not job.over and not set(names).isdisjoint(job.recordings):
            raise BusyError(f"nothing is deleted: the training {job.id} learns from them; cancel it first")
    for name in names:
        recorder.remove(name)
    models.profiles.delete(profile)
    return Deleted(profile=profile, person=person, recordings=names, models_left=_models_of(person, models))


def _models_of(person: str, models: ModelCatalogue) -> tuple[str, ...]:
    found = [(entry.name, entry.artefact) for entry in models.shelf.entries()]
    return tuple(
        name for name, model in found if model is not None and model.manifest.training.get("person") == person
    )
