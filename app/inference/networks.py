"""The networks: a temporal convolutional one, the same front read out by spiking neurons, band powers, covariances.

All take (batch, length, channels) float32 and are pure tensor operations: no randomness in eval mode and no
control flow that depends on data, so they export to ONNX with a dynamic batch.

Sources:
    TCN: Bai, Kolter, Koltun, "An empirical evaluation of generic convolutional and recurrent networks for
        sequence modeling", 2018, arXiv:1803.01271, figure 1: residual blocks of two dilated convolutions.
        Theirs are causal; ours are centred, since the window as a whole lies in the past.
    LIF neuron: Eshraghian et al., "Training spiking neural networks using lessons from deep learning",
        Proceedings of the IEEE 111(9), 2023, arXiv:2109.12894 (decay beta, reset by subtraction), in the
        order charge, fire, reset of Fang et al., "Incorporating learnable membrane time constant to enhance
        learning of spiking neural networks", ICCV 2021, arXiv:2007.05785:
        H[t] = beta V[t-1] + I; S[t] = H[t] > threshold; V[t] = H[t] - threshold S[t]; V[-1] = 0.
    Surrogate gradient: Neftci, Mostafa, Zenke, "Surrogate gradient learning in spiking neural networks",
        IEEE Signal Processing Magazine 36(6), 2019, arXiv:1901.09948; the arctangent is that of Fang et al.
    Band powers: Schirrmeister et al., "Deep learning with convolutional neural networks for EEG decoding and
        visualization", Human Brain Mapping 38(11), 2017, arXiv:1703.05051: its shallow network squares
        learned filters, averages over time and takes the logarithm. Ours mixes channels and time in one
        convolution, and reads the powers with two hidden layers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from app.errors import ArtefactError
from app.inference.covariance.constants import constants
from app.inference.covariance.network import CovarianceNet
from app.inference.hyper_parameters import HyperParameters
from app.inference.layers import (
    OPERATIONS_PER_MAC,
    OPERATIONS_PER_NEURON_STEP,
    ConvNorm,
    Front,
    SurrogateSpike,
)
from app.inference.manifest import FOREIGN, NETWORKS, Manifest, shown

# Added to a power before its logarithm, in squared units of the normalised signal: far below what muscles at
# rest give, so that a silent channel is a number and not -infinity.
POWER_FLOOR = 1e-2


class Network(nn.Module):
    """What both networks have: the front, the head, and figures about themselves."""

    spiking = False

    def __init__(self, shape: HyperParameters, channels: int, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.channels = channels
        self.front = Front(shape, channels)
        self.head = nn.Linear(shape.width, classes)

    @property
    def entry(self) -> nn.Conv2d:
        """The first layer: its weights are (maps, channels, 1, kernel)."""
        return self.front.stem.conv

    def receptive_field(self) -> int:
        """How many samples one frame sees; the average over the frames sees the whole window."""
        return self.shape.receptive_field()

    def parameter_count(self) -> int:
        """Trained numbers, those of batch normalisation included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def operations(self, length: int) -> int:
        """Operations for one window of `length` samples; see OPERATIONS_PER_MAC for what counts."""
        frames = self.shape.frames(length)
        convolutions = [module for module in self.modules() if isinstance(module, ConvNorm)]
        head = OPERATIONS_PER_MAC * self.head.weight.numel()
        return sum(convolution.operations(frames) for convolution in convolutions) + head


class Tcn(Network):
    """The front, averaged over time, and a linear head."""

    def features(self, emg: Tensor) -> Tensor:
        """Return what the head reads, (batch, width), of windows (batch, length, channels)."""
        average: Tensor = self.front(emg).mean((2, 3))
        return average

    def forward(self, emg: Tensor) -> Tensor:
        """Logits (batch, classes) of windows (batch, length, channels)."""
        logits: Tensor = self.head(self.features(emg))
        return logits


class SpikingTcn(Network):
    """The front as a constant current into leaky integrate-and-fire neurons, one per feature map and frame.

    The head reads each map's spike rate over frames and steps; it is linear, so this is the mean over the
    steps of a readout of the spikes of each.
    """

    spiking = True

    def __init__(self, shape: HyperParameters, channels: int, classes: int, steps: int = 4) -> None:
        super().__init__(shape, channels, classes)
        self.steps = steps
        self.synapse = ConvNorm(shape.width, shape.width, 1)

    def forward(self, emg: Tensor, steps: int | None = None) -> tuple[Tensor, Tensor]:
        """Logits (batch, classes), and the number of spikes of each window (batch,)."""
        steps = self.steps if steps is None else steps
        spikes = self._spikes(self.synapse(self.front(emg)), steps)
        # counted in float32 also where the rest is float16, which knows no whole numbers above 2048 exactly
        return self.head(spikes.mean((2, 3)) / steps), spikes.sum((1, 2, 3), dtype=torch.float32)

    def features(self, emg: Tensor, steps: int | None = None) -> Tensor:
        """Return what the head reads: spikes per frame and step, (batch, width)."""
        steps = self.steps if steps is None else steps
        return self._spikes(self.synapse(self.front(emg)), steps).mean((2, 3)) / steps

    def _spikes(self, current: Tensor, steps: int) -> Tensor:
        """How often each neuron spikes in `steps` steps of the same current."""
        beta, threshold = self.shape.beta, self.shape.threshold
        charged = current
        count = spike = self._fire(charged - threshold)
        for _ in range(steps - 1):
            charged = beta * (charged - threshold * spike) + current
            spike = self._fire(charged - threshold)
            count = count + spike
        return count

    def _fire(self, excess: Tensor) -> Tensor:
        if self.training:
            fired: Tensor = SurrogateSpike.apply(excess)  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return fired
        return (excess > 0).to(excess.dtype)

    def operations(self, length: int, steps: int | None = None) -> int:
        """Operations for one window, the neurons' included."""
        neurons = self.shape.width * self.shape.frames(length)
        steps = self.steps if steps is None else steps
        return super().operations(length) + OPERATIONS_PER_NEURON_STEP * neurons * steps


