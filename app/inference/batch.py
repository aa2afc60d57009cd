"""The array that a backend may hand to its runtime without looking at it again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.errors import WindowError
from app.inference.backend import Batch
from app.inference.manifest import MAX_STEPS, Manifest, shown


def as_batch(windows: npt.NDArray[np.float32], manifest: Manifest) -> Batch:
    """Return the same windows, float32, C order and writable; copied only where they are not.

    Raises:
        WindowError: as `expect_windows`.
    """
    expect_windows(windows, manifest)
    return np.require(windows, np.float32, ["C", "W"])  # torch warns of arrays that are read-only


def expect_windows(windows: npt.NDArray[np.float32], manifest: Manifest) -> None:
    """See that they have the shape of this model's windows.

    Raises:
        WindowError: they are not (batch, reads, channels), or there are none.
    """
    wanted = (manifest.reads, manifest.channels)
    if windows.ndim != 3 or windows.shape[1:] != wanted or not len(windows):
        samples = "context + length" if manifest.context else "length"
        takes = f"(batch, {samples}, channels) = (1 or more, {wanted[0]}, {wanted[1]})"
        raise WindowError(f"{manifest.name} takes windows of {takes}, got {windows.shape}")


def as_steps(steps: int | None, manifest: Manifest) -> int:
    """Return the spiking steps to run: those asked for, or the manifest's.

    Raises:
        WindowError: below 1 or above MAX_STEPS.
    """
    if steps is None:
        return manifest.steps
    if not 1 <= steps <= MAX_STEPS:
        raise WindowError(f"steps must be from 1 to {MAX_STEPS}, got {shown(steps)}")
    return steps
