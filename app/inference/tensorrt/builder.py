"""An ONNX graph to a plan, with whichever TensorRT is installed. With `tensorrt_rtx` it needs no GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.manifest import Manifest, shown
from app.inference.tensorrt.flavour import NAME, Flavour
from app.inference.tensorrt.plan import PORTABLE, write_atomically

WORKSPACE = 1 << 28  # bytes; these networks use a fraction
OPT_BATCH = 8  # the batch that kernels are chosen for: what waits together at most

Progress = Callable[[str, int, int], bool]  # phase, step, steps -> go on


@dataclass(frozen=True, slots=True)
class Batches:
    """The profile: which batches the plan takes, and the one it is fastest for."""

    least: int
    best: int
    most: int

    @classmethod
    def up_to(cls, most: int) -> Batches:
        return cls(1, min(OPT_BATCH, most), most)


def build(
    flavour: Flavour,
    onnx: bytes,
    manifest: Manifest,
    precision: str,
    batches: Batches,
    *,
    sm: str = PORTABLE,
    timing_cache: Path | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return the plan of a graph with the border of that model.

    Args:
        flavour: the package that builds, and the only one that will run it.
        onnx: the graph, weights inside.
        manifest: of the model.
        precision: what the graph must compute in; TensorRT 10.x can lower an fp32 graph to fp16.
        batches: the profile.
        sm: compute capability such as "8.9", or PORTABLE; only `tensorrt_rtx` can choose.
        timing_cache: kept from one build to the next; not for `tensorrt_rtx`, which times nothing.
        progress: told of every step.

    Raises:
        ArtefactError: the graph is damaged, is not of this model, has a fixed batch or another precision.
        BackendUnavailableError: TensorRT could not build it here, with its reason.
    """
    trt = flavour.trt
    flavour.messages.clear()
    builder = trt.Builder(flavour.messages.logger)
    if builder is None:
        raise _failed(flavour)
    network, by_flag = _parsed(flavour, builder, onnx, precision)
    _check_border(trt, network, manifest)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 means fp32: the parity check would see the difference
    for flag in by_flag:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    _set_target(flavour, config, sm)
    _add_profile(flavour, builder, config, manifest, batches)
    monitor = _monitor(trt, config, progress)
    cache = _timing_cache(flavour, config, timing_cache)
    plan = builder.build_serialized_network(network, config)
    del monitor  # it must outlive the build
    if plan is None:
        raise _failed(flavour)
    if cache is not None and timing_cache is not None:
        write_atomically(timing_cache, bytes(memoryview(config.get_timing_cache().serialize())))
    return bytes(memoryview(plan))


def _parsed(flavour: Flavour, builder: Any, onnx: bytes, precision: str) -> tuple[Any, tuple[str, ...]]:
    """Return the network, and the precision flags that it still needs."""
    network = _parse(flavour, builder, onnx, strongly_typed=True)
    own = _own_precision(flavour.trt, network)
    if own == precision:
        return network, ()
    if own == "fp32" and precision == "fp16" and flavour.precision_flags:
        return _parse(flavour, builder, onnx, strongly_typed=False), ("FP16",)
    raise ArtefactError(
        f"the graph computes in {own}, and {flavour} takes the precision from the graph: ask for {own}, "
        f"or give it a graph in {precision}"
    )


def _parse(flavour: Flavour, builder: Any, onnx: bytes, *, strongly_typed: bool) -> Any:
    trt = flavour.trt
    strong = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strong if strongly_typed else 0)
    parser = trt.OnnxParser(network, flavour.messages.logger)
    if parser.parse(onnx):
        return network
    raise ArtefactError(f"it is no ONNX graph that {flavour} takes: {_parse_error(parser)}")


