"""What came of one request to the engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.backend import Logits
from app.inference.prediction import Prediction
from app.inference.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request. Arrays are over its windows."""

    told: Prediction | Values
    logits: Logits
    spikes: npt.NDArray[np.float32]
    backend: str
    latency_ms: float  # normalise, infer and softmax, timed on the engine thread; no wait in it
    wait_ms: float  # from the request until the engine thread took it

    @property
    def prediction(self) -> Prediction:
        """Return what a model of classes says."""
        assert isinstance(self.told, Prediction)
        return self.told
