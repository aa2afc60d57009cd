"""What the workers of a server know together of a replay, in the memory that they share.

Whoever gives an order writes it into its own slot, with a number above all others; the highest number holds. Whoever
plays tells in its slot how it is; the latest holds, so a worker that plays on after another has died goes on there.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable

from app.emg.replay import ReplayOrder, ReplayState
from app.serving.counters.worker_group import WorkerGroup


class SharedReplay:
    """Fits ReplayControl. `link` names the source that the workers share."""

    def __init__(
        self, worker_group: WorkerGroup, link: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._key = clock, float(zlib.crc32(link.encode()))
        self._orders = [slot.doubles("replay_order") for slot in worker_group.slots]
        self._states = [slot.doubles("replay_state") for slot in worker_group.slots]
        self._slot = worker_group.slot

    def order(self) -> ReplayOrder:
        number, key, at, paused = max(tuple(cells) for cells in self._orders)
        if not number or key != self._key:
            return ReplayOrder(0)
        return ReplayOrder(
            int(number),
            None if math.isnan(at) else int(at),
            None if math.isnan(paused) else bool(paused),
        )

    def give(self, at: int | None, paused: bool | None) -> int:
        number = max(cells[0] for cells in self._orders) + 1
        own = self._orders[self._slot]
        own[0] = 0.0  # nobody reads it while it changes
        own[1] = self._key
        own[2], own[3] = (math.nan if one is None else float(one) for one in (at, paused))
        own[0] = number
        return int(number)

    def state(self) -> ReplayState | None:
        known = [tuple(cells) for cells in self._states]
        its = max((one for one in known if one[0] and one[1] == self._key), default=None)
        return None if its is None else ReplayState(int(its[2]), int(its[3]), bool(its[4]))

    def tell(self, state: ReplayState) -> None:
        own = self._states[self._slot]
        if own[1] != self._key:
            own[0] = 0.0  # what was told of another replay is not this one's
        own[1], own[2], own[3], own[4] = self._key, state.obeyed, state.at, state.paused
        own[0] = self._clock()
