"""What the networks of networks.py are made of; the sources are named there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from app.inference.hyper_parameters import HyperParameters

# A multiply-accumulate is two operations (Molchanov et al. 2017, arXiv:1611.06440, appendix A.1). Counted are
# the convolutions and the linear head, batch normalisation folded into them, and for the spiking layer per
# neuron and step: decay, add the current, compare, reset. Biases, rectifiers and averages are not.
OPERATIONS_PER_MAC = 2
OPERATIONS_PER_NEURON_STEP = 4


class ConvNorm(nn.Module):
    """A convolution over time without bias, then batch normalisation; (batch, maps, 1, frames)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        # Two-dimensional with a height of 1: ONNX Runtime's blocked CPU kernels only take 4-D tensors, and
        # run the default network 1.5 times as fast as with Conv1d.
        self.conv = nn.Conv2d(
            inputs, outputs, (1, kernel), (1, stride), (0, padding), (1, dilation), bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(maps))
        return out

    def fold(self) -> None:
        """Put the normalisation into the convolution; for eval mode only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()

    def operations(self, frames: int) -> int:
        """Operations for that many output frames."""
        return OPERATIONS_PER_MAC * frames * self.conv.weight.numel()


class ResidualBlock(nn.Module):
    """Two dilated convolutions beside the identity; frames and maps stay as many."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.first = ConvNorm(width, width, kernel, dilation=dilation, padding=padding)
        self.dropout = nn.Dropout2d(dropout)
        self.second = ConvNorm(width, width, kernel, dilation=dilation, padding=padding)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.dropout(torch.relu(self.first(maps)))
        return torch.relu(maps + self.second(inner))


class Front(nn.Module):
    """Strided stem and residual blocks: (batch, length, channels) -> (batch, width, 1, frames)."""

    def __init__(self, shape: HyperParameters, channels: int) -> None:
        super().__init__()
        self.stem = ConvNorm(
            channels,
            shape.width,
            shape.stem_kernel,
            stride=shape.stem_stride,
            padding=shape.stem_padding,
        )
        blocks = [ResidualBlock(shape.width, shape.kernel, d, shape.dropout) for d in shape.dilations]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, emg: Tensor) -> Tensor:
        maps = emg.transpose(1, 2).unsqueeze(2)  # (batch, channels, 1, length)
        out: Tensor = self.blocks(torch.relu(self.stem(maps)))
        return out


class SurrogateSpike(torch.autograd.Function):
    """The step function, with the slope of an arctangent: 1 / (1 + (pi x)^2), Fang et al. 2021."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor) -> Tensor:
        ctx.save_for_backward(excess)
        return (excess > 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (excess,) = ctx.saved_tensors
        slope: Tensor = 1 / (1 + (torch.pi * excess) ** 2)
        return gradient * slope
