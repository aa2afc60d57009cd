"""Causal, stateful filters: second-order sections from a model's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.signal.scipy_signal import scipy_signal
from app.emg.signal.sections import in_place
from app.emg.source import Samples
from app.errors import ConfigError, SourceError
from app.filter_specs import EDGES, MAINS, NOTCH, FilterSpecError, check_filter

FilterSpec = Mapping[str, Any]
Sos = npt.NDArray[np.float64]  # (sections, 6)


def design(specs: Sequence[FilterSpec], sampling_rate: float, mains: float | None) -> Sos:
    """Second-order sections (sections, 6) of all `specs` (app/filter_specs.py), in order; no specs, no sections.

    A notch of the mains sits at `mains` Hz and is left out where that is None or not below Nyquist.

    Raises:
        ConfigError: a filter cannot be built at this sampling rate; names the filter and the limit.
    """
    sections = [_sections(dict(spec), sampling_rate, mains) for spec in specs]
    return np.concatenate([np.zeros((0, 6)), *sections])


def _sections(spec: dict[str, Any], sampling_rate: float, mains: float | None) -> Sos:
    try:
        check_filter(spec, sampling_rate)
    except FilterSpecError as error:
        raise ConfigError(f"filter {spec}: {error}") from None
    if spec["kind"] == NOTCH:
        return _notch(spec, sampling_rate, mains)
    band = [float(spec[edge]) for edge in EDGES[spec["kind"]]]
    return np.asarray(
        scipy_signal().butter(
            spec["order"], band if len(band) == 2 else band[0], spec["kind"], fs=sampling_rate, output="sos"
        )
    )


def _notch(spec: dict[str, Any], sampling_rate: float, mains: float | None) -> Sos:
    frequency = spec["frequency_hz"]
    if frequency == MAINS:
        if mains is None or mains >= sampling_rate / 2:
            return np.zeros((0, 6))
        frequency = mains
    return np.asarray(scipy_signal().tf2sos(*scipy_signal().iirnotch(frequency, spec["q"], fs=sampling_rate)))


class SosFilter:
    """Filters chunk after chunk exactly as it would filter them joined together.

    The state is kept in float64. The first sample after a start or `reset` sets it to the steady state for
    that sample's level, so an electrode's offset makes no start-up step.
    """

    def __init__(self, sos: Sos, channels: int) -> None:
        self._sos = np.ascontiguousarray(sos, dtype=np.float64)
        self._channels = channels
        self._in_place = in_place()
        # (sections, 2): the state in which a constant input of 1 has already settled
        self._settled = scipy_signal().sosfilt_zi(self._sos) if len(sos) else None
        self._state: npt.NDArray[np.float64] | None = None  # (channels, sections, 2)

    def reset(self, first_sample: npt.ArrayLike | None = None) -> None:
        """Forget the past. Start settled at `first_sample` (channels,), or at whatever comes next."""
        self._state = None
        if first_sample is not None and self._settled is not None:
            level = np.asarray(first_sample, dtype=np.float64)
            self._state = np.ascontiguousarray(level[:, np.newaxis, np.newaxis] * self._settled)

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
        assert self._state is not None
        signals = np.array(samples.T, dtype=np.float64, order="C")  # (channels, n), a copy
        self._in_place(self._sos, signals, self._state)
        return np.array(signals.T, dtype=np.float32, order="C")


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
