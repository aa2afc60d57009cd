"""Causal, stateful filters: second-order sections from a model's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from app.emg.signal.scipy_signal import scipy_signal
from app.emg.source import Samples
from app.errors import ConfigError, SourceError

FilterSpec = Mapping[str, Any]
Sos = npt.NDArray[np.float64]  # (sections, 6)

MAX_ORDER = 10  # steeper edges ring for longer than any window we cut

_BUTTERWORTH_EDGES = {"lowpass": ("high_hz",), "highpass": ("low_hz",), "bandpass": ("low_hz", "high_hz")}


def design(specs: Sequence[FilterSpec], sampling_rate: float, mains: float | None) -> Sos:
    """Second-order sections (sections, 6) of all `specs`, in order; no specs, no sections.

    `{"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450}` is a Butterworth filter (`highpass`
    takes `low_hz`, `lowpass` takes `high_hz`; each edge of a band-pass has the full order).
    `{"kind": "notch", "frequency_hz": 50, "q": 30}` is a second-order notch; with `"mains"` for its
    frequency it sits at `mains` Hz and is left out where mains is None or not below Nyquist.

    Raises:
        ConfigError: a filter cannot be built at this sampling rate; names the filter and the limit.
    """
    sections = [_sections(dict(spec), sampling_rate, mains) for spec in specs]
    return np.concatenate([np.zeros((0, 6)), *sections])


def _sections(spec: dict[str, Any], sampling_rate: float, mains: float | None) -> Sos:
    kind = spec.get("kind")
    if kind == "notch":
        return _notch(spec, sampling_rate, mains)
    if kind not in _BUTTERWORTH_EDGES:
        raise ConfigError(f"filter {spec}: kind must be one of bandpass, highpass, lowpass, notch")
    edges = _BUTTERWORTH_EDGES[kind]
    _expect_keys(spec, {"kind", "order", *edges})
    order = spec["order"]
    if not isinstance(order, int) or isinstance(order, bool) or not 1 <= order <= MAX_ORDER:
        raise ConfigError(f"filter {spec}: order must be a whole number from 1 to {MAX_ORDER}")
    frequencies = [_below_nyquist(spec, edge, spec[edge], sampling_rate) for edge in edges]
    if frequencies != sorted(set(frequencies)):
        raise ConfigError(f"filter {spec}: low_hz must lie below high_hz")
    band = frequencies if len(frequencies) == 2 else frequencies[0]
    return np.asarray(scipy_signal().butter(order, band, kind, fs=sampling_rate, output="sos"))


def _notch(spec: dict[str, Any], sampling_rate: float, mains: float | None) -> Sos:
    _expect_keys(spec, {"kind", "frequency_hz", "q"})
    frequency = spec["frequency_hz"]
    if frequency == "mains":
        if mains is None or mains >= sampling_rate / 2:
            return np.zeros((0, 6))
        frequency = mains
    frequency = _below_nyquist(spec, "frequency_hz", frequency, sampling_rate)
    q = spec["q"]
    if not _is_number(q) or q <= 0:
        raise ConfigError(f"filter {spec}: q must be a number above 0")
    return np.asarray(scipy_signal().tf2sos(*scipy_signal().iirnotch(frequency, q, fs=sampling_rate)))


def _expect_keys(spec: dict[str, Any], keys: set[str]) -> None:
    if spec.keys() != keys:
        raise ConfigError(f"filter {spec}: takes exactly {', '.join(sorted(keys))}")


def _below_nyquist(spec: dict[str, Any], key: str, value: object, sampling_rate: float) -> float:
    if not _is_number(value) or not 0 < value < sampling_rate / 2:
        limit = f"{sampling_rate / 2:g} Hz, half the sampling rate of {sampling_rate:g} Hz"
        raise ConfigError(f"filter {spec}: {key} must be a number above 0 and below {limit}")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


class SosFilter:
    """Filters chunk after chunk exactly as it would filter them joined together.

    The state is kept in float64. The first sample after a start or `reset` sets it to the steady state for
    that sample's level, so an electrode's offset makes no start-up step.
    """

    def __init__(self, sos: Sos, channels: int) -> None:
        self._sos = np.ascontiguousarray(sos, dtype=np.float64)
        self._channels = channels
        # (sections, 2, 1): the state in which a constant input of 1 has already settled
        signal = scipy_signal()
        self._sosfilt = signal.sosfilt
        self._settled = signal.sosfilt_zi(self._sos)[:, :, np.newaxis] if len(sos) else None
        self._state: npt.NDArray[np.float64] | None = None

    def reset(self, first_sample: npt.ArrayLike | None = None) -> None:
        """Forget the past. Start settled at `first_sample` (channels,), or at whatever comes next."""
        self._state = None
        if first_sample is not None and self._settled is not None:
            level = np.asarray(first_sample, dtype=np.float64)
            self._state = self._settled * level  # (sections, 2, channels)

    def __call__(self, samples: Samples) -> Samples:
        """Return the filtered samples, (n, channels) float32.

        Raises:
            SourceError: a sample is NaN or infinite; the state is untouched (one NaN would stay for ever).
        """
        if samples.ndim != 2 or samples.shape[1] != self._channels:
            raise SourceError(f"samples must be (n, {self._channels}), got {samples.shape}")
        if not np.isfinite(samples).all():
            raise SourceError("samples hold NaN or infinite values")
        if self._settled is None or len(samples) == 0:
            return np.asarray(samples, dtype=np.float32)
        if self._state is None:
            self.reset(samples[0])
        filtered, self._state = self._sosfilt(self._sos, samples.astype(np.float64), axis=0, zi=self._state)
        return np.asarray(filtered, dtype=np.float32)


def filter_all(sos: Sos, samples: Samples) -> Samples:
    """Filter a whole recording (n, channels) in one go: the same samples that the live path gives."""
    return SosFilter(sos, samples.shape[1])(samples)


def group_delay_ms(sos: Sos, sampling_rate: float) -> float:
    """Mean group delay in ms over the passband (where the gain is within 3 dB of its maximum).

    It is -dphase/domega; for one section B(z)/A(z) that is Re(B'/B) - Re(A'/A) with the coefficients of B'
    weighted by their delay (Smith, Introduction to Digital Filters, "Numerical computation of group delay").
    """
    if len(sos) == 0:
        return 0.0
    frequencies = (np.arange(4096) + 0.5) * (np.pi / 4096)  # rad/sample; off 0 and Nyquist, where zeros sit
    z = np.exp(-1j * np.outer(frequencies, np.arange(3)))  # (frequencies, 3)
    b, a = z @ sos[:, :3].T, z @ sos[:, 3:].T  # (frequencies, sections)
    db, da = z @ (sos[:, :3] * np.arange(3)).T, z @ (sos[:, 3:] * np.arange(3)).T
    gain = np.abs(np.prod(b / a, axis=1))
    passband = gain >= gain.max() / np.sqrt(2)
    with np.errstate(divide="ignore", invalid="ignore"):  # a notch's own frequency is not in the passband
        delay = np.sum((db / b).real - (da / a).real, axis=1)
    return float(delay[passband].mean() / sampling_rate * 1000)
