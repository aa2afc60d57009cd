"""What the engine must know of the model that it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.inference.backend import Logits
from app.inference.prediction import Prediction, predict
from app.inference.values import NamedValue, Values, within


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """What the engine must know of the model: the window's shape, what normalises it, and what it does not know."""

    length: int  # samples
    channels: int
    mean: npt.NDArray[np.float32]  # (channels,)
    std: npt.NDArray[np.float32]  # (channels,)
    reject_below: float | None = None  # see Manifest
    context: int = 0  # samples before the window that the model reads too
    values: tuple[NamedValue, ...] = ()  # its outputs, where they are no logits of classes
    normalises: bool = field(init=False)  # whether the statistics change anything: 0 and 1 do not

    def __post_init__(self) -> None:
        object.__setattr__(self, "normalises", bool(self.mean.any() or (self.std != 1).any()))

    @property
    def reads(self) -> int:
        """Return how many samples the backends take."""
        return self.context + self.length

    def told(self, outputs: Logits) -> Prediction | Values:
        """Return what the outputs (batch, classes or values) say."""
        return within(outputs, self.values) if self.values else predict(outputs, self.reject_below)
