from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.counters.histograms import LogHistogram

times = st.lists(st.floats(0.002, 1e5), min_size=1, max_size=300)


@given(times, st.sampled_from([0, 1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_that_of_the_values_within_2_percent(values: list[float], percent: float) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)
    exact = float(np.percentile(values, percent, method="inverted_cdf"))
    assert histogram.percentile(percent) == pytest.approx(exact, rel=0.02)
    assert histogram.count == len(values)
    assert histogram.mean == pytest.approx(float(np.mean(values)))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, 1e12])
def test_a_value_beyond_the_ends_is_counted_at_the_end(value: float) -> None:
    histogram = LogHistogram()
    histogram.add(value)
    assert histogram.count == 1
    assert histogram.percentile(50) is not None


def test_nothing_is_known_before_the_first_value() -> None:
    assert (LogHistogram().percentile(50), LogHistogram().mean) == (None, None)
