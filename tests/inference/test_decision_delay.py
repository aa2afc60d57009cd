from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.decision import decision_delay_ms

ms = st.floats(0, 1000)


def test_it_is_the_formula_of_farrell_and_weir_and_the_filter() -> None:
    delay = decision_delay_ms(window_ms=200, hop_ms=50, votes=5, filter_ms=4, latency_ms=1)
    assert delay == 200 / 2 + 5 * 50 / 2 + 4 + 1


def test_a_montage_that_resamples_adds_its_own_delay() -> None:
    delay = decision_delay_ms(window_ms=200, hop_ms=50, votes=5, filter_ms=4, latency_ms=1, montage_ms=18)
    assert delay == 200 / 2 + 5 * 50 / 2 + 4 + 1 + 18


@given(ms, ms, st.integers(1, 99), ms, ms)
def test_each_vote_costs_half_a_hop(
    window: float, hop: float, votes: int, filter_ms: float, latency: float
) -> None:
    def delay(votes: int) -> float:
        return decision_delay_ms(
            window_ms=window, hop_ms=hop, votes=votes, filter_ms=filter_ms, latency_ms=latency
        )

    assert delay(votes + 1) - delay(votes) == pytest.approx(hop / 2, abs=1e-6)
