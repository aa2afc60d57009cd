"""Normalising windows and reading logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.inference.prediction import normalise, predict, softmax

logits_of_any_size = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(2, 9)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@given(logits_of_any_size)
def test_probabilities_sum_to_one_however_large_the_logits(logits: np.ndarray) -> None:
    probabilities = softmax(logits)

    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities >= 0).all()


@given(logits_of_any_size)
def test_the_prediction_is_the_class_of_the_largest_logit(logits: np.ndarray) -> None:
    answer = predict(logits)

    np.testing.assert_array_equal(answer.confidence, answer.probabilities.max(axis=1))
    np.testing.assert_array_equal(logits[np.arange(len(logits)), answer.prediction], logits.max(axis=1))


def test_softmax_agrees_with_its_formula() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], np.float32)

    expected = np.exp(logits.astype(np.float64))
    expected /= expected.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(softmax(logits), expected, atol=1e-7)


def test_the_first_of_equal_classes_is_predicted() -> None:
    answer = predict(np.array([[0.0, 5.0, 5.0]], np.float32))

    assert answer.prediction.tolist() == [1]
    assert answer.confidence[0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shape", [(20, 3), (2, 20, 3)], ids=["window", "batch"])
def test_normalised_windows_have_zero_mean_and_unit_deviation(shape: tuple[int, ...]) -> None:
    windows = np.random.default_rng(1).normal(5, 3, shape).astype(np.float32)
    axes = tuple(range(windows.ndim - 1))

    normalised = normalise(windows, windows.mean(axes), windows.std(axes))

    np.testing.assert_allclose(normalised.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axes), 1, atol=1e-5)


def test_normalising_leaves_the_caller_s_windows_alone_and_gives_c_order() -> None:
    windows = np.asfortranarray(np.ones((2, 4, 3), np.float32))
    windows.setflags(write=False)

    normalised = normalise(windows, np.ones(3, np.float32), np.ones(3, np.float32))

    assert normalised.flags.c_contiguous
    assert normalised.dtype == np.float32
    assert not normalised.any()


def test_whole_numbers_are_normalised_in_float32() -> None:
    counts = np.full((4, 2), 127, np.int8)

    normalised = normalise(counts, np.full(2, -128, np.float32), np.full(2, 5, np.float32))

    np.testing.assert_allclose(normalised, 51)


def test_a_window_whose_largest_logit_is_below_the_threshold_is_unknown() -> None:
    logits = np.array([[-30.0, -12.0, -40.0], [-9.0, -12.0, -40.0]], np.float32)

    answer = predict(logits, reject_below=-10.0)

    assert answer.unknown.tolist() == [True, False]
    assert answer.prediction.tolist() == [1, 0]  # what it is most like is said all the same
    assert answer[1:].unknown.tolist() == [False]


@given(logits_of_any_size)
def test_a_model_without_a_threshold_knows_every_window(logits: np.ndarray) -> None:
    assert not predict(logits).unknown.any()
