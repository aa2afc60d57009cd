"""The features of a covariance model, against the definition in plain numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from app.errors import ArtefactError
from app.inference.covariance.bands import frames
from app.inference.covariance.features import features, features_along, half, log_half
from app.inference.covariance.logarithm import bounds, log_bounded, series
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.history import with_history

RNG = np.random.default_rng(7)
RATE, LENGTH, READS = 200.0, 40, 200
BANDS = ((15.0, 35.0), (35.0, 60.0), (60.0, 95.0))


def coloured(samples: int, channels: int) -> npt.NDArray[np.float64]:
    """Noise whose channels are mixed and whose level changes."""
    mix = RNG.standard_normal((channels, channels)) * np.geomspace(0.05, 3, channels)
    level = 1 + np.sin(np.arange(samples) / 60)[:, np.newaxis]
    return np.asarray(RNG.standard_normal((samples, channels)) @ mix * level)


def exact_log(matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray((vectors * np.log(values)[:, np.newaxis]) @ vectors.swapaxes(1, 2))


@pytest.mark.parametrize("channels", [1, 2, 8, 16, 64])
@pytest.mark.parametrize("degree", [4, 7, 24, 48])
def test_the_products_are_the_chebyshev_series_of_the_eigenvalues(channels: int, degree: int) -> None:
    root = RNG.standard_normal((6, channels, channels))
    matrices = root @ root.swapaxes(1, 2)
    trace = np.trace(matrices, axis1=1, axis2=2)[:, np.newaxis, np.newaxis]
    matrices = matrices * channels / trace + 0.05 * np.eye(channels)  # within the bounds
    low, high = bounds(0.05, channels)
    values, vectors = np.linalg.eigh(matrices)
    along = np.polynomial.chebyshev.chebval(
        (2 * values - high - low) / (high - low), series(0.05, channels, degree)
    )
    expected = (vectors * along[:, np.newaxis]) @ vectors.swapaxes(1, 2)

    assert np.allclose(log_bounded(matrices, 0.05, degree), expected, atol=1e-11)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    ("channels", "degree", "within"), [(1, 24, 1e-5), (8, 24, 3e-3), (8, 64, 5e-6), (16, 64, 2e-4)]
)
def test_the_logarithm_is_that_of_the_ridged_covariance(
    scale: float, channels: int, degree: int, within: float
) -> None:
    parameters = CovarianceParameters(degree=degree)
    emg = scale * np.stack([coloured(100, channels), np.tile(coloured(100, 1), channels)])
    covariance = emg.swapaxes(1, 2) @ emg / 100
    variance = np.trace(covariance, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] / channels
    expected = half(exact_log(covariance + (1 + 0.05 * variance) * np.eye(channels)))

    found = log_half(covariance, parameters)

    assert np.linalg.norm(found - expected) <= within * max(np.linalg.norm(expected), 1.0)


def test_the_features_stand_in_their_order() -> None:
    parameters = CovarianceParameters(degree=64, bands_hz=BANDS, floor=0.01)
    windows = np.stack([coloured(READS, 3) for _ in range(4)])
    weight = np.exp(-np.arange(READS)[::-1] / RATE / 0.5)
    context = np.einsum("t,nta,ntb->nab", weight / weight.sum(), windows, windows)

    found = features(windows, parameters, length=LENGTH, rate=RATE)

    recent = windows[:, -LENGTH:]
    assert found.shape == (4, parameters.size(3)) == (4, 6 + 6 + 9)
    assert np.allclose(found[:, :6], log_half(recent.swapaxes(1, 2) @ recent / LENGTH, parameters))
    assert np.allclose(found[:, 6:12], log_half(context, parameters))
    assert np.allclose(
        features(windows[..., ::-1], parameters, length=LENGTH, rate=RATE)[:, 12:15], found[:, 14:11:-1]
    )


def test_a_tone_is_in_the_band_of_its_frequency_with_its_power() -> None:
    parameters = CovarianceParameters(bands_hz=BANDS, floor=1e-6)
    tone = 3 * np.sqrt(2) * np.sin(2 * np.pi * 47 * np.arange(READS) / RATE)

    low, middle, high = np.exp(
        features(tone[np.newaxis, :, np.newaxis], parameters, length=LENGTH, rate=RATE)[0, 2:]
    )

    assert middle == pytest.approx(9, rel=0.1)
    assert max(low, high) < 0.2


def test_bands_that_cover_the_spectrum_add_up_to_the_variance() -> None:
    parameters = CovarianceParameters(bands_hz=((0, 35), (35, 70), (70, 101)), floor=1e-9)
    noise = np.random.default_rng(1).standard_normal((400, READS, 1))

    found = np.exp(features(noise, parameters, length=LENGTH, rate=RATE)[:, 2:]).sum(1)

    assert found.mean() == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(
    "band", [(101, 120), (20.5, 21)], ids=["above half the rate", "between two frequencies"]
)
def test_a_band_without_a_frequency_is_refused(band: tuple[float, float]) -> None:
    with pytest.raises(ArtefactError, match="bands_hz"):
        frames(CovarianceParameters(bands_hz=(band,)), READS, RATE)


@pytest.mark.parametrize("projected", [0, 2])
@pytest.mark.parametrize("rate", [200.0, 250.0, 2000.0])
def test_features_along_a_recording_are_those_of_its_windows(projected: int, rate: float) -> None:
    length, reads = round(0.2 * rate), round(rate)
    parameters = CovarianceParameters(bands_hz=BANDS, floor=0.01, projected=projected)
    projection = RNG.standard_normal((projected, 3)) if projected else None
    signal = coloured(5 * reads, 3)
    ends = np.array(
        [1, length, length + 7, reads - 1, reads, reads + 1, 4 * reads + 3, 5 * reads, 3 * length]
    )
    windows = np.stack([with_history(signal[:end], reads) for end in ends])

    found = features_along(
        signal, ends, parameters, length=length, reads=reads, rate=rate, projection=projection
    )

    expected = features(windows, parameters, length=length, rate=rate, projection=projection)
    assert found.shape == (len(ends), parameters.size(3))
    assert np.allclose(found, expected, atol=1e-9)


def test_silence_after_a_loud_signal_is_silence_in_the_running_sums() -> None:
    parameters = CovarianceParameters(bands_hz=BANDS)
    signal = np.concatenate([1e4 * coloured(2000, 2), np.zeros((2000, 2))])

    found = features_along(signal, np.array([4000]), parameters, length=LENGTH, reads=READS, rate=RATE)

    assert np.allclose(
        found, features(np.zeros((1, READS, 2)), parameters, length=LENGTH, rate=RATE), atol=1e-4
    )


def test_no_ends_are_no_features() -> None:
    parameters = CovarianceParameters(bands_hz=BANDS)

    found = features_along(coloured(300, 2), np.array([], int), parameters, length=40, reads=READS, rate=RATE)

    assert found.shape == (0, parameters.size(2))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"ridge": 0}, "ridge"),
        ({"ridge": 2}, "ridge"),
        ({"floor": -1}, "floor"),
        ({"floor": float("nan")}, "floor"),
        ({"degree": 3}, "degree"),
        ({"degree": 24.0}, "degree"),
        ({"degree": True}, "degree"),
        ({"tau_ms": 0}, "tau_ms"),
        ({"bands_hz": [15, 35]}, "bands_hz"),
        ({"bands_hz": [[35, 15]]}, "bands_hz"),
        ({"bands_hz": [[15, 35, 60]]}, "bands_hz"),
        ({"bands_hz": [["15", "35"]]}, "bands_hz"),
        ({"bands_hz": "none"}, "bands_hz"),
        ({"bands_hz": [[1, 2]] * 99}, "bands_hz"),
        ({"typical": -1}, "typical"),
        ({"curved": -1}, "curved"),
        ({"projected": 1e3}, "projected"),
        ({"width": 64}, "name"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(values: dict[str, object], field: str) -> None:
    with pytest.raises(ArtefactError, match=f"hyper_parameters: {field} must be"):
        CovarianceParameters.read(values)


def test_parameters_survive_their_manifest() -> None:
    parameters = CovarianceParameters(floor=0.0044, bands_hz=BANDS, typical=3)

    assert CovarianceParameters.read(parameters.as_json()) == parameters
