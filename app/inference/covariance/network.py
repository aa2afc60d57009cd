"""The covariance model in PyTorch: features.py as tensor operations under a linear head or a quadratic one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from app.inference.covariance.constants import Constants
from app.inference.covariance.features import BAND_FLOOR
from app.inference.covariance.logarithm import block_size, blocks
from app.inference.covariance.parameters import Doubles

OPERATIONS_PER_MAC = 2  # as in layers.py


def _blocks(held: Constants) -> Doubles:
    """Return the coefficients of the logarithm, (blocks, size)."""
    degree = held.parameters.degree
    return blocks(held.parameters.ridge, held.directions, degree, block_size(degree))


class CovarianceNet(nn.Module):
    """Log covariances of the window and of all that is read, log band powers, a head.

    Logits are head(f) - |typical(f)|^2 / 2: a Gaussian log density up to a constant, which softmax does not see and
    the largest logit does. Where nobody knows how a ring sits, head(f) is the logarithm of the sum over its placements.
    Where classes differ in their covariances too, curvature(curve(f)^2) is added.
    Pure tensor operations without control flow that depends on data.
    """

    spiking = False
    fading: Tensor
    spread: Tensor
    waves: Tensor
    band_sums: Tensor
    power_weights: Tensor
    blocks: Tensor
    unit: Tensor

    def __init__(self, held: Constants, classes: int) -> None:
        super().__init__()
        self.held = held
        self.channels = held.channels
        parameters = held.parameters
        size = parameters.size(held.channels)
        self.head = nn.Linear(parameters.head_size(held.channels), parameters.placements * classes)
        self.centres = nn.Linear(size, parameters.centres, bias=False) if parameters.centres else None
        self.typical = nn.Linear(size, parameters.typical) if parameters.typical else None
        self.curve = nn.Linear(size, parameters.curved) if parameters.curved else None
        self.curvature = nn.Linear(parameters.curved, classes, bias=False) if parameters.curved else None
        self.project = nn.Linear(held.channels, held.directions, bias=False) if parameters.projected else None
        self._keep("fading", held.fading)
        self._keep("spread", held.spread.T)
        self._keep("waves", held.cut.basis.T)
        self._keep("band_sums", held.band_sums)
        self._keep("power_weights", held.power_weights)
        self._keep("blocks", _blocks(held))
        self.register_buffer("unit", torch.eye(held.directions), persistent=False)

    def _keep(self, name: str, values: Doubles) -> None:
        """Hold numbers that the hyper-parameters give, and the weights file does not."""
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, emg: Tensor) -> Tensor:
        """Logits (batch, classes) of windows with their context, (batch, reads, channels)."""
        return self._logits(self.features(emg))

    def _logits(self, found: Tensor) -> Tensor:
        """Logits (batch, classes) of features; `head_logits` in PyTorch."""
        if self.centres is not None:
            squares = found.square().sum(1, keepdim=True) + self.centres.weight.square().sum(1)
            found = (self.held.parameters.gamma * (2 * self.centres(found) - squares)).exp()
        logits: Tensor = self.head(found)
        placements = self.held.parameters.placements
        if placements > 1:
            logits = logits.reshape(len(logits), placements, -1).logsumexp(1)
        if self.curve is not None and self.curvature is not None:
            logits = logits + self.curvature(self.curve(found).square())
        if self.typical is not None:
            logits = logits - self.typical(found).square().sum(1, keepdim=True) / 2
        return logits

    def features(self, emg: Tensor) -> Tensor:
        """Return what the head reads, (batch, features)."""
        length = self.held.length
        parts = [] if self.project is None else [self._log_powers(emg)]
        seen = emg if self.project is None else self.project(emg)
        across = seen.transpose(1, 2)  # (batch, directions, reads)
        if self.held.cut.rows:
            parts.insert(0, self._log_bands(across))
        window = across[:, :, -length:] @ seen[:, -length:] * self.held.recent
        context = across * self.fading @ seen
        lifted = torch.stack([window, context], 1) + self.held.lift * self.unit
        scale = lifted.diagonal(dim1=2, dim2=3).sum(2) / 2 + self.held.least  # (batch, 2)
        logarithm = self._log(lifted / scale[:, :, None, None] - self.unit)
        raw = torch.cat([logarithm.flatten(1), scale.log(), *parts], 1)
        found: Tensor = raw @ self.spread
        return found

    def _log(self, first: Tensor) -> Tensor:
        """Return the polynomial of matrices (..., n, n) whose eigenvalues lie in [-1, 1]: block Clenshaw."""
        blocks, size = self.blocks, self.blocks.shape[1]
        kinds = [self.unit.expand_as(first), first]
        while len(kinds) <= size:
            kinds.append(2 * first @ kinds[-1] - kinds[-2])
        parts = torch.tensordot(blocks, torch.stack(kinds[:size]), 1)
        step, above, two_above = kinds[size], parts[-1], torch.zeros_like(first)
        for j in range(len(parts) - 2, 0, -1):
            above, two_above = parts[j] + 2 * step @ above - two_above, above
        found: Tensor = parts[0] + step @ above - two_above
        return found

    def _log_bands(self, across: Tensor) -> Tensor:
        """Return the log band powers, (batch, directions x bands)."""
        cut = self.held.cut
        frames = across[:, :, cut.begin :].unfold(2, cut.basis.shape[1], cut.hop)
        power = (frames @ self.waves).square().flatten(2) @ self.band_sums
        return (power + BAND_FLOOR * self.held.parameters.floor).log().flatten(1)

    def _log_powers(self, emg: Tensor) -> Tensor:
        """Return the log power of each channel in window and context, (batch, channels x 2)."""
        power = emg.square().transpose(1, 2) @ self.power_weights
        return (power + self.held.parameters.floor).log().flatten(1)

    def receptive_field(self) -> int:
        """How many samples an answer depends on."""
        return self.held.reads

    def parameter_count(self) -> int:
        """Numbers of the heads and of the projection."""
        return sum(parameter.numel() for parameter in self.parameters())

    def operations(self, length: int) -> int:
        """Operations for one window of `length` samples and its context; see OPERATIONS_PER_MAC for what counts."""
        held, cut, n = self.held, self.held.cut, self.held.directions
        number, size = self.blocks.shape
        reads = held.reads - held.length + length
        covariances = (length + reads) * n * n + reads * n
        products = 2 * (size - 1 + number - 1) * n**3 + 2 * number * size * n * n
        waves = len(cut.weight) * n * (cut.basis.size + self.waves.shape[1] * len(cut.rows))
        projection = reads * self.channels * (n + 3) if self.project is not None else 0
        layers = (self.head, self.centres, self.typical, self.curve, self.curvature)
        heads = sum(layer.weight.numel() for layer in layers if layer is not None)
        return OPERATIONS_PER_MAC * (
            covariances + products + waves + projection + heads + self.spread.numel()
        )
