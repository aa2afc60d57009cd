"""From a device's bytes to samples: what the serial formats have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.emg.source import Samples

NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class AuxPart:
    """Consecutive samples of one kind that came beside a run's."""

    kind: int
    offset: int  # of the first, in samples of the run
    every: int  # EMG samples from one to the next
    samples: Samples  # (n, channels), in the kind's units

    def with_more(self, samples: Samples) -> AuxPart:
        """Return these and the ones that follow them."""
        return AuxPart(self.kind, self.offset, self.every, np.concatenate([self.samples, samples]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Samples that follow one another without a loss among them.

    `lost` are known to be missing before the first. `restart`: the device's counter began anew, so how
    many are missing is not known. `scale` is what the device says of its counts.
    """

    samples: Samples  # (n, channels), counts
    lost: int = 0
    restart: bool = False
    scale: float | None = None  # uV for one; None: it does not say
    aux: tuple[AuxPart, ...] = ()


class Decoder(Protocol):
    """Keeps the bytes of an unfinished frame or line until the rest has come."""

    def feed(self, data: bytes, most_lost: int = NO_LIMIT) -> list[Run]:
        """Return the samples that are complete now.

        A counter that jumps by more than `most_lost` samples (no more can have been taken in the time that
        has passed) is one that began anew.
        """

    def reset(self) -> None:
        """Forget the unfinished rest and the device's counter, as after a reconnect. Sums count on."""

    def paused(self) -> None:
        """Say that nothing came for a while: a counter that falls then has begun anew, and not a turn."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is assumed of the device, having seen what it sends; one line each."""

    @property
    def numbered(self) -> bool:
        """Whether what comes carries a counter."""

    @property
    def sums(self) -> dict[str, int]:
        """What was seen since the start, good and bad, by name."""

    @property
    def complaint(self) -> str:
        """What is probably wrong when bytes come and no samples."""
