"""When two sampling rates are one: headers round them, and crystals are no better."""

from __future__ import annotations

import math

TOLERANCE = (
    0.005  # a stream in the network may state 1000 Hz, and deliver 996; LSL's senders measure what they state
)


def same_rate(one: float, other: float) -> bool:
    """Return whether two rates in Hz differ by no more than TOLERANCE, as 1925.926 and 1925.92593 do."""
    return math.isclose(one, other, rel_tol=TOLERANCE)
