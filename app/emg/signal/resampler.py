"""The same signal at another rate: a causal polyphase FIR that is told the source's sample index.

    sample m of the model's side  =  sum over k of  bank[m * down mod up, k] * x[m * down // up - k]

The filter is that of least delay (minimum phase) for its magnitude: with a linear phase the same stopband costs ten
times as long (docs/decisions/0014-a-montage-between-source-and-model.md). Nothing that is not in the source gets into
what comes out: all above half of the lower rate is 60 dB down, whether it would be an alias or an image.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from app.emg.signal.rates import Indices, ratio_between
from app.emg.signal.scipy_signal import scipy_signal
from app.emg.source import Samples
from app.errors import SourceError

STOPBAND_DB = 70.0  # designed; 60 is promised, and the rest is for what the design gives away
PASS = 0.45  # of a rate: the highest frequency that a signal of that rate carries to another
_BLOCK = (
    64  # output samples of one matrix product: its weights are few, and a day of samples needs no more memory
)

Weights = npt.NDArray[np.float64]


class Resampler:
    """Resamples chunk after chunk exactly as it would resample them joined together, to rounding.

    The state is the newest source samples, float64. The first sample after a start or `reset` counts as having been
    there for ever, so an electrode's offset makes no start-up step. `high_hz` is the highest frequency that must
    come through, at most PASS of the lower rate (and that where it is None).
    """

    def __init__(
        self, source_rate: float, model_rate: float, channels: int, high_hz: float | None = None
    ) -> None:
        self.ratio = ratio_between(source_rate, model_rate)
        self.source_rate, self.model_rate, self.channels = source_rate, model_rate, channels
        lower = min(source_rate, model_rate)
        self.high_hz = min(PASS * lower, high_hz or np.inf)
        self._bank = _bank(self.ratio.up, self.high_hz, lower / 2, source_rate * self.ratio.up)
        self._history: Weights | None = None  # (taps, channels): the newest samples
        self.end = 0  # index after the newest sample that was taken

    @property
    def taps(self) -> int:
        """How many source samples one sample of the model's side is made of."""
        return int(self._bank.shape[1])

    def delay_ms(self, low_hz: float = 0.0) -> float:
        """Return the mean group delay in ms between `low_hz` and the highest frequency that comes through.

        It is Re(FFT(n h) / FFT(h)) of the filter h at its own rate (Smith, Introduction to Digital Filters).
        """
        weights = self._bank[:, ::-1].T.ravel()  # the filter as it runs at up * source_rate
        rate = self.source_rate * self.ratio.up
        band = [min(low_hz, self.high_hz), self.high_hz]
        both = np.stack([weights * np.arange(len(weights)), weights])
        delayed, plain = scipy_signal().zoom_fft(both, band, 256, fs=rate, endpoint=True)
        return float(np.mean((delayed / plain).real) / rate * 1e3)

    def reset(self) -> None:
        """Forget the past: what comes next does not continue it."""
        self._history = None

    def __call__(self, index: int, samples: Samples) -> Samples:
        """Return what can be made now of `samples` (n, channels), the first of which has `index`.

        It is (m, channels) float32. The first row is sample `ratio.to_output(index)` of the model's side; there may
        be none. Samples that are missing before `index` count as the last one held, but nothing is returned for
        them.

        Raises:
            SourceError: wrong shape, a sample that is NaN or infinite, or an index that goes backwards; the state is
                untouched (one NaN would stay for as long as the filter is).
        """
        self._check(index, samples)
        if not len(samples):
            return np.zeros((0, self.channels), np.float32)
        joined = np.concatenate([self._past(index, samples[0]), samples])
        self._history, self.end = joined[-self.taps :].copy(), index + len(samples)
        return self._made(index, joined[1:], len(samples))

    def __str__(self) -> str:
        return f"resampled from {self.source_rate:.10g} to {self.model_rate:.10g} Hz ({self.ratio})"

    def _check(self, index: int, samples: Samples) -> None:
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise SourceError(f"samples must be (n, {self.channels}), got {samples.shape}")
        if not np.isfinite(samples).all():
            raise SourceError("samples hold NaN or infinite values")
        if index < self.end:
            raise SourceError(f"sample index went backwards, from {self.end} to {index}")

    def _past(self, index: int, first: npt.NDArray[np.float32]) -> Weights:
        """Return the samples (taps, channels) before `index`."""
        if self._history is None:
            return np.tile(first.astype(np.float64), (self.taps, 1))
        held = min(index - self.end, self.taps)
        return np.concatenate([self._history[held:], np.tile(self._history[-1], (held, 1))])

    def _made(self, index: int, joined: Weights, count: int) -> Samples:
        """Return the model's side of `count` source samples from `index` on; `joined` has taps - 1 more before."""
        newest, phase = self.ratio.between(index, count)
        made = np.empty((len(newest), self.channels), np.float32)
        for at in range(0, len(newest), _BLOCK):
            part = slice(at, at + _BLOCK)
            begin, end = int(newest[part][0]), int(newest[part][-1]) + self.taps
            made[part] = self._weights(newest[part] - begin, phase[part]) @ joined[begin:end]
        return made

    def _weights(self, oldest: Indices, phase: Indices) -> Weights:
        """Return the matrix (outputs, inputs) that has each output's taps at its oldest input."""
        weights = np.zeros((len(phase), int(oldest[-1]) + self.taps))
        columns = oldest[:, np.newaxis] + np.arange(self.taps)
        weights[np.arange(len(phase))[:, np.newaxis], columns] = self._bank[phase]
        return weights


@functools.lru_cache(maxsize=32)  # many sources of one kind, pushed to one model
def _bank(up: int, pass_hz: float, stop_hz: float, rate: float) -> Weights:
    """Return the filter of least delay from `pass_hz` to `stop_hz`, one row a phase (up, taps), oldest tap first.

    Each row's sum is 1, so that a constant stays one exactly, however large an offset an amplifier has.
    """
    weights = _minimum_phase(_linear_phase(pass_hz, stop_hz, rate))
    taps = -(-len(weights) // up)
    bank = np.pad(weights, (0, up * taps - len(weights))).reshape(taps, up).T[:, ::-1]
    bank = np.ascontiguousarray(bank / bank.sum(axis=1, keepdims=True))
    bank.flags.writeable = False
    return bank


def _linear_phase(pass_hz: float, stop_hz: float, rate: float) -> Weights:
    count, beta = scipy_signal().kaiserord(STOPBAND_DB, (stop_hz - pass_hz) / (rate / 2))
    odd = count + 1 - count % 2
    window = ("kaiser", beta)
    return np.asarray(scipy_signal().firwin(odd, (pass_hz + stop_hz) / 2, window=window, fs=rate))


def _minimum_phase(linear: Weights) -> Weights:
    """Return the filter of the same length and magnitude that answers first.

    Its phase follows from the magnitude by the real cepstrum, folded to positive times (Oppenheim & Schafer,
    Discrete-Time Signal Processing, 13.5). Zeros on the unit circle have no logarithm: they are filled to -100 dB.
    """
    size = 1 << (16 * len(linear) - 1).bit_length()
    magnitude = np.maximum(np.abs(np.fft.rfft(linear, size)), 1e-5)
    cepstrum = np.fft.irfft(np.log(magnitude), size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    return np.asarray(np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[: len(linear)])
