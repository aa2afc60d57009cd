"""Where profiles lie: `<instance>/profiles/<name>.json`, each written whole or not at all, for this user alone.

It blocks: in a server everything here runs on a native thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from app import private_files
from app.errors import BusyError, DataError, NotReadyError, ProfileNameError, no_descriptor
from app.inference.manifest import is_name
from app.serving.profiles.profile import MAX_BYTES, Profile, decode, encode

MOST = 1000  # profiles of one server
SUFFIX = ".json"
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hold us up


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile's file. `profile` is None where it is damaged, for the reason that `damage` says."""

    name: str
    profile: Profile | None
    damage: str | None


class ProfileStore:
    """The profiles of an instance."""

    def __init__(self, instance: Path) -> None:
        self.folder = instance / "profiles"

    def names(self) -> list[str]:
        """Return the names there are, sorted.

        Raises:
            NotReadyError: the folder cannot be read.
        """
        try:
            with os.scandir(self.folder) as entries:
                found = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise NotReadyError(f"the profiles cannot be read: {error.strerror or error}") from None
        return sorted(name.removesuffix(SUFFIX) for name in found if is_name(name.removesuffix(SUFFIX)))

    def all(self) -> list[StoredProfile]:
        """Return all of them, by name; one that goes meanwhile is left out.

        Raises:
            NotReadyError: the folder cannot be read.
        """
        found = []
        for name in self.names():
            try:
                found.append(StoredProfile(name, self._read(name), None))
            except ProfileNameError:
                continue
            except DataError as error:
                found.append(StoredProfile(name, None, str(error)))
        return found

    def find(self, name: str) -> Profile:
        """Return that profile.

        Raises:
            ProfileNameError: there is none.
            NotReadyError: it is damaged.
        """
        try:
            return self._read(name)
        except DataError as error:
            raise NotReadyError(f"the profile {name} is damaged: {error}") from None

    def keep(self, profile: Profile) -> bool:
        """Write a profile, in the place of the one of its name; return whether it is a new one.

        Raises:
            BusyError: there are as many as may be.
            NotReadyError: the disk does not take it.
        """
        there = self.names()
        if profile.name not in there and len(there) >= MOST:
            raise BusyError(f"there are {MOST} profiles, as many as may be; delete one first")
        try:
            private_files.replace(self._path(profile.name), encode(profile))
        except OSError as error:
            raise NotReadyError(f"the profile cannot be kept: {error.strerror or error}") from None
        return profile.name not in there

    def remove(self, name: str) -> None:
        """Delete that profile for good, sound or damaged.

        Raises:
            ProfileNameError: there is none.
            NotReadyError: the disk does not let it go.
        """
        if not is_name(name):
            raise ProfileNameError(_none(name))
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise ProfileNameError(_none(name)) from None
        except OSError as error:
            raise NotReadyError(f"the profile cannot be deleted: {error.strerror or error}") from None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _read(self, name: str) -> Profile:
        """Return that profile.

        Raises:
            ProfileNameError: there is none.
            DataError: it is damaged.
            OSError: no descriptor is left.
        """
        if not is_name(name):
            raise ProfileNameError(_none(name))
        try:
            handle = os.open(self._path(name), _FLAGS)
        except FileNotFoundError:
            raise ProfileNameError(_none(name)) from None
        except OSError as error:
            if no_descriptor(error):
                raise
            raise DataError(f"its file cannot be opened: {error.strerror or error}") from None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DataError("it is no plain file")
            return decode(name, os.read(handle, MAX_BYTES + 1))
        finally:
            os.close(handle)


def _none(name: str) -> str:
    return f"no profile {name[:64]!r}; GET /profiles has those there are"
