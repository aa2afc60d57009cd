"""What lies at other machines and goes on there, for lists that name the machine: models, profiles and jobs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from app.errors import MyostreamError
from app.serving.jobs.job import Job
from app.serving.machines.machines import Machines
from app.serving.model_catalogue import ModelCatalogue

log = logging.getLogger(__name__)

LIST = "machines.list"
MODEL = ("name", "version", "sha256", "used")
PROFILE = ("name", "person", "model")
JOB = ("id", "name", "state", "progress", "created_at")

Row = dict[str, Any]


class Lists:
    """Answers other machines, and asks them."""

    def __init__(self, machines: Machines, catalogue: ModelCatalogue, jobs: Callable[[], list[Job]]) -> None:
        self._machines = machines
        self._own: Mapping[str, Callable[[], list[Row]]] = {
            "models": lambda: [
                _of(MODEL, one) for one in catalogue.all()["models"] if not one["read_only"]
            ],  # what came with the code is everywhere
            "profiles": lambda: [_of(PROFILE, one) for one in catalogue.profiles.all()["profiles"]],
            "jobs": lambda: [{name: getattr(job, name) for name in JOB} for job in jobs()],
        }
        machines.bus.serve(LIST, lambda what: json.dumps(self._own[what.decode()]()).encode())

    def elsewhere(self, what: str) -> list[Row]:
        """Return the `models`, `profiles` or `jobs` of the other machines, each with the machine's name.

        Those of a machine that does not answer are left out, and the log says so.
        """
        found: list[Row] = []
        for other in self._machines.others():
            try:
                rows = json.loads(self._machines.ask(other, LIST, what.encode()))
                found += [{"machine": other.machine.name, **row} for row in rows]
            except (MyostreamError, ValueError, TypeError) as error:
                log.warning("%s does not say which %s it has: %s", other.machine.name, what, error)
        return found


def _of(names: tuple[str, ...], described: Mapping[str, Any]) -> Row:
    return {name: described[name] for name in names}
