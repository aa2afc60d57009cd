"""The profiles with what this server makes of them: whether each can be used, and which must stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.config import Settings
from app.errors import BusyError, ModelNameError, NotReadyError, ProfileNameError
from app.inference.manifest import Manifest, is_name
from app.serving.models.shelf import Entry, ModelShelf
from app.serving.profiles.chosen import expect_usable
from app.serving.profiles.profile import Profile, ProfileFieldError, as_json
from app.serving.profiles.store import ProfileStore


class ProfileCatalogue:
    """The profiles of the instance, for clients who look and change. The disk is asked on the shelf's own thread."""

    def __init__(self, settings: Callable[[], Settings], shelf: ModelShelf) -> None:
        self._settings, self._shelf = settings, shelf
        self.lent: Callable[[str], Profile] | None = None  # gives what another machine has, or raises
        self._store = ProfileStore(settings().instance)

    def all(self) -> dict[str, Any]:
        """Return every profile, and those that are damaged, for JSON.

        Raises:
            NotReadyError: they cannot be read.
        """
        found, models = self._shelf.do(self._store.all), self._shelf.entries()
        return {
            "profiles": [self._described(one.profile, models) for one in found if one.profile is not None],
            "damaged": [{"name": one.name, "reason": one.damage} for one in found if one.damage is not None],
        }

    def one(self, name: str) -> dict[str, Any]:
        """Return that profile for JSON.

        Raises:
            ProfileNameError: there is none.
            NotReadyError: it is damaged.
        """
        return self._described(self.own(name), self._shelf.entries())

    def find(self, name: str) -> Profile:
        """Return that profile, of this machine or of another.

        Raises:
            ProfileNameError: there is none.
            NotReadyError: it is damaged.
        """
        try:
            return self.own(name)
        except ProfileNameError:
            if self.lent is None or not is_name(name):
                raise
            return self.lent(name)

    def own(self, name: str) -> Profile:
        """Return that profile of this machine.

        Raises:
            ProfileNameError: there is none.
            NotReadyError: it is damaged.
        """
        return self._shelf.do(lambda: self._store.find(name))

    def put(self, profile: Profile) -> tuple[dict[str, Any], bool]:
        """Keep a profile that can be used; return it for JSON, and whether it is a new one.

        Raises:
            ProfileFieldError: its model is not here, or its montage does not fit that.
            BusyError: there are as many as may be.
            NotReadyError: the disk does not take it.
        """
        models = self._shelf.entries()
        expect_usable(profile, lambda name: _manifest(models, name))
        new = self._shelf.do(lambda: self._store.keep(profile))
        return self._described(profile, models), new

    def delete(self, name: str) -> None:
        """Delete that profile.

        Raises:
            ProfileNameError: there is none.
            BusyError: this server starts with it.
            NotReadyError: the disk does not let it go.
        """
        self.expect_deletable(name)
        self._shelf.do(lambda: self._store.remove(name))

    def expect_deletable(self, name: str) -> None:
        """See that nothing needs a profile of that name.

        Raises:
            BusyError: this server starts with it.
        """
        if self._settings().profile == name:
            raise BusyError(
                f"the profile {name} is not deleted: this server starts with it; name another in EMG_PROFILE first"
            )

    def naming(self, model: str) -> list[str]:
        """Return the profiles that name that model.

        Raises:
            NotReadyError: they cannot be read.
        """
        found = self._shelf.do(self._store.all)
        return [one.name for one in found if one.profile is not None and one.profile.model == model]

    def _described(self, profile: Profile, models: list[Entry]) -> dict[str, Any]:
        try:
            expect_usable(profile, lambda name: _manifest(models, name))
        except ProfileFieldError as error:
            return {**as_json(profile), "trouble": str(error)}
        return {**as_json(profile), "trouble": None}


def _manifest(models: list[Entry], name: str) -> Manifest:
    entry = next((one for one in models if one.name == name), None)
    if entry is None:
        raise ModelNameError(f"no model {name!r}; GET /models has those there are")
    if entry.artefact is None:
        raise NotReadyError(f"the model {name} is damaged: {entry.damage}")
    return entry.artefact.manifest
