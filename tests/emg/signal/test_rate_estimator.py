from __future__ import annotations

import numpy as np
import pytest

from app.emg.signal.rate_estimator import BASELINE_S, SETTLED_S, SILENCE_S, RateEstimator


def fed(
    true_hz: float, seconds: float, *, nominal: float = 2000.0, chunk: int = 20, late_s: float = 0.0
) -> RateEstimator:
    """After a device has delivered chunks, each late by up to `late_s` (exponentially spread)."""
    estimator = RateEstimator(nominal)
    feed(estimator, true_hz, seconds, chunk=chunk, late_s=late_s)
    return estimator


def feed(
    estimator: RateEstimator,
    true_hz: float,
    seconds: float,
    *,
    chunk: int = 20,
    late_s: float = 0.0,
    since: float = 500.0,
    first: int = 0,
) -> float:
    random = np.random.default_rng(0)
    at = since
    for total in range(chunk, int(true_hz * seconds), chunk):
        at = max(at, since + total / true_hz + late_s * random.exponential())
        estimator.update(first + total, at)
    return at


@pytest.mark.parametrize("true_hz", [1950.0, 1999.0, 2000.0, 2000.2, 2100.5])
def test_the_true_rate_is_found_within_a_minute_to_a_hundredth_of_a_percent(true_hz: float) -> None:
    assert fed(true_hz, 60).rate_hz == pytest.approx(true_hz, rel=1e-4)


def test_late_chunks_do_not_bend_the_rate() -> None:
    assert fed(1998.0, 60, late_s=0.01).rate_hz == pytest.approx(1998.0, rel=5e-4)


def test_one_chunk_that_is_half_a_second_late_changes_nothing() -> None:
    estimator = RateEstimator(2000)
    at = feed(estimator, 2000.0, 10)
    estimator.update(20_000, at + 0.5)
    feed(estimator, 2000.0, 10, since=500.0 + 10.5, first=21_000)
    assert estimator.rate_hz == pytest.approx(2000.0, rel=1e-3)


def test_nothing_is_said_before_the_baseline_is_long_enough() -> None:
    estimator = fed(2000.0, SETTLED_S - 0.5)
    assert estimator.rate_hz is None
    assert not estimator.off_nominal
    assert fed(2000.0, SETTLED_S + 2.5).rate_hz is not None


@pytest.mark.parametrize(
    ("true_hz", "off"), [(1895.0, True), (1905.0, False), (2000.0, False), (2095.0, False), (2105.0, True)]
)
def test_more_than_five_percent_is_flagged(true_hz: float, off: bool) -> None:
    assert fed(true_hz, 20).off_nominal is off


def test_a_slow_device_with_one_sample_a_chunk_is_measured_too() -> None:
    assert fed(190.0, 20, nominal=200, chunk=1).rate_hz == pytest.approx(190.0, rel=1e-3)


def test_a_rate_that_changes_is_followed_after_a_minute() -> None:
    estimator = RateEstimator(2000)
    feed(estimator, 2000.0, 70)
    feed(estimator, 2200.0, BASELINE_S + 5, since=570.0, first=140_000)
    assert estimator.rate_hz == pytest.approx(2200.0, rel=1e-3)


def test_a_silence_is_not_taken_for_a_slow_device() -> None:
    """A cable pulled for two seconds left a count that had stood still; the rate came out 20 % low for a minute."""
    estimator = RateEstimator(2000)
    at = feed(estimator, 2000.0, 8)
    feed(estimator, 2000.0, 8, since=at + SILENCE_S + 1.0, first=16_000)
    assert estimator.rate_hz == pytest.approx(2000.0, rel=1e-4)


def test_a_count_that_runs_backwards_is_another_device() -> None:
    estimator = fed(2000.0, 10)
    estimator.update(20, 510.5)
    assert estimator.rate_hz is None


def test_reset_forgets() -> None:
    estimator = fed(2500.0, 20)
    assert estimator.off_nominal
    estimator.reset()
    assert (estimator.rate_hz, estimator.off_nominal) == (None, False)


@pytest.mark.parametrize("nominal", [0.0, -1.0, float("inf"), float("nan")])
def test_a_nominal_rate_must_be_a_rate(nominal: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        RateEstimator(nominal)
