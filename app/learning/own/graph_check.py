"""Whether a graph answers as the features and the head do: on windows that were learned from, and on none that were."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.source import Samples
from app.errors import MyostreamError
from app.inference.covariance.features import features
from app.inference.covariance.logits import head_logits
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.manifest import Manifest
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
    _expect_answers(graph, batch, taught.head.logits(found))


def expect_answers(
    graph: bytes, manifest: Manifest, weights: Mapping[str, npt.NDArray[Any]], normalised: Samples
) -> None:
    """Run a graph and its weights on normalised windows (n, reads, channels), and on channels that are none.

    Raises:
        MyostreamError: the graph answers otherwise, or onnxruntime is not installed.
    """
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    projection = weights["project.weight"].astype(np.float64) if parameters.projected else None
    batch, rate = _hard(normalised), manifest.sampling_rate
    found = features(batch, parameters, length=manifest.length, rate=rate, projection=projection)
    _expect_answers(graph, batch, head_logits(found, parameters, weights))


def _expect_answers(graph: bytes, batch: Samples, expected: npt.NDArray[np.float64]) -> None:
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
