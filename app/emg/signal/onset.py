"""At which sample a muscle began, found backwards from a window that shows it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples

LOOK_BACK_S = 0.6  # before the window: a slow contraction takes 0.4 s to its full level
SMOOTH_S = 0.025  # of the power's moving mean: one of the three lengths that Hodges & Bui compared
STEP_S = 0.005  # of the search: a motor unit's potential is longer
QUIET = 0.2  # share of the moving means that are taken for rest
ABOVE = 2.0  # times the power of rest: that is activity
CLEAR = 3.0  # times the power of rest that the gesture itself must have for rest to be told from it


def onset_in(signal: Samples, sampling_rate_hz: float) -> int:
    """Return the row at which the muscle began whose activity the last rows show.

    Backwards from the end the power (each channel in units of its own rest, mean over the channels, moving mean of
    25 ms) is followed to where it was last at twice that of rest. That is the threshold rule of Hodges & Bui 1996, "A
    comparison of computer-based methods for the determination of onset of muscle contraction using electromyography",
    Electroencephalogr. Clin. Neurophysiol. 101:511, looking back instead of ahead, so that a gesture before it does not
    count. Where there is no rest to be seen, as another gesture went before, it is the row at which the variances of
    the channels most likely changed: the maximum-likelihood estimate of Staude 2001, "Precise onset detection of human
    motor responses using a whitening filter and the log-likelihood-ratio test", IEEE Trans. Biomed. Eng. 48:1292,
    without the whitening.

    Args:
        signal: (n, channels), filtered; one segment.
        sampling_rate_hz: of the signal.

    Returns:
        A row from 0 to n; n where there are too few rows to tell.
    """
    step = max(1, round(STEP_S * sampling_rate_hz))
    width = max(2, round(SMOOTH_S * sampling_rate_hz / step))
    steps = len(signal) // step
    if steps < 8 * width:
        return len(signal)
    skipped = len(signal) - steps * step
    blocks = signal[skipped:].reshape(steps, step, -1)
    power = np.einsum("bsc,bsc->bc", blocks, blocks, dtype=np.float64)  # squares may be beyond float32
    sums = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
    smooth = (sums[width:] - sums[:-width]) / width  # row k is of the steps from k to before k + width
    rest = np.maximum(np.quantile(smooth, QUIET, axis=0), np.finfo(np.float32).tiny)
    level = (smooth / rest).mean(axis=1)
    shown = len(level) - 4 * width
    peak = shown + int(np.argmax(level[shown:]))
    quiet = np.flatnonzero(level[:peak] <= ABOVE)
    if level[peak] < CLEAR or not len(quiet):  # no rest before it
        return skipped + step * _changed(sums, width)
    return skipped + step * (int(quiet[-1]) + width // 2)


def _changed(sums: npt.NDArray[np.float64], width: int) -> int:
    """Return the step at which the variances of the channels most likely changed; `sums` of the power before each."""
    steps = len(sums) - 1
    at = np.arange(width, steps - width + 1)
    least = np.finfo(np.float64).tiny
    before = np.log(np.maximum(sums[at] / at[:, np.newaxis], least)).sum(axis=1)
    after = np.log(np.maximum((sums[-1] - sums[at]) / (steps - at)[:, np.newaxis], least)).sum(axis=1)
    return int(at[int(np.argmin(at * before + (steps - at) * after))])
