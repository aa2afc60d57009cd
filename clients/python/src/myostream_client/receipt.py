"""What became of samples that were sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the server did with samples: with a chunk, or by socket with all since the receipt before."""

    accepted: int
    duplicates: int
    lost_samples: int
    next_sample: int
