"""One runtime that holds the model: the Protocol that PyTorch, ONNX Runtime and TensorRT fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.float32]  # (batch, reads, channels), C order: the window, and the context before it
Logits = npt.NDArray[np.float32]  # (batch, classes)


@dataclass(frozen=True, slots=True)
class Inference:
    """What a backend gives back for a batch."""

    logits: Logits
    spikes: npt.NDArray[np.float32]  # (batch,) spikes emitted per window; 0 for a network without spikes


class Backend(Protocol):
    """A loaded model. It is made, used and closed on the engine thread only, but for a reentrant `infer`."""

    name: str
    reentrant: bool  # `infer` may run on any thread, also on several at once
    stem: str | None  # those with the same one may be run together: see covariance/shared_stem.py

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits. `steps` overrides the manifest's spiking steps where it can."""

    def close(self) -> None:
        """Free what the runtime holds. Safe to call twice."""
