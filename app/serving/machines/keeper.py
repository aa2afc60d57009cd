"""Has what a source of another machine needs, for the day on which that machine dies.

Of each source, one machine beside its owner's keeps a copy of the model and of the profile that read it. Whoever takes
the source over borrows them from there.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

from app.errors import MyostreamError
from app.serving.bus.bus import Ownership
from app.serving.machines.lent_models import LentModels
from app.serving.machines.lent_profiles import LentProfiles
from app.serving.machines.machines import Machines

log = logging.getLogger(__name__)

LOOK_S = 0.5  # between two looks for sources that are new, or are read by another model
TIDY_S = 20.0


class Keeper:
    """One for each worker of a machine: of what is there already, nothing is fetched again."""

    def __init__(self, machines: Machines, models: LentModels, profiles: LentProfiles) -> None:
        self._machines, self._models, self._profiles = machines, models, profiles
        self._changed: dict[str, Ownership] = {}
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._looking = threading.Thread(target=self._look, name="keeper", daemon=True)
        self._watching = machines.bus.watch(self._note)

    def start(self) -> None:
        """Look at the sources that there are, and from now on at those that come."""
        for source, owner in self._machines.bus.sources().items():
            self._note(source, owner)
        self._looking.start()

    def look(self) -> None:
        """Fetch what is missing for the sources that have come or changed since the last look."""
        with self._lock:
            changed, self._changed = self._changed, {}
        for source, owner in changed.items():
            if owner.alive and self._machines.keeper(source, owner.node) == self._machines.own:
                self._keep(source, owner)

    def tidy(self) -> None:
        """Let go of what no source of any machine needs."""
        models: set[str] = set()
        profiles: set[str] = set()
        for owner in self._machines.bus.sources().values():
            for kind, name in _names(owner):
                (models if kind == "model" else profiles).add(name)
        self._models.tidy(models)
        self._profiles.tidy(profiles)

    def close(self) -> None:
        """Safe to call twice."""
        self._closed.set()
        self._watching.close()

    def _note(self, source: str, owner: Ownership | None) -> None:
        if owner is not None and any(_names(owner)):
            with self._lock:
                self._changed[source] = owner

    def _keep(self, source: str, owner: Ownership) -> None:
        for kind, name in _names(owner):
            lent = self._models if kind == "model" else self._profiles
            try:
                if not lent.has(name):
                    lent.borrow(name)
            except MyostreamError as error:
                log.warning("the %s of the source %s is not kept here: %s", kind, source, error)

    def _look(self) -> None:
        looks = 0
        while not self._closed.wait(LOOK_S):
            looks += 1
            try:
                self.look()
                if looks * LOOK_S >= TIDY_S:
                    looks = 0
                    self.tidy()
            except Exception:
                log.exception("what other machines need is not looked after just now")


def _names(owner: Ownership) -> Iterator[tuple[str, str]]:
    """The model and the profile that a declaration names."""
    try:
        said = json.loads(owner.declaration)
    except ValueError:
        return
    for kind in ("model", "profile"):
        name = said.get(kind) if isinstance(said, dict) else None
        if isinstance(name, str):
            yield kind, name
