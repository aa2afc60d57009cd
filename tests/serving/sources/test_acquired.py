"""The source of a worker as all workers share it: what the source asks for reaches it through what stands before it."""

from __future__ import annotations

import numpy as np
import pytest

from app.config import Settings
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated.simulator import Simulator
from app.emg.source import Chunk
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run
from app.serving.sources.acquired import acquired
from app.serving.sources.opening import Opened
from tests.serving.station import until

PATIENT_S = 10.0


@pytest.mark.parametrize("chosen_later", [False, True], ids=["at the start", "chosen later"])
@pytest.mark.parametrize("shares", [True, False], ids=["of a run of servers", "alone"])
def test_a_simulator_makes_longer_chunks_where_nobody_waits_for_them(
    chosen_later: bool, shares: bool
) -> None:
    """A chunk costs the same whatever its length: an idle server would make ten times as many."""
    group = WorkerGroup(new_run(), board_for(1), 0, 1) if shares else WorkerGroup.alone()
    simulator = Simulator(8, 1000, ("rest", "fist"))
    opened = Opened(simulator, None, SignalPath(Ring(2000, 8), np.zeros((0, 6))))
    before = acquired(Settings(), opened, group) if chosen_later else None
    acquisition = acquired(Settings(), opened, group, after=before)
    lengths: list[int] = []

    def nothing() -> None:
        """Stand where one does that watches."""

    def noted(chunk: Chunk, _arrived: float) -> None:
        lengths.append(len(chunk.samples))

    acquisition.kept_up.append(noted)
    acquisition.start()
    try:
        until(lambda: lengths[-3:] == [50, 50, 50], PATIENT_S)
        acquisition.ring.watch(nothing)
        until(lambda: lengths[-3:] == [5, 5, 5], PATIENT_S)
    finally:
        acquisition.close()
