"""A plan made runnable: deserialised, checked against the model, with an execution context."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.tensorrt.builder import border_of
from app.inference.tensorrt.flavour import NAME, Flavour
from app.inference.tensorrt.plan import build_command, write_atomically

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TensorRtEngine:
    """One context on one stream, for one thread. What it names must live as long as the context does."""

    flavour: Flavour
    context: Any
    max_batch: int
    runtime_graphs: bool  # the runtime captures CUDA graphs by itself
    cache: Any | None  # compiled kernels (tensorrt_rtx)
    kept: tuple[Any, ...]  # runtime, engine, runtime configuration

    def set_batch(self, windows: int, window: tuple[int, int]) -> None:
        """Return the shape of the following runs."""
        if not self.context.set_input_shape("emg", (windows, *window)):
            raise self.failed(f"a batch of {windows}")

    def bind(self, name: str, address: int) -> None:
        """Where a tensor lies on the device, for all following runs."""
        if not self.context.set_tensor_address(name, address):
            raise self.failed(f"the memory of {name}")

    def queue(self, stream: int) -> None:
        """Queue one run."""
        if not self.context.execute_async_v3(stream_handle=stream):
            raise self.failed("the run")

    def failed(self, what: str) -> BackendUnavailableError:
        """TensorRT refused something that it should take."""
        reason = f"{self.flavour} refused {what}: {self.flavour.messages.last()}"
        return BackendUnavailableError(NAME, reason, "Restart the worker, and see `nvidia-smi`")

    def save_cache(self, path: Path) -> None:
        """Keep the kernels that were compiled, for the next start. A folder that is read-only costs only time."""
        if self.cache is None:
            return
        content = bytes(memoryview(self.cache.serialize()))
        try:
            if not path.is_file() or path.read_bytes() != content:
                write_atomically(path, content)
        except OSError as error:
            log.warning("compiled kernels cannot be kept in %s: %s", path, error.strerror)

    def close(self) -> None:
        """Free the context before the engine it came from. Safe to call twice."""
        self.context = self.cache = None
        self.kept = ()


def open_engine(
    flavour: Flavour, plan: bytes, artefact: Artefact, precision: str, cache: Path
) -> TensorRtEngine:
    """Make a plan runnable on this thread's context.

    Raises:
        BackendUnavailableError: TensorRT does not take it here, with its own words; or it is not of this model.
    """
    command = build_command(artefact, precision)
    runtime, engine = deserialise(flavour, plan, command)
    _check_border(flavour.trt, engine, artefact, command)
    config, compiled = _runtime_config(flavour.trt, engine, cache)
    context = (
        engine.create_execution_context()
        if config is None
        else engine.create_execution_context(runtime_config=config)
    )
    if context is None:
        reason = f"{flavour} could not make an execution context: {flavour.messages.last()}"
        raise BackendUnavailableError(NAME, reason, "See `nvidia-smi` for free memory")
    most = int(next(iter(engine.get_tensor_profile_shape("emg", 0)[2])))
    return TensorRtEngine(flavour, context, most, compiled is not None, compiled, (runtime, engine, config))


def deserialise(flavour: Flavour, plan: bytes, command: str) -> tuple[Any, Any]:
    """Runtime and engine of a plan.

    Raises:
        BackendUnavailableError: it is damaged, or for another version, flavour or GPU, or there is no GPU.
    """
    flavour.messages.clear()
    runtime = flavour.trt.Runtime(flavour.messages.logger)
    engine = None if runtime is None else runtime.deserialize_cuda_engine(plan)
    if engine is None:
        reason = f"{flavour} does not load the plan: {flavour.messages.last()}"
        raise BackendUnavailableError(NAME, reason, f"Build it on this machine with `{command}`")
    return runtime, engine


def _check_border(trt: Any, engine: Any, artefact: Artefact, command: str) -> None:
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    found = {name: tuple(engine.get_tensor_shape(name)) for name in names}
    types = {engine.get_tensor_dtype(name) for name in names}
    expected = border_of(artefact.manifest)
    if found != expected or types != {trt.DataType.FLOAT}:
        reason = f"the plan has {found}, and {artefact.manifest.name} needs float32 {expected}"
        raise BackendUnavailableError(NAME, reason, f"Build it again with `{command}`")


def _runtime_config(trt: Any, engine: Any, cache: Path) -> tuple[Any | None, Any | None]:
    """Return the runtime's own CUDA graphs and its cache of compiled kernels; nothing where it has neither."""
    config = engine.create_runtime_config() if hasattr(engine, "create_runtime_config") else None
    if config is None or not hasattr(config, "create_runtime_cache"):
        return None, None
    compiled = config.create_runtime_cache()
    if cache.is_file() and not compiled.deserialize(cache.read_bytes()):
        log.info("%s is of another GPU or version: the kernels are compiled anew", cache)
    config.set_runtime_cache(compiled)
    config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    # Eager: a kernel for each batch size is compiled before it is first used, not behind a slower one.
    strategies = trt.DynamicShapesKernelSpecializationStrategy
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return config, compiled
