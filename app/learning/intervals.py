"""Intervals of rates and of shares that were counted."""

from __future__ import annotations

from scipy.stats import binomtest, chi2

LEVEL = 0.95

Span = tuple[float, float] | None  # None: nothing was looked at


def rate_interval(count: int, hours: float) -> Span:
    """Return the exact interval of a Poisson rate an hour (Garwood 1936, Biometrika 28:437)."""
    if not hours:
        return None
    low = float(chi2.ppf((1 - LEVEL) / 2, 2 * count)) / 2 if count else 0.0
    return low / hours, float(chi2.ppf((1 + LEVEL) / 2, 2 * count + 2)) / 2 / hours


def share_interval(part: int, whole: int) -> Span:
    """Return Wilson's interval of a share (1927, J. Am. Stat. Assoc. 22:209)."""
    if not whole:
        return None
    found = binomtest(part, whole).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)
