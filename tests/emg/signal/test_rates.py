from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.signal.rates import CLOSE_ENOUGH, MAX_UP, Ratio, ratio_between

terms = st.integers(1, 1000)
ratios = st.builds(Ratio, terms, terms)
indices = st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("source", "model", "up", "down"),
    [
        (1259.259, 2000, 27, 17),
        (148.148, 200, 27, 20),
        (1925.926, 2000, 27, 26),
        (250, 200, 4, 5),
        (2048, 2000, 125, 128),
        (4000, 2000, 1, 2),
        (1111.111, 2000, 9, 5),
    ],
)
def test_the_ratio_is_the_simplest_that_is_close_enough(
    source: float, model: float, up: int, down: int
) -> None:
    found = ratio_between(source, model)
    assert (found.up, found.down) == (up, down)
    assert abs(found.error) <= CLOSE_ENOUGH
    assert found.error == pytest.approx(up / down / (model / source) - 1, abs=1e-12)


@given(st.integers(50_000, 10_000_000), st.integers(50_000, 10_000_000))
def test_any_two_rates_have_a_ratio_with_few_phases_and_a_true_error(source: int, model: int) -> None:
    found = ratio_between(source / 1000, model / 1000)
    assert 1 <= found.up <= MAX_UP
    exact = Fraction(model, source)
    assert found.error == pytest.approx(float(Fraction(found.up, found.down) / exact - 1), abs=1e-15)
    assert abs(found.error) < 0.005, "two rates that differ by no more are one"


def test_a_ratio_says_how_far_off_it_is() -> None:
    assert str(ratio_between(1259.259, 2000)) == "27/17, off by 0.21 ppm"


@given(ratios, indices)
def test_a_sample_exists_once_the_sources_before_its_place_does(ratio: Ratio, index: int) -> None:
    first = ratio.to_output(index)
    assert ratio.to_input(first) >= index
    assert ratio.to_input(first - 1) < index


@given(ratios, indices)
def test_no_index_is_off_however_long_the_signal_is(ratio: Ratio, index: int) -> None:
    place = Fraction(ratio.to_output(index) * ratio.down, ratio.up)
    assert 0 <= place - index < Fraction(ratio.down, ratio.up)


@given(ratios, indices, st.integers(0, 50))
def test_places_are_those_of_the_mapping(ratio: Ratio, index: int, count: int) -> None:
    newest, phase = ratio.between(index, count)
    numbers = range(ratio.to_output(index), ratio.to_output(index + count))
    assert [index + n for n in newest.tolist()] == [ratio.to_input(m) for m in numbers]
    assert phase.tolist() == [m * ratio.down % ratio.up for m in numbers]


@given(ratios, st.integers(1, 10**15))
def test_an_end_maps_to_what_it_has_seen_and_no_further(ratio: Ratio, end: int) -> None:
    seen = ratio.to_input_end(end)
    assert ratio.to_output(seen) >= end > ratio.to_output(seen - 1)
    assert ratio.to_input_end(end + 1) >= seen


def test_after_ten_thousand_million_samples_the_places_are_exact() -> None:
    ratio = ratio_between(1259.259, 2000)
    index = 10**10 * 17
    assert ratio.to_output(index) == 10**10 * 27
    assert ratio.to_output(index + 1) == 10**10 * 27 + 2
    assert ratio.to_input(10**10 * 27 + 1) == index
