"""Whether a graph answers as the features and the head do: on windows that were learned from, and on none that were."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from app.emg.source import Samples
from app.errors import MyostreamError
from app.inference.covariance.features import features
from app.inference.parity import ALLOWED
from app.learning.own.teaching import Taught
from app.learning.own.windows import OwnWindows

WINDOWS = 24  # learned ones; as many again that no electrode gives


def expect_parity(graph: bytes, windows: OwnWindows, taught: Taught) -> None:
    """Run both on windows of the recordings, and on flat, identical, railed and lifted channels.

    Raises:
        MyostreamError: the graph answers otherwise, or onnxruntime is not installed.
    """
    scale, plan = taught.scale, windows.plan
    batch = _hard(np.asarray(_some(windows) / scale.std, np.float32))
    found = features(
        batch,
        scale.parameters,
        length=plan.length,
        rate=windows.joined.rate,
        projection=scale.projection,
    )
    expected = taught.head.logits(found)
    difference = float(np.abs(_answers(graph, batch) - expected).max() / np.abs(expected).max())
    if not difference <= ALLOWED["fp32"]:  # refuses NaN, too
        raise MyostreamError(
            f"the ONNX graph differs from what was learned by {difference:.2g} of the largest logit"
        )


def _some(windows: OwnWindows) -> Samples:
    rows = np.unique(np.linspace(0, len(windows) - 1, WINDOWS).astype(np.int64))
    return windows.whole(rows)


def _hard(batch: Samples) -> Samples:
    """Return the windows, and as many with channels that are flat, identical, railed or silent."""
    other = batch.copy()
    other[0::4, :, 0] = 0
    other[1::4] = other[1::4, :, :1]
    other[2::4] = np.clip(other[2::4] * 100, -3, 3)
    other[3::4] = 0
    return np.concatenate([batch, other]).astype(np.float32)


def _answers(graph: bytes, batch: Samples) -> Samples:
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        raise MyostreamError("a graph is checked by onnxruntime: `pip install -r requirements.txt`") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    answers: Samples = session.run(None, {"emg": batch})[0]
    return answers
