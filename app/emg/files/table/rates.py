"""The rate that a device has by its maker, from the one that a clock shows."""

from __future__ import annotations

import math

SAID_TOLERANCE = 0.02  # clocks of computers and devices differ by less
COMMON_TOLERANCE = 0.002
ALIKE = 0.005
COMMON_HZ = (
    *(
        50,
        100,
        125,
        128,
        200,
        250,
        256,
        300,
        400,
        500,
        512,
        600,
        800,
        1000,
        1024,
        1500,
        2000,
        2048,
        2500,
        3000,
    ),
    *(4000, 4096, 5000, 5120, 8000, 10_000, 10_240),
    *(4000 / 27, 1111.111, 1259.259, 1481.481, 1777.778, 1925.926, 2148.148, 2222.222),  # Delsys Trigno
)


def nominal(measured_hz: float, said_hz: float | None = None) -> float:
    """Return the rate that is meant: the file's word where the clock is near it, else a usual one, else as measured."""
    if said_hz and abs(measured_hz - said_hz) <= SAID_TOLERANCE * said_hz:
        return said_hz
    near = min(COMMON_HZ, key=lambda common: abs(common - measured_hz))
    if abs(near - measured_hz) <= COMMON_TOLERANCE * near:
        return float(near)
    return round(measured_hz, 3)


def alike(one_hz: float, other_hz: float) -> bool:
    """Return whether two rates are one, as headers round them."""
    return math.isclose(one_hz, other_hz, rel_tol=ALIKE)
