"""Profiles that a machine does not have are asked of the others. A copy is in memory, and on no disk."""

from __future__ import annotations

import logging
from collections.abc import Container
from contextlib import suppress

from app.errors import MyostreamError, ProfileNameError
from app.serving.machines.machines import Machines
from app.serving.profile_catalogue import ProfileCatalogue
from app.serving.profiles.profile import Profile, decode, encode

log = logging.getLogger(__name__)

PROFILE = "machines.profile"


class LentProfiles:
    """Lends those that lie here, and borrows the others."""

    def __init__(self, catalogue: ProfileCatalogue, machines: Machines) -> None:
        self._catalogue, self._machines = catalogue, machines
        self._copies: dict[str, tuple[Profile, str]] = {}  # and the key of the machine that lent it last
        machines.bus.serve(PROFILE, self._lend)
        catalogue.lent = self.borrow

    def borrow(self, name: str) -> Profile:
        """Return a profile that another machine has: as it is there now, or as it was when that is gone.

        Raises:
            ProfileNameError: no machine has one of that name, or it has been deleted.
        """
        without = set()
        for other in self._machines.others():
            try:
                found = decode(name, self._machines.ask(other, PROFILE, name.encode()))
                self._copies[name] = found, other.machine.key
                return found
            except ProfileNameError:
                without.add(other.machine.key)
            except MyostreamError as error:
                log.warning("%s does not lend the profile %s: %s", other.machine.name, name, error)
        copy, lender = self._copies.get(name, (None, None))
        if copy is None or lender in without:
            self._copies.pop(name, None)
            raise ProfileNameError(
                f"no profile {name[:64]!r} on any machine; GET /profiles has those there are"
            )
        return copy

    def has(self, name: str) -> bool:
        """Whether it lies here, of this machine or borrowed."""
        with suppress(MyostreamError):
            self._catalogue.own(name)
            return True
        return name in self._copies

    def tidy(self, needed: Container[str]) -> None:
        """Forget the copies that nobody needs any more."""
        self._copies = {name: one for name, one in self._copies.items() if name in needed}

    def _lend(self, message: bytes) -> bytes:
        """Answer another machine. What is only borrowed is lent on: its owner may be gone."""
        name = message.decode()
        try:
            return encode(self._catalogue.own(name))
        except ProfileNameError:
            if name not in self._copies:
                raise
            return encode(self._copies[name][0])
