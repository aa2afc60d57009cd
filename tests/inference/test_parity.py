"""Parity: a backend that does not answer as the model does is not used, and the refusal says by how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import BackendUnavailableError, NotReadyError
from app.inference import parity
from app.inference.artefact import Artefact
from app.inference.backend import Batch, Inference
from app.inference.parity import ALLOWED, SPIKE_ALLOWED, WINDOWS, checked, compare, fixed_windows
from app.inference.reference import reference_logits
from tests.inference.artefacts import make_artefact


class Distorted:
    """The reference with an error of `error` of its largest logit in one logit of one window."""

    def __init__(
        self, artefact: Artefact, error: float, precision: str = "fp32", name: str = "tensorrt"
    ) -> None:
        self.name, self.precision, self.closed = name, precision, False
        self._artefact, self._error = artefact, error

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        logits = reference_logits(self._artefact, batch)
        logits[3, 1] += self._error * np.abs(logits).max()
        return Inference(logits.astype(np.float32), np.zeros(len(batch), np.float32))

    def close(self) -> None:
        self.closed = True


class Broken(Distorted):
    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        raise NotReadyError("it broke")


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    return make_artefact(tmp_path / "tiny")


@pytest.mark.parametrize("precision", ALLOWED)
def test_a_backend_within_its_precision_is_taken(artefact: Artefact, precision: str) -> None:
    backend = Distorted(artefact, 0.9 * ALLOWED[precision], precision)

    assert checked(backend, artefact) is backend
    assert not backend.closed


@pytest.mark.parametrize("precision", ALLOWED)
def test_a_backend_beyond_its_precision_is_refused_and_closed(artefact: Artefact, precision: str) -> None:
    backend = Distorted(artefact, 1.2 * ALLOWED[precision], precision)

    with pytest.raises(BackendUnavailableError) as refusal:
        checked(backend, artefact)

    assert backend.closed
    assert f"{1.2 * ALLOWED[precision]:.2g} of the largest logit" in refusal.value.reason
    assert f"{precision} allows {ALLOWED[precision]:g}" in refusal.value.reason
    assert "engine build --model tiny" in refusal.value.cure
    assert "\n" not in str(refusal.value)


class Said:
    """Answers the logits of given probabilities, all shifted by `shift`, which no probability shows."""

    name, precision, closed = "onnxruntime", "int8", False

    def __init__(self, probabilities: list[float], shift: float = 0.0) -> None:
        self.logits = np.tile(np.log(probabilities) + shift, (WINDOWS, 1)).astype(np.float32)

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        return Inference(self.logits, np.zeros(len(batch), np.float32))

    def close(self) -> None:
        self.closed = True


def refer_to(monkeypatch: pytest.MonkeyPatch, probabilities: list[float], shift: float = 0.0) -> None:
    expected = Said(probabilities, shift).logits
    monkeypatch.setattr(parity, "reference_logits", lambda artefact, windows: expected)


def test_another_prediction_where_the_reference_is_sure_is_refused(
    artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    refer_to(monkeypatch, [0.62, 0.32, 0.06], shift=5)
    with pytest.raises(
        BackendUnavailableError, match=f"another prediction in {WINDOWS} of {WINDOWS} windows"
    ):
        checked(Said([0.46, 0.48, 0.06], shift=5), artefact)  # no probability moved by more than 0.16


def test_another_prediction_where_two_are_nearly_as_probable_is_taken(
    artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    refer_to(monkeypatch, [0.5, 0.44, 0.06], shift=5)
    assert checked(Said([0.44, 0.5, 0.06], shift=5), artefact)


def test_large_logits_do_not_hide_a_difference_of_probabilities(
    artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    refer_to(monkeypatch, [0.95, 0.04, 0.01], shift=100)
    with pytest.raises(BackendUnavailableError, match=r"0.35 of a probability, int8 allows 0.25"):
        checked(Said([0.6, 0.3, 0.1], shift=100), artefact)


def test_not_a_number_is_refused(artefact: Artefact) -> None:
    with pytest.raises(BackendUnavailableError, match="differ from the reference of tiny by nan"):
        checked(Distorted(artefact, np.nan), artefact)


def test_a_backend_that_fails_is_closed_and_its_error_travels_on(artefact: Artefact) -> None:
    backend = Broken(artefact, 0)

    with pytest.raises(NotReadyError, match="it broke"):
        checked(backend, artefact)

    assert backend.closed


def test_the_model_of_someone_else_is_far_beyond_every_precision(tmp_path: Path, artefact: Artefact) -> None:
    other = make_artefact(
        tmp_path / "other", hyper_parameters={"width": 12, "stem_kernel": 6, "stem_stride": 3}
    )

    found = compare(Distorted(other, 0), artefact)

    assert found.difference > max(ALLOWED.values())


def test_a_spiking_model_may_differ_by_a_spike(tmp_path: Path) -> None:
    artefact = make_artefact(tmp_path / "tiny", architecture="spiking_tcn")

    assert checked(Distorted(artefact, 0.9 * SPIKE_ALLOWED["fp32"]), artefact)


@pytest.mark.parametrize(("name", "cure"), [("onnxruntime", "model export"), ("pytorch", "EMG_BACKENDS")])
def test_the_cure_is_that_of_the_backend(artefact: Artefact, name: str, cure: str) -> None:
    with pytest.raises(BackendUnavailableError, match=cure):
        checked(Distorted(artefact, 1, name=name), artefact)


def test_the_windows_are_the_same_every_time(artefact: Artefact) -> None:
    windows = fixed_windows(artefact.manifest)

    np.testing.assert_array_equal(windows, fixed_windows(artefact.manifest))
    assert windows.dtype == np.float32
    assert windows[0].std() < 0.2
    assert windows[-1].std() > 2
