"""What shapes a network, read from a manifest and checked before anything is allocated. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.errors import ArtefactError
from app.inference.parameter_checks import expect_real, expect_whole, require

# Far above what runs in real time on one core; they bound what a hand-edited manifest can make us allocate.
MAX_WIDTH, MAX_KERNEL, MAX_STEM, MAX_BLOCKS, MAX_DILATION = 512, 63, 1024, 16, 1024

DILATIONS = (1, 2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """The shape of the front that both TCNs share, the neuron of the spiking one, and the power network's.

    The power network takes `width`, `stem_kernel` and `stem_stride` for its filter bank, and `hidden`.

    The defaults are for 200 samples at 2 kHz: frames of 8 ms every 4 ms, and a receptive field (240
    samples) longer than the window.
    """

    width: int = 64  # feature maps
    stem_kernel: int = 16  # samples
    stem_stride: int = 8  # samples between two frames
    kernel: int = 3  # frames, odd
    dilations: tuple[int, ...] = DILATIONS  # frames; one residual block each
    dropout: float = 0.0  # of whole feature maps, in training only
    hidden: int = 128  # units in each of the power network's two hidden layers
    beta: float = 0.9  # the part of the membrane potential that is left after a step
    threshold: float = 1.0  # the potential that makes a neuron spike

    def __post_init__(self) -> None:
        expect_whole(self.width, "width", 1, MAX_WIDTH)
        expect_whole(self.stem_kernel, "stem_kernel", 1, MAX_STEM)
        expect_whole(self.stem_stride, "stem_stride", 1, self.stem_kernel)
        expect_whole(self.hidden, "hidden", 1, MAX_WIDTH)
        expect_whole(self.kernel, "kernel", 1, MAX_KERNEL)
        require(self.kernel % 2 == 1, "kernel", "odd", self.kernel)
        require(
            1 <= len(self.dilations) <= MAX_BLOCKS, "dilations", f"1 to {MAX_BLOCKS} numbers", self.dilations
        )
        for dilation in self.dilations:
            expect_whole(dilation, "dilations", 1, MAX_DILATION)
        expect_real(self.dropout, "dropout", 0.0, 0.9)
        expect_real(self.beta, "beta", 0.0, 1.0)
        expect_real(self.threshold, "threshold", 1e-6, 1e6)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> HyperParameters:
        """Take them from a manifest; what is not named has its default.

        Raises:
            ArtefactError: one is unknown or out of range.
        """
        known = [entry.name for entry in fields(cls)]
        for name in values:
            require(name in known, "name", f"one of {', '.join(known)}", name)
        dilations = values.get("dilations", DILATIONS)
        require(isinstance(dilations, (list, tuple)), "dilations", "a list", dilations)
        return cls(**{**values, "dilations": tuple(dilations)})

    def frames(self, length: int) -> int:
        """How many frames the stem makes of a window of that many samples.

        Raises:
            ArtefactError: the window is shorter than one frame.
        """
        return self.unpadded_frames(length + 2 * self.stem_padding)

    def unpadded_frames(self, length: int) -> int:
        """Return the same without zeros at the ends, which would count as silence in a power.

        Raises:
            ArtefactError: the window is shorter than one frame.
        """
        if length < self.stem_kernel:
            raise ArtefactError(
                f"a window of {length} samples is shorter than stem_kernel {self.stem_kernel}"
            )
        return (length - self.stem_kernel) // self.stem_stride + 1

    @property
    def stem_padding(self) -> int:
        """Zeros on either side of the window, so that length / stride frames cover it evenly."""
        return (self.stem_kernel - self.stem_stride) // 2

    def receptive_field(self) -> int:
        """How many samples one frame of the last block sees: both convolutions of every block widen it."""
        frames = 1 + 2 * (self.kernel - 1) * sum(self.dilations)
        return self.stem_kernel + (frames - 1) * self.stem_stride
