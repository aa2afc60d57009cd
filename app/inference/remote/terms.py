"""What a fleet says of a model, held against the manifest: what it is to be asked, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.inference.foreign.border import window_shape
from app.inference.manifest import CHANNELS_FIRST, FOREIGN, TIME_FIRST, Manifest, shown
from app.inference.remote.target import RemoteError

OURS = "myostream"  # the platform of models that another server of this project serves
MOST, MOST_JSON = 64, 8  # windows of one call
FP32 = "FP32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a fleet is asked for a model's answers."""

    input: str
    output: str
    columns: int  # of the output
    spikes: bool = False  # whether it gives them, too
    layout: str = TIME_FIRST
    binary: bool = True
    most: int = MOST  # windows of one call
    ours: bool = False  # whether the fleet is a server of this project, which would normalise by itself

    @property
    def channels_first(self) -> bool:
        """Return whether the windows' channels come before their samples."""
        return self.layout == CHANNELS_FIRST


def terms_of(described: object, config: object, manifest: Manifest, binary: bool) -> Terms:
    """Return the terms under which a model is served; `config` is Triton's, None where the server has none.

    Raises:
        RemoteError: it is not the manifest's model: says what it takes or gives, and what it should.
    """
    if not isinstance(described, Mapping):
        raise _wrong("what it says of the model is no JSON object", manifest)
    ours, foreign = described.get("platform") == OURS, manifest.architecture == FOREIGN
    inputs, outputs = _tensors(described, "inputs", manifest), _tensors(described, "outputs", manifest)
    if len(inputs) != 1:
        raise _wrong(f"it takes {_names(inputs)}, and the model takes one input, the windows", manifest)
    (given,) = inputs
    if (ours or not foreign) and given["name"] != "emg":
        raise _wrong(f"its input is {shown(given['name'])}, and the model's is 'emg'", manifest)
    layout = TIME_FIRST if ours else manifest.layout
    window = (manifest.reads, manifest.channels) if ours else window_shape(manifest)
    most = min(_expect(given, window, manifest, "takes"), MOST if binary else MOST_JSON)
    output = _output(outputs, manifest, ours)
    most = min(most, _expect(output, (len(manifest.columns),), manifest, "gives"))
    spikes = manifest.architecture == "spiking_tcn" and any(one["name"] == "spikes" for one in outputs)
    return Terms(
        input=given["name"],
        output=output["name"],
        columns=len(manifest.columns),
        spikes=spikes,
        layout=layout,
        binary=binary,
        most=min(most, _largest(config) or most),
        ours=ours,
    )


def _tensors(described: Mapping[str, Any], what: str, manifest: Manifest) -> list[Mapping[str, Any]]:
    found = described.get(what)
    sound = isinstance(found, list) and all(
        isinstance(one, Mapping)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("shape"), list)
        and all(type(size) is int for size in one["shape"])
        for one in found
    )
    if not sound:
        raise _wrong(f"it does not say name, datatype and shape of its {what}", manifest)
    tensors: list[Mapping[str, Any]] = described[what]
    return tensors


def _output(outputs: Sequence[Mapping[str, Any]], manifest: Manifest, ours: bool) -> Mapping[str, Any]:
    """Return the output that has the answer; of somebody's own graph that may have any name."""
    wanted = "logits"
    if manifest.architecture == FOREIGN:
        wanted = manifest.outputs.kind if ours else manifest.outputs.name
    elif ours and manifest.gives_values:
        wanted = manifest.outputs.kind
    named = [one for one in outputs if one["name"] == wanted]
    if named:
        return named[0]
    floats = [one for one in outputs if one.get("datatype") == FP32]
    if not wanted and len(floats) == 1:
        return floats[0]
    of = f"the output {wanted}" if wanted else "one output of FP32"
    raise _wrong(f"it gives {_names(outputs)}, and the model gives {of}", manifest)


def _expect(tensor: Mapping[str, Any], wanted: Sequence[int], manifest: Manifest, verb: str) -> int:
    """Return how many windows a call may have by this tensor. A dimension of -1 is any."""
    name, kind, shape = tensor["name"], tensor.get("datatype"), tensor["shape"]
    said = f"it {verb} {shown(name)} as {shown(kind)[1:-1]} {shape}"
    right = f"the model {verb} FP32 {[-1, *wanted]}"
    fits = len(shape) == len(wanted) + 1 and all(
        size in (-1, own) for size, own in zip(shape[1:], wanted, strict=True)
    )
    if kind != FP32 or not fits:
        hint = "; the second of these is the classes" if verb == "gives" and not manifest.gives_values else ""
        raise _wrong(f"{said}, and {right}{hint}", manifest)
    if shape[0] not in (-1, 1):
        raise _wrong(f"{said}: batches of {shape[0]} only, and the model takes any", manifest)
    return MOST if shape[0] == -1 else 1


def _largest(config: object) -> int | None:
    """Return Triton's max_batch_size; None where there is none, or where the graph itself takes batches."""
    found = config.get("max_batch_size") if isinstance(config, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _names(tensors: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(shown(one["name"]) for one in tensors[:8]) or "nothing"


def _wrong(what: str, manifest: Manifest) -> RemoteError:
    return RemoteError(
        f"the model {manifest.name} there is another: {what}",
        f"Put this one there: `flask --app wsgi model export --model {manifest.name} --to triton` writes it",
        grave=True,
    )
