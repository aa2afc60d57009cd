"""One signal path behind an acquisition, and how it is with the windows that are cut from its ring."""

from __future__ import annotations

from collections.abc import Callable

from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid

STALL_S = 0.25  # no samples for so long, and a decision would hang on old ones


class SignalFeed:
    """A signal path and the windows of `length` samples that somebody cuts from its ring.

    A source that delivers, but loses so much that there is no usable window for STALL_S, is stalled for these windows;
    for shorter ones it may run.
    """

    def __init__(
        self,
        path: SignalPath,
        length: int,
        silence: Callable[[], str],
        source_rate: float,
        phase_s: float = 0.0,
    ) -> None:
        """`silence` says how it is with the source, its windows aside; `phase_s` by how much they end later."""
        self.path, self.ring, self.length = path, path.ring, length
        self.rate = path.sampling_rate or source_rate  # samples a second that the ring takes, in Hz
        self._silence, self._phase_s = silence, phase_s
        # the sample up to which there was a usable window; at the beginning, up to which there can be none
        self._usable_to = 0
        self.look()  # its ring may be another feed's as well

    def grid(self, fps: float, *, repeats: bool = False) -> Grid:
        """Return where windows end that come so often.

        Raises:
            DataError: as `Grid`.
        """
        return Grid(self.rate, fps, start=round(self._phase_s * self.rate), repeats=repeats)

    @property
    def state(self) -> str:
        state = self._silence()
        # counted in samples: a process that is late has not lost any
        spoilt_s = (self.ring.newest - self._usable_to) / self.rate
        return "stalled" if state == "running" and spoilt_s > STALL_S else state

    @property
    def lossy(self) -> bool:
        """Whether it is stalled because so much is lost, and not because nothing comes."""
        return self._silence() == "running" and self.state == "stalled"

    def look(self) -> None:
        """Take note of what the ring has got; called after each chunk."""
        if not self._usable_to and self.ring.newest:
            self._usable_to = self.ring.oldest + self.length
        if self.ring.usable(self.ring.newest, self.length):
            self._usable_to = self.ring.newest
