"""The answer every backend must give: the networks in numpy, in double precision, from the weights file alone.

Slow and plain on purpose. It shares no code with torch, ONNX Runtime or TensorRT, so that a parity check needs
none of them in the process and finds an error in any of them. The networks are those of networks.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError
from app.inference.artefact import CURE, WEIGHTS, Artefact
from app.inference.backend import Batch
from app.inference.covariance.features import features
from app.inference.covariance.logits import head_logits
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.hyper_parameters import HyperParameters
from app.inference.manifest import Manifest, shown

Doubles = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

NORM_EPSILON = 1e-5  # torch's default, which the networks use
POWER_FLOOR = 1e-2  # as in networks.py, which would bring torch into this process


def reference_logits(artefact: Artefact, windows: Batch) -> Doubles:
    """Logits (batch, classes) of normalised windows (batch, length, channels), with the manifest's steps.

    Raises:
        ArtefactError: the weights are damaged or not those of the network that the manifest describes.
    """
    manifest = artefact.manifest
    arrays = artefact.weights()
    emg = windows.astype(np.float64)
    try:
        if manifest.architecture == "covariance":
            return _covariance_logits(emg, manifest, arrays)
        shape = HyperParameters.read(manifest.hyper_parameters)
        if manifest.architecture == "power":
            read = _power_features(emg, shape, arrays)
        elif manifest.architecture == "spiking_tcn":
            read = _spike_rates(_front(emg, shape, arrays), shape, arrays, manifest.steps)
        else:
            read = _front(emg, shape, arrays).mean(1)
        return _head(read, arrays)
    except (KeyError, ValueError) as error:  # a tensor is missing, or of another shape
        reason = shown(str(error))
        raise ArtefactError(f"{artefact.path / WEIGHTS} is not of this network: {reason}. {CURE}") from None


def _front(emg: Doubles, shape: HyperParameters, arrays: Arrays) -> Doubles:
    """Stem and residual blocks: (batch, length, channels) -> (batch, frames, width)."""
    maps = _conv_norm(emg, arrays, "front.stem", stride=shape.stem_stride, padding=shape.stem_padding)
    maps = np.maximum(maps, 0)
    for k, dilation in enumerate(shape.dilations):
        block, padding = f"front.blocks.{k}", dilation * (shape.kernel - 1) // 2
        inner = _conv_norm(maps, arrays, f"{block}.first", dilation=dilation, padding=padding)
        inner = _conv_norm(
            np.maximum(inner, 0), arrays, f"{block}.second", dilation=dilation, padding=padding
        )
        maps = np.maximum(maps + inner, 0)
    return maps


def _spike_rates(maps: Doubles, shape: HyperParameters, arrays: Arrays, steps: int) -> Doubles:
    """Spikes per frame and step (batch, width): charge, fire, reset by subtraction."""
    current = _conv_norm(maps, arrays, "synapse")
    left, count = np.zeros_like(current), np.zeros_like(current)
    for _ in range(steps):
        charged = shape.beta * left + current
        spike = charged > shape.threshold
        left = charged - shape.threshold * spike
        count += spike
    rates: Doubles = count.mean(1) / steps
    return rates


def _power_features(emg: Doubles, shape: HyperParameters, arrays: Arrays) -> Doubles:
    """Logarithmic band powers through two hidden layers: (batch, hidden)."""
    maps = _conv(emg, arrays["bank.weight"], stride=shape.stem_stride) + arrays["bank.bias"]
    power = np.log(np.square(maps).mean(1, keepdims=True) + POWER_FLOOR)
    hidden = np.maximum(_conv_norm(_norm(power, arrays, "norm"), arrays, "first"), 0)
    features: Doubles = np.maximum(_conv_norm(hidden, arrays, "second"), 0)[:, 0]
    return features


def _covariance_logits(emg: Doubles, manifest: Manifest, arrays: Arrays) -> Doubles:
    """Logits of a covariance model."""
    parameters = CovarianceParameters.read(manifest.hyper_parameters)
    projection = arrays["project.weight"] if parameters.projected else None
    found = features(
        emg, parameters, length=manifest.length, rate=manifest.sampling_rate, projection=projection
    )
    return head_logits(found, parameters, arrays)


def _head(read: Doubles, arrays: Arrays) -> Doubles:
    logits: Doubles = read @ arrays["head.weight"].T.astype(np.float64) + arrays["head.bias"]
    return logits


def _conv_norm(
    maps: Doubles, arrays: Arrays, name: str, *, stride: int = 1, dilation: int = 1, padding: int = 0
) -> Doubles:
    out = _conv(maps, arrays[f"{name}.conv.weight"], stride=stride, dilation=dilation, padding=padding)
    return _norm(out, arrays, f"{name}.norm")


def _conv(
    maps: Doubles, weight: npt.NDArray[Any], *, stride: int = 1, dilation: int = 1, padding: int = 0
) -> Doubles:
    """Convolution over time: (batch, frames, inputs) with (outputs, inputs, 1, kernel)."""
    padded = np.pad(maps, ((0, 0), (padding, padding), (0, 0)))
    span = dilation * (weight.shape[3] - 1) + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, span, axis=1)  # (batch, frames, inputs, span)
    taps = views[:, ::stride, :, ::dilation]
    out: Doubles = np.tensordot(taps, weight[:, :, 0].astype(np.float64), ([2, 3], [1, 2]))
    return out


def _norm(maps: Doubles, arrays: Arrays, name: str) -> Doubles:
    mean, variance = arrays[f"{name}.running_mean"], arrays[f"{name}.running_var"]
    gain = arrays[f"{name}.weight"] / np.sqrt(variance.astype(np.float64) + NORM_EPSILON)
    out: Doubles = (maps - mean) * gain + arrays[f"{name}.bias"]
    return out