class PowerNet(nn.Module):
    """Logarithmic power of the window in learned bands and directions, two hidden layers, a linear head."""

    spiking = False

    def __init__(self, shape: HyperParameters, channels: int, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.channels = channels
        self.bank = nn.Conv2d(channels, shape.width, (1, shape.stem_kernel), (1, shape.stem_stride))
        self.norm = nn.BatchNorm2d(shape.width)
        self.first = ConvNorm(shape.width, shape.hidden, 1)
        self.second = ConvNorm(shape.hidden, shape.hidden, 1)
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(shape.hidden, classes)

    def features(self, emg: Tensor) -> Tensor:
        """Return what the head reads, (batch, hidden), of windows (batch, length, channels)."""
        maps = self.bank(emg.transpose(1, 2).unsqueeze(2))  # (batch, width, 1, frames)
        power = self.norm(torch.log(maps.square().mean((2, 3), keepdim=True) + POWER_FLOOR))
        hidden = torch.relu(self.second(self.dropout(torch.relu(self.first(power)))))
        return hidden.flatten(1)

    def forward(self, emg: Tensor) -> Tensor:
        """Logits (batch, classes) of windows (batch, length, channels)."""
        logits: Tensor = self.head(self.dropout(self.features(emg)))
        return logits

    @property
    def entry(self) -> nn.Conv2d:
        """The first layer: its weights are (maps, channels, 1, kernel)."""
        return self.bank

    def receptive_field(self) -> int:
        """How many samples one frame of the filter bank sees; the power averages over the whole window."""
        return self.shape.stem_kernel

    def parameter_count(self) -> int:
        """Trained numbers, those of batch normalisation included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def operations(self, length: int) -> int:
        """Operations for one window of `length` samples; see OPERATIONS_PER_MAC for what counts.

        The squares and their sum are one multiply-accumulate for each map and frame.
        """
        frames = self.shape.unpadded_frames(length)
        bank = OPERATIONS_PER_MAC * frames * (self.bank.weight.numel() + self.shape.width)
        layers = self.first.operations(1) + self.second.operations(1)
        return bank + layers + OPERATIONS_PER_MAC * self.head.weight.numel()


Convolutional = Tcn | SpikingTcn | PowerNet
Classifier = Convolutional | CovarianceNet


def convolutional(network: Classifier) -> Convolutional:
    """Return the same network, for what is done to convolutions.

    Raises:
        ArtefactError: it has none.
    """
    if isinstance(network, CovarianceNet):
        raise ArtefactError(
            "a covariance model has no filters to train or to turn: its head is fitted in closed form"
        )
    return network


def build(
    architecture: str,
    hyper_parameters: Mapping[str, Any],
    channels: int,
    length: int,
    classes: int,
    *,
    steps: int = 4,
) -> Classifier:
    """Return a new network with random weights, for windows of (length, channels); `build_for` makes covariance models.

    Raises:
        ArtefactError: the architecture or a hyper-parameter is unknown or out of range, or the window is
            too short for the stem.
    """
    shape = HyperParameters.read(hyper_parameters)
    if architecture == "power":
        shape.unpadded_frames(length)
        return PowerNet(shape, channels, classes)
    shape.frames(length)
    if architecture == "tcn":
        return Tcn(shape, channels, classes)
    if architecture == "spiking_tcn":
        return SpikingTcn(shape, channels, classes, steps)
    raise ArtefactError(f"architecture must be one of {', '.join(NETWORKS)}, got {shown(architecture)}")


def build_for(manifest: Manifest) -> Classifier:
    """Return a new network of the form that the manifest describes.

    Raises:
        ArtefactError: as `build`; or it is somebody's own graph, of which there is no network.
    """
    if manifest.architecture == FOREIGN:
        raise ArtefactError(
            f"{manifest.name} is somebody's own ONNX graph: it is served as it is, and cannot be trained, "
            "calibrated, exported or judged here"
        )
    if manifest.architecture == "covariance":
        return CovarianceNet(constants(manifest), len(manifest.columns))
    return build(
        manifest.architecture,
        manifest.hyper_parameters,
        manifest.channels,
        manifest.length,
        len(manifest.classes),
        steps=manifest.steps,
    )


def folded(network: Classifier) -> Classifier:
    """Return a copy in eval mode that gives the same answers with batch normalisation inside the convolutions."""
    twin = copy.deepcopy(network).eval()
    for module in twin.modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return twin


def state_arrays(network: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Return the weights as arrays, for safetensors; batch normalisation's batch counter is of no use to it."""
    tensors = network.state_dict()
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items() if name not in counters
    }


def load_arrays(network: nn.Module, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Put weights into a network.

    Raises:
        ArtefactError: a tensor is missing, too much, of another shape or type, or not finite.
    """
    wanted = state_arrays(network)
    for name in wanted.keys() ^ arrays.keys():
        raise ArtefactError(f"the weights {'lack' if name in wanted else 'hold an unknown'} {shown(name)}")
    for name, array in arrays.items():
        if array.shape != wanted[name].shape or array.dtype != np.float32:
            expected = f"float32 {wanted[name].shape}"
            raise ArtefactError(f"weights {shown(name)} must be {expected}, got {array.dtype} {array.shape}")
        if not np.isfinite(array).all():
            raise ArtefactError(f"weights {shown(name)} hold NaN or infinity")
    network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
