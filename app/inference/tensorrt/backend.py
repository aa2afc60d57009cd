"""The model in TensorRT: whichever flavour built the plan, with pycuda for memory and stream.

A batch is padded to a power of two, so that few shapes have to be warmed, and each is one CUDA graph: copy to the
device, network, copy back. TensorRT-RTX captures its own; for `tensorrt` we record it with cuda-bindings.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from app.errors import NotReadyError, WindowError
from app.inference.artefact import Artefact
from app.inference.backend import Batch, Inference
from app.inference.batch import as_batch, as_steps
from app.inference.manifest import Manifest
from app.inference.tensorrt import flavour as tensorrt_flavour
from app.inference.tensorrt import plan as tensorrt_plan
from app.inference.tensorrt.builder import border_of
from app.inference.tensorrt.cuda_graphs import Graph, GraphError, record
from app.inference.tensorrt.cuda_memory import Cuda, DeviceMemory, Floats, open_cuda, require_gpu
from app.inference.tensorrt.engine import TensorRtEngine, open_engine
from app.inference.tensorrt.plan import PlanNote

log = logging.getLogger(__name__)

FLOAT = 4  # bytes


class TensorRtBackend:
    """Fits Backend. Made, used and closed on one native thread, whose current CUDA context it holds meanwhile."""

    name = tensorrt_flavour.NAME
    reentrant = False  # its context is current on one thread
    stem: str | None = None

    def __init__(self, engine: TensorRtEngine, cuda: Cuda, manifest: Manifest, note: PlanNote) -> None:
        self.precision, self.note, self.gpu = note.precision, note, cuda.gpu
        self.graphs = "by the runtime" if engine.runtime_graphs else "none"
        self._manifest = manifest
        self._window = (manifest.reads, manifest.channels)
        self._engine: TensorRtEngine | None = engine
        self._cuda: Cuda | None = cuda
        self._sizes = padded_sizes(engine.max_batch)
        self._host: dict[str, Floats] = {}  # pinned, by tensor
        self._device: dict[str, DeviceMemory] = {}
        self._graph: dict[int, Graph] = {}  # by size
        self._size = 0  # that the context is set to
        self._allocate(engine, cuda)

    @classmethod
    def open(cls, artefact: Artefact, *, plan: Path) -> TensorRtBackend:
        """Load a plan, on the engine thread and after the fork; the vendor's packages are imported here.

        Args:
            artefact: the model.
            plan: a plan file, or a folder in which the model's plan is looked for.

        Raises:
            BackendUnavailableError: there is no GPU, package or plan, or the plan is not for this model, version
                or GPU; the cure says what to do, and for a plan which command builds it.
        """
        gpu = require_gpu()
        path = tensorrt_plan.find(artefact, plan)
        content, note = tensorrt_plan.read(path, artefact)
        flavour = tensorrt_flavour.load(note.flavour)
        tensorrt_plan.expect_version(note, flavour.version, artefact)
        tensorrt_plan.expect_gpu(note, gpu.sm, gpu.name, artefact)
        cuda = open_cuda()
        cache = tensorrt_plan.cache_path(path, gpu.sm)
        backend: TensorRtBackend | None = None
        try:
            engine = open_engine(flavour, content, artefact, note.precision, cache)
            backend = cls(engine, cuda, artefact.manifest, note)
            backend._warm()
            engine.save_cache(cache)
        except BaseException:
            (backend or cuda).close()  # a context left on a thread that ends would end the process
            raise
        log.info("tensorrt: %s, %s on %s, CUDA graphs: %s", flavour, note.precision, gpu.name, backend.graphs)
        return backend

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits.

        Raises:
            WindowError: the windows are not for this model, or `steps` are not those of a spiking plan.
            NotReadyError: it is closed.
            BackendUnavailableError: TensorRT failed, with its reason.
        """
        if self._engine is None:
            raise NotReadyError(f"the {self.name} backend is closed")
        emg = as_batch(batch, self._manifest)
        self._check_steps(steps)
        most = self._sizes[-1]
        pieces = [self._run(emg[start : start + most]) for start in range(0, len(emg), most)]
        if len(pieces) == 1:
            return pieces[0]
        logits = np.concatenate([piece.logits for piece in pieces])
        return Inference(logits, np.concatenate([piece.spikes for piece in pieces]))

    def close(self) -> None:
        """Free graphs, engine and memory in that order, then leave the context. Safe to call twice."""
        self._drop_graphs()
        if self._engine is not None:
            self._engine.close()
        self._engine = None
        self._host.clear()  # pinned memory must go while its context is current
        self._device.clear()
        if self._cuda is not None:
            self._cuda.close()
        self._cuda = None

    def _allocate(self, engine: TensorRtEngine, cuda: Cuda) -> None:
        for name, (_, *rest) in border_of(self._manifest).items():
            host = cuda.pinned((self._sizes[-1], *rest))
            self._host[name], self._device[name] = host, cuda.allocate(host.nbytes)
            engine.bind(name, int(self._device[name]))

    def _warm(self) -> None:
        """Run every size once, which compiles and allocates what it needs, then record it."""
        for size in self._sizes:
            self._queue(size)
            self._wait()
            if self.graphs != "by the runtime" and len(self._graph) == self._sizes.index(size):
                self._record(size)

    def _record(self, size: int) -> None:
        assert self._cuda is not None
        try:
            self._graph[size] = record(lambda: self._queue(size), self._cuda.stream)
            self.graphs = "replayed"
        except GraphError as error:
            self._drop_graphs()  # all sizes or none: one latency, not two
            self.graphs = f"none, {error}"
            log.warning("tensorrt runs without CUDA graphs: %s", error)

    def _drop_graphs(self) -> None:
        for graph in self._graph.values():
            graph.close()
        self._graph.clear()

    def _run(self, emg: Batch) -> Inference:
        windows = len(emg)
        size = next(size for size in self._sizes if size >= windows)
        self._host["emg"][:windows] = emg  # rows beyond keep older windows, whose answers are not read
        graph = self._graph.get(size)
        if graph is None:
            self._queue(size)
        else:
            graph.launch()
        self._wait()
        spikes = self._host["spikes"][:windows].copy() if "spikes" in self._host else np.zeros(windows, "f4")
        return Inference(self._host["logits"][:windows].copy(), spikes)

    def _queue(self, size: int) -> None:
        assert self._engine is not None
        assert self._cuda is not None
        if size != self._size:
            self._engine.set_batch(size, self._window)
            self._size = size
        self._cuda.upload(self._device["emg"], self._host["emg"][:size])
        self._engine.queue(self._cuda.stream)
        for name in self._host.keys() - {"emg"}:
            self._cuda.download(self._host[name][:size], self._device[name])

    def _wait(self) -> None:
        assert self._cuda is not None
        self._cuda.wait()

    def _check_steps(self, steps: int | None) -> None:
        built = self._manifest.steps
        if as_steps(steps, self._manifest) != built and "spikes" in self._host:
            raise WindowError(
                f"steps must be {built} in {self.name}, whose plan was built with them, got {steps}; "
                "the pytorch backend takes any"
            )


def padded_sizes(most: int) -> tuple[int, ...]:
    """Return the batch sizes that run: powers of two, and the plan's largest."""
    powers = [1 << k for k in range(most.bit_length()) if 1 << k < most]
    return (*powers, most)
