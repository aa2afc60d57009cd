"""Trainings of other machines: found, and cancelled, by whichever machine is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.errors import JobNameError, NodeGoneError, NotReadyError
from app.serving.bus.bus import Bus
from app.serving.jobs.job import Job, decode, encode
from app.serving.jobs.trainings import CANCELLED_S
from app.serving.machines.machines import PATIENCE_S, Machines

log = logging.getLogger(__name__)

FIND, CANCEL = "machines.job", "machines.job.cancel"
Act = Callable[[str], Job]


class FarJobs:
    """Fits JobsElsewhere. `find` and `cancel` are this machine's own, and raise JobNameError of what is not here."""

    def __init__(self, machines: Machines, find: Act, cancel: Act) -> None:
        self._machines = machines
        for kind, act in ((FIND, find), (CANCEL, cancel)):
            _serve(machines.bus, kind, act)

    def find(self, job_id: str) -> Job:
        """Return a job of another machine.

        Raises:
            JobNameError: no machine has it.
            NotReadyError: none that answers has it, and one does not answer.
        """
        return self._ask(FIND, job_id, PATIENCE_S)

    def cancel(self, job_id: str) -> Job:
        """End it there, and return it as it is then.

        Raises:
            JobNameError, NotReadyError: as `find`; the machine's disk does not take it.
        """
        return self._ask(CANCEL, job_id, CANCELLED_S + PATIENCE_S)

    def _ask(self, kind: str, job_id: str, patience_s: float) -> Job:
        silent = None
        for other in self._machines.others():
            try:
                return decode(self._machines.bus.call(other.node, kind, job_id.encode(), patience_s))
            except JobNameError:
                continue
            except NodeGoneError as error:
                log.warning(
                    "%s does not say whether it has the job %s: %s", other.machine.name, job_id, error
                )
                silent = other.machine.name
        if silent is not None:
            raise NotReadyError(
                f"the job {job_id[:80]!r} is not here, and {silent} does not answer; try again"
            )
        raise JobNameError(f"no job {job_id[:80]!r} on any machine; GET /jobs has those there are")


def _serve(bus: Bus, kind: str, act: Act) -> None:
    bus.serve(kind, lambda message: encode(act(message.decode())))
