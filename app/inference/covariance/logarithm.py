"""The logarithm of a bounded symmetric matrix as one fixed polynomial: products only, no eigendecomposition.

A ridge bounds the spectrum of any covariance: with v the mean variance and m = v + floor, the eigenvalues of
(C + (floor + ridge v) I) / m lie in [ridge, n + ridge]. There the Chebyshev polynomial that interpolates the
logarithm is near the best one of its degree (Trefethen, "Approximation Theory and Approximation Practice", 2013,
chapter 16). It is evaluated in blocks (Paterson and Stockmeyer, SIAM Journal on Computing 2(1), 1973, in the
Chebyshev basis): T_1..T_s by products, then Clenshaw's recurrence in T_s.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

Doubles = npt.NDArray[np.float64]


def bounds(ridge: float, channels: int) -> tuple[float, float]:
    """Return between what the eigenvalues of a scaled covariance lie, whatever the signal."""
    return ridge, channels + ridge


@lru_cache
def series(ridge: float, channels: int, degree: int) -> tuple[float, ...]:
    """Return the Chebyshev coefficients of the logarithm on those bounds, mapped to [-1, 1]; (degree + 1,)."""
    low, high = bounds(ridge, channels)
    places = chebyshev.chebpts1(degree + 1)
    values = np.log((high - low) / 2 * places + (high + low) / 2)
    found = np.linalg.solve(chebyshev.chebvander(places, degree), values)
    return tuple(found.tolist())


def block_size(degree: int) -> int:
    """Return s: T_2..T_s and the recurrence then take the fewest products."""
    return min(range(2, degree + 1), key=lambda size: size - 1 + degree // size)


def blocks(ridge: float, channels: int, degree: int, size: int) -> Doubles:
    """Return the coefficients by blocks of `size`, (blocks, size): p = sum_jk found[j, k] T_j(T_size) T_k."""
    left = np.zeros(-(-(degree + 1) // size) * size)
    left[: degree + 1] = series(ridge, channels, degree)
    found = np.zeros((len(left) // size, size))
    for place in reversed(range(len(left))):
        j, k = divmod(place, size)
        found[j, k] = left[place]
        if j and k:  # 2 T_js T_k = T_(js + k) + T_(js - k), and what is below comes out of the block before
            found[j, k] *= 2
            left[j * size - k] -= left[place]
    return found


def log_bounded(matrices: Doubles, ridge: float, degree: int) -> Doubles:
    """Return the polynomial of symmetric matrices (n, channels, channels) with eigenvalues within the bounds."""
    channels = matrices.shape[-1]
    low, high = bounds(ridge, channels)
    unit = np.eye(channels)
    first = (2 * matrices - (high + low) * unit) / (high - low)
    size = block_size(degree)
    by_block = blocks(ridge, channels, degree, size)
    kinds = [np.broadcast_to(unit, first.shape), first]  # T_0, T_1, ...
    while len(kinds) <= size:
        kinds.append(2 * first @ kinds[-1] - kinds[-2])
    step = kinds[size]
    parts = np.tensordot(by_block, np.stack(kinds[:size]), 1)  # (blocks, n, channels, channels)
    above, two_above = parts[-1], np.zeros_like(first)
    for part in parts[-2:0:-1]:
        above, two_above = part + 2 * step @ above - two_above, above
    return np.asarray(parts[0] + step @ above - two_above)
