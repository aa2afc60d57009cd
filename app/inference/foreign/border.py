"""The border of somebody's own graph: which tensor takes the windows, which gives the answer, and whether they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.errors import ArtefactError
from app.inference.manifest import CHANNELS_FIRST, Manifest, shown

FLOAT = "tensor(float)"
_BATCH = (
    "export it with a dynamic batch: dynamic_axes={'emg': {0: 'batch'}} of torch.onnx.export, "
    "FloatTensorType([None, ...]) of skl2onnx"
)
_ZIPMAP = "convert with options={'zipmap': False}: then the probabilities are one tensor"


class Tensor(Protocol):
    """An input or output, as ONNX Runtime tells of it."""

    name: str
    type: str  # such as tensor(float)
    shape: Sequence[Any]  # numbers; a text or None where it is dynamic


@dataclass(frozen=True, slots=True)
class Border:
    """Names of tensors."""

    input: str
    output: str


def border_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor], manifest: Manifest) -> Border:
    """Return where the windows go in and the answer comes out.

    Raises:
        ArtefactError: the graph does not take or give what the manifest declares; says what would be right.
    """
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs) or "none"
        raise ArtefactError(f"the graph must have one input, the windows; it has {names}")
    _expect_input(inputs[0], manifest)
    output = _chosen(outputs, manifest)
    _expect_output(output, manifest)
    return Border(inputs[0].name, output.name)


def window_shape(manifest: Manifest) -> tuple[int, int]:
    """Return the shape of one window as the graph takes it."""
    samples, channels = manifest.reads, manifest.channels
    return (channels, samples) if manifest.layout == CHANNELS_FIRST else (samples, channels)


def _expect_input(found: Tensor, manifest: Manifest) -> None:
    """A dimension that is dynamic takes what is declared."""
    if found.type != FLOAT:
        raise ArtefactError(
            f"the input {shown(found.name)} must be float32 ({FLOAT}), got {shown(found.type)}"
        )
    wanted = window_shape(manifest)
    said = f"(batch, {wanted[0]}, {wanted[1]})"
    if len(found.shape) != 3:
        raise ArtefactError(f"the input must be {said}, got {shown(list(found.shape))}")
    if isinstance(found.shape[0], int):
        raise ArtefactError(f"the input takes batches of {found.shape[0]} only; {_BATCH}")
    for size, right in zip(found.shape[1:], wanted, strict=True):
        if isinstance(size, int) and size != right:
            hint = "; input.layout says which axis is time: ntc or nct"
            raise ArtefactError(f"the input must be {said}, got {shown(list(found.shape))}{hint}")


def _chosen(outputs: Sequence[Tensor], manifest: Manifest) -> Tensor:
    """Return the output that the manifest names; without a name the only one that is a float tensor."""
    there = ", ".join(f"{one.name} ({one.type})" for one in outputs)
    if manifest.outputs.name:
        named = [one for one in outputs if one.name == manifest.outputs.name]
        if not named:
            raise ArtefactError(f"the graph has no output {manifest.outputs.name}; it has {shown(there)}")
        return named[0]
    floats = [one for one in outputs if one.type == FLOAT]
    if len(floats) == 1:
        return floats[0]
    if not floats and any(one.type.startswith("seq(map") for one in outputs):
        raise ArtefactError(f"the graph gives maps (a ZipMap), which cannot be served; {_ZIPMAP}")
    if not floats:
        raise ArtefactError(f"no output is float32 (a label alone is not enough); it has {shown(there)}")
    raise ArtefactError(f"outputs.name must say which output is meant: {shown(there)}")


def _expect_output(found: Tensor, manifest: Manifest) -> None:
    columns, of = len(manifest.columns), "value" if manifest.gives_values else "class"
    said = f"the output {shown(found.name)} must be float32 (batch, {columns}), a column for each {of}"
    if found.type.startswith("seq(map"):
        raise ArtefactError(f"{said}, got a map for each window (a ZipMap); {_ZIPMAP}")
    if found.type != FLOAT:
        hint = "; name the probabilities in outputs.name" if "int64" in found.type else ""
        raise ArtefactError(f"{said}, got {shown(found.type)}{hint}")
    shape = list(found.shape)
    if shape and (len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != columns)):
        raise ArtefactError(f"{said}, got {shown(shape)}")
    if shape and isinstance(shape[0], int):
        raise ArtefactError(f"the output is for batches of {shape[0]} only; {_BATCH}")
