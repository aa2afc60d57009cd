"""What the graphs of a covariance model hold beside its weights, for PyTorch and ONNX alike.

Both compute a raw vector of a window, from which the features are one matrix away:

    polynomial of the window's matrix (n^2), of the context's (n^2), the logarithms of both scales (2),
    log band powers (n x bands, channel by channel),
    behind a projection the log power of each channel (channels x 2)

with n the channels, or the directions of the projection. With v the mean variance of a covariance C and m = v + floor,
what the logarithm is taken of, mapped to [-1, 1], is (2/n C + lift I) / m - I, where lift = 2/n (1 - ridge) floor; so
the factor 2/n is put into the weights of the samples, and m is half the trace plus a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.errors import ArtefactError
from app.inference.covariance.bands import Frames, frames
from app.inference.covariance.parameters import CovarianceParameters, Doubles
from app.inference.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """The fixed numbers of one model; `of` makes them."""

    parameters: CovarianceParameters
    channels: int
    directions: int  # channels of the covariances
    length: int
    reads: int
    cut: Frames
    fading: Doubles  # (reads,) weight of each sample in the context; sums to 2 / directions
    recent: float  # weight of a sample in the window: 2 / directions / length
    lift: float  # added to the diagonal of a weighted covariance
    least: float  # added to half the trace of the lifted one: the scale

    @property
    def band_sums(self) -> Doubles:
        """Return what sums squared waves of all frames to powers, (frames x rows, bands)."""
        rows = np.repeat(np.arange(len(self.cut.rows)), self.cut.rows)
        own = rows[:, np.newaxis] == np.arange(len(self.cut.rows))  # (rows, bands)
        found: Doubles = np.kron(self.cut.weight[:, np.newaxis], own)
        return found

    @property
    def power_weights(self) -> Doubles:
        """Return the weights of the samples in the powers of channels, (reads, 2): window, context."""
        window = np.zeros(self.reads)
        window[-self.length :] = 1 / self.length
        return np.stack([window, self.fading * self.directions / 2], 1)

    @property
    def spread(self) -> Doubles:
        """Return the matrix (features, raw) that makes features of the raw vector."""
        n = self.directions
        rows, columns = np.triu_indices(n)
        half = np.zeros((len(rows), n * n))
        half[np.arange(len(rows)), rows * n + columns] = np.where(rows == columns, 1.0, np.sqrt(2.0))
        scale = (rows == columns).astype(float)[:, np.newaxis]
        none = np.zeros_like(half)
        matrices = np.block(
            [[half, none, scale, np.zeros_like(scale)], [none, half, np.zeros_like(scale), scale]]
        )
        bands = _by_channel(len(self.cut.rows), n)
        powers = _by_channel(2, self.channels if self.parameters.projected else 0)
        return _diagonal(matrices, bands, powers)


def constants(manifest: Manifest) -> Constants:
    """Return those of the model that the manifest describes.

    Raises:
        ArtefactError: a hyper-parameter is wrong, or does not fit the rate.
    """
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    if parameters.centres and not manifest.gives_values:
        raise ArtefactError("hyper_parameters.centres is for models whose outputs.kind is values")
    reads, directions = manifest.reads, parameters.projected or manifest.channels
    factor = 2 / directions
    return Constants(
        parameters=parameters,
        channels=manifest.channels,
        directions=directions,
        length=manifest.length,
        reads=reads,
        cut=frames(parameters, reads, manifest.sampling_rate),
        fading=factor * parameters.context_weights(reads, manifest.sampling_rate),
        recent=factor / manifest.length,
        lift=factor * (1 - parameters.ridge) * parameters.floor,
        least=parameters.ridge * parameters.floor,
    )


def _by_channel(kinds: int, channels: int) -> Doubles:
    """Return the matrix that makes (kinds x channels) of (channels x kinds)."""
    found = np.zeros((kinds, channels, channels, kinds))
    for kind in range(kinds):
        found[kind, :, :, kind] = np.eye(channels)
    return found.reshape(kinds * channels, channels * kinds)


def _diagonal(*matrices: Doubles) -> Doubles:
    """Return the matrices along the diagonal of one."""
    found = np.zeros(np.sum([matrix.shape for matrix in matrices], 0))
    row = column = 0
    for matrix in matrices:
        found[row : row + len(matrix), column : column + matrix.shape[1]] = matrix
        row, column = row + len(matrix), column + matrix.shape[1]
    return found