def _parse_error(parser: Any) -> str:
    if not parser.num_errors:
        return "the parser gave no reason"
    error = parser.get_error(0)
    name = getattr(error.code(), "name", error.code())
    node = (
        f" at node {error.node_name() or error.node()} ({error.node_operator()})" if error.node() >= 0 else ""
    )
    return f"{name}{node}: {shown(' '.join(error.desc().split()))}"


def _own_precision(trt: Any, network: Any) -> str:
    """Return what the graph's own types say."""
    types = {
        network.get_layer(i).get_output(j).dtype
        for i in range(network.num_layers)
        for j in range(network.get_layer(i).num_outputs)
    }
    if trt.DataType.INT8 in types:
        return "int8"
    return "fp16" if trt.DataType.HALF in types else "fp32"


def _check_border(trt: Any, network: Any, manifest: Manifest) -> None:
    found = [network.get_input(i) for i in range(network.num_inputs)]
    found += [network.get_output(i) for i in range(network.num_outputs)]
    border = {tensor.name: (tuple(tensor.shape), tensor.dtype == trt.DataType.FLOAT) for tensor in found}
    expected = border_of(manifest)
    batch = border.get("emg", ((-1,), True))[0][0]
    if batch != -1:
        raise ArtefactError(f"the graph's batch is fixed at {batch}: export it with a dynamic batch")
    if border != {name: (shape, True) for name, shape in expected.items()}:
        shapes = {name: shape for name, (shape, _) in border.items()}
        raise ArtefactError(f"the graph must have float32 {expected}, got {shown(shapes)}")


def border_of(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Return the tensors that go in and out of a model's graph; -1 is the batch."""
    border: dict[str, tuple[int, ...]] = {
        "emg": (-1, manifest.reads, manifest.channels),
        "logits": (-1, len(manifest.columns)),
    }
    if manifest.architecture == "spiking_tcn":
        border["spikes"] = (-1,)
    return border


def _set_target(flavour: Flavour, config: Any, sm: str) -> None:
    if not hasattr(config, "num_compute_capabilities") or sm == PORTABLE:
        return  # the GPU it builds on; or, with RTX, compute capability 8.0 and later
    capability = getattr(flavour.trt.ComputeCapability, f"SM{sm.replace('.', '')}", None)
    if capability is None:
        reason = f"{flavour} has no kernels for compute capability {sm}"
        raise BackendUnavailableError(NAME, reason, "Use `tensorrt` on that GPU")
    config.num_compute_capabilities = 1
    config.set_compute_capability(capability, 0)


def _add_profile(flavour: Flavour, builder: Any, config: Any, manifest: Manifest, batches: Batches) -> None:
    profile = builder.create_optimization_profile()
    window = (manifest.reads, manifest.channels)
    profile.set_shape("emg", (batches.least, *window), (batches.best, *window), (batches.most, *window))
    if config.add_optimization_profile(profile) < 0:
        raise _failed(flavour)


def _timing_cache(flavour: Flavour, config: Any, path: Path | None) -> Any | None:
    """Measurements of earlier builds, so that a second one is shorter and chooses alike."""
    if flavour.rtx or path is None:
        return None
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)  # one of another GPU is left unused, not an error
    return cache


def _monitor(trt: Any, config: Any, progress: Progress | None) -> Any | None:
    if progress is None or not hasattr(trt, "IProgressMonitor"):
        return None
    tell = progress
    steps: dict[str, int] = {}

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # TensorRT has no types
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, count: int) -> None:  # noqa: ARG002
            steps[name] = count

        def step_complete(self, name: str, step: int) -> bool:
            return tell(name, step + 1, steps.get(name, step + 1))

        def phase_finish(self, name: str) -> None:
            steps.pop(name, None)

    config.progress_monitor = monitor = Monitor()
    return monitor


def _failed(flavour: Flavour) -> BackendUnavailableError:
    reason = f"{flavour} could not build the plan: {flavour.messages.last()}"
    return BackendUnavailableError(NAME, reason, "See docs/tensorrt.md for what each flavour needs")
