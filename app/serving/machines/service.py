"""All that a worker has to do with other machines than its own, beside sources and streams."""

from __future__ import annotations

from pathlib import Path

from app.serving.bus.bus import Bus
from app.serving.jobs.trainings import Trainings
from app.serving.machines.far_jobs import FarJobs
from app.serving.machines.keeper import Keeper
from app.serving.machines.lent_models import LentModels
from app.serving.machines.lent_profiles import LentProfiles
from app.serving.machines.lists import Lists, Row
from app.serving.machines.machines import Machine, Machines
from app.serving.model_catalogue import ModelCatalogue


class OtherMachines:
    """Lends, borrows and lists."""

    def __init__(
        self,
        bus: Bus,
        own: Machine,
        instance: Path,
        catalogue: ModelCatalogue,
        trainings: Trainings,
    ) -> None:
        machines = Machines(bus, own)
        models = LentModels(instance / "borrowed", catalogue.shelf, machines, catalogue.used)
        catalogue.used_elsewhere = models.used_elsewhere
        self._keeper = Keeper(machines, models, LentProfiles(catalogue.profiles, machines))
        self._lists = Lists(machines, catalogue, trainings.all)
        trainings.elsewhere = FarJobs(machines, trainings.find_here, trainings.cancel_here)

    def start(self) -> None:
        """Begin to keep what other machines need; the bus is joined by now."""
        self._keeper.start()

    def elsewhere(self, what: str) -> list[Row]:
        """Return the `models`, `profiles` or `jobs` of the other machines, each with the machine's name."""
        return self._lists.elsewhere(what)

    def close(self) -> None:
        """Safe to call twice."""
        self._keeper.close()
