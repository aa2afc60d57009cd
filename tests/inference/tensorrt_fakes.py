"""A GPU, pycuda, cuda-bindings and three flavours of TensorRT, as small as their interfaces allow.

The flavours have and lack what the real ones do (docs/tensorrt.md has the table), so code that uses what a
flavour removed fails here too. A plan is the ONNX graph behind a header; running it is running ONNX Runtime.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from app.inference.tensorrt import cuda_memory
from app.inference.tensorrt.cuda_memory import Gpu

VERSIONS = {
    "10": ("tensorrt", "10.16.1.11"),
    "11": ("tensorrt", "11.4.0.9"),
    "rtx": ("tensorrt_rtx", "1.7.1.116"),
}


class FakeGpu:
    """Memory by address, streams by handle, and a record of what was asked."""

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.addresses = itertools.count(0x1000, 0x100000)
        self.capturing: dict[int, list[Callable[[], None]]] = {}
        self.calls: list[str] = []
        self.contexts = 0  # now on this thread's stack
        self.graphs = 0  # alive

    def queue(self, stream: int, work: Callable[[], None]) -> None:
        if stream in self.capturing:
            self.capturing[stream].append(work)
        else:
            work()


def pycuda_driver(gpu: FakeGpu) -> ModuleType:
    """`pycuda.driver`, as far as it is used."""

    class Memory:
        def __init__(self, nbytes: int) -> None:
            self.address = next(gpu.addresses)
            gpu.memory[self.address] = np.zeros(nbytes, np.uint8)

        def __int__(self) -> int:
            return self.address

        def free(self) -> None:
            del gpu.memory[self.address]

    class Stream:
        handle = 77

        def synchronize(self) -> None: ...

    class Event:
        def __init__(self, flags: int) -> None: ...
        def record(self, stream: Stream) -> None: ...
        def synchronize(self) -> None:
            gpu.calls.append("wait")

    class Context:
        def push(self) -> None:
            gpu.contexts += 1

        def detach(self) -> None:
            gpu.contexts -= 1
            gpu.calls.append("detach")

    def upload(memory: Memory, array: np.ndarray, stream: Stream) -> None:
        assert array.flags.c_contiguous
        gpu.queue(stream.handle, lambda: _put(gpu.memory[int(memory)], array))

    def download(array: np.ndarray, memory: Memory, stream: Stream) -> None:
        gpu.queue(stream.handle, lambda: _take(array, gpu.memory[int(memory)]))

    driver = ModuleType("pycuda.driver")
    contents = {
        "Error": type("Error", (Exception,), {}),
        "Stream": Stream,
        "Event": Event,
        "event_flags": SimpleNamespace(DISABLE_TIMING=2),
        "init": lambda: gpu.calls.append("init"),
        "Device": lambda index: SimpleNamespace(retain_primary_context=Context),
        "pagelocked_zeros": np.zeros,
        "mem_alloc": Memory,
        "memcpy_htod_async": upload,
        "memcpy_dtoh_async": download,
    }
    for name, value in contents.items():
        setattr(driver, name, value)
    return driver


def _put(memory: np.ndarray, array: np.ndarray) -> None:
    memory[: array.nbytes] = array.view(np.uint8).reshape(-1)


def _take(array: np.ndarray, memory: np.ndarray) -> None:
    array[...] = memory[: array.nbytes].view(array.dtype).reshape(array.shape)


def cuda_bindings(gpu: FakeGpu, failing: bool = False) -> ModuleType:
    """`cuda.bindings`, with a driver that captures streams."""

    def begin(stream: int, mode: str) -> tuple[int]:
        gpu.capturing[stream] = []
        return (0,)

    def end(stream: int) -> tuple[int, Any]:
        work = gpu.capturing.pop(stream)
        return (901 if failing else 0, work)

    def instantiate(work: Any, flags: int) -> tuple[int, Any]:
        gpu.graphs += 1
        return (0, work)

    def launch(work: Any, stream: int) -> tuple[int]:
        gpu.calls.append("replay")
        for step in work:
            step()
        return (0,)

    def destroy(work: Any) -> tuple[int]:
        gpu.graphs -= 1
        return (0,)

    bindings = ModuleType("cuda.bindings")
    bindings.driver = SimpleNamespace(  # type: ignore[attr-defined]  # a module made here
        CUstream=int,
        CUresult=SimpleNamespace(CUDA_SUCCESS=0),
        CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread"),
        cuStreamBeginCapture=begin,
        cuStreamEndCapture=end,
        cuGraphInstantiate=instantiate,
        cuGraphLaunch=launch,
        cuGraphDestroy=lambda graph: (0,),
        cuGraphExecDestroy=destroy,
    )
    return bindings


class FakeTensorRt(ModuleType):
    """`tensorrt` 10.x, 11.x or `tensorrt_rtx`."""

    def __init__(self, flavour: str, gpu: FakeGpu) -> None:
        name, self.__version__ = VERSIONS[flavour]
        super().__init__(name)
        self.gpu, self.flavour = gpu, flavour
        self.header = f"{name} {self.__version__}\n".encode()
        self.flags: set[str] = set()  # that the last build used
        self.strongly_typed = False
        severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)
        self.ILogger = type("ILogger", (), {"Severity": severity, "__init__": lambda self: None})
        self.DataType = SimpleNamespace(FLOAT=1, HALF=10, INT8=3)  # ONNX's numbers
        self.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
        self.BuilderFlag = SimpleNamespace(
            TF32="TF32", **({"FP16": "FP16", "INT8": "INT8"} if flavour == "10" else {})
        )
        self.Builder = lambda logger: _Builder(self, logger)
        self.OnnxParser = lambda network, logger: _Parser(network)
        self.Runtime = lambda logger: _Runtime(self, logger)
        if flavour == "rtx":
            self.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
            self.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
            self.ComputeCapability = SimpleNamespace(SM75="75", SM89="89")


class _Builder:
    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt = trt

    def create_network(self, flags: int) -> Any:
        self.trt.strongly_typed = bool(flags & 2) or self.trt.flavour != "10"
        return SimpleNamespace(content=b"", num_inputs=0, num_outputs=0, num_layers=0)

    def create_builder_config(self) -> Any:
        config = SimpleNamespace(profiles=[], flags={"TF32"})
        config.set_memory_pool_limit = lambda pool, size: None
        config.clear_flag = config.flags.discard
        config.set_flag = config.flags.add
        config.add_optimization_profile = lambda profile: config.profiles.append(profile) or 0
        if self.trt.flavour == "rtx":
            config.num_compute_capabilities = 0
            config.set_compute_capability = lambda capability, index: True
        else:
            config.create_timing_cache = lambda content: SimpleNamespace(
                serialize=lambda: content + b"timed "
            )
            config.set_timing_cache = lambda cache, ignore_mismatch: setattr(config, "cache", cache)
            config.get_timing_cache = lambda: config.cache
        return config

    def create_optimization_profile(self) -> Any:
        profile = SimpleNamespace()
        profile.set_shape = lambda name, *shapes: setattr(profile, "shapes", shapes)
        return profile

    def build_serialized_network(self, network: Any, config: Any) -> bytes:
        self.trt.flags = set(config.flags)
        return self.trt.header + bytes(f"{config.profiles[0].shapes[2][0]}\n", "ascii") + network.content


class _Parser:
    def __init__(self, network: Any) -> None:
        self.network, self.num_errors = network, 0

    def parse(self, content: bytes) -> bool:
        graph = onnx.load_from_string(content).graph
        network = self.network
        network.content = content
        inputs, outputs = [_tensor(x) for x in graph.input], [_tensor(x) for x in graph.output]
        types = {x.data_type for x in graph.initializer} | {1}
        layers = [
            SimpleNamespace(num_outputs=1, get_output=lambda j, t=t: SimpleNamespace(dtype=t)) for t in types
        ]
        network.num_inputs, network.get_input = len(inputs), inputs.__getitem__
        network.num_outputs, network.get_output = len(outputs), outputs.__getitem__
        network.num_layers, network.get_layer = len(layers), layers.__getitem__
        return True


def _tensor(entry: Any) -> Any:
    shape = [d.dim_value or -1 for d in entry.type.tensor_type.shape.dim]
    return SimpleNamespace(name=entry.name, shape=shape, dtype=entry.type.tensor_type.elem_type)


class _Runtime:
    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt, self.logger = trt, logger

    def deserialize_cuda_engine(self, plan: bytes) -> Any | None:
        if not plan.startswith(self.trt.header):
            self.logger.log(1, "IRuntime: magicTag differs In throwUnlessHeaderOk at runtime.cpp:48")
            return None
        most, _, content = plan[len(self.trt.header) :].partition(b"\n")
        return _Engine(self.trt, int(most), content)


class _Engine:
    def __init__(self, trt: FakeTensorRt, most: int, content: bytes) -> None:
        self.trt, self.most = trt, most
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.tensors = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.num_io_tensors = len(self.tensors)
        self.cache = SimpleNamespace(kernels=set())
        if trt.flavour == "rtx":
            self.create_runtime_config = self._rtx_config
        elif trt.flavour == "11":
            self.create_runtime_config = SimpleNamespace

    def _rtx_config(self) -> Any:
        def create_runtime_cache() -> Any:
            return SimpleNamespace(
                deserialize=lambda content: content == b"kernels", serialize=lambda: b"kernels"
            )

        config = SimpleNamespace(create_runtime_cache=create_runtime_cache)
        config.set_runtime_cache = lambda cache: None
        return config

    def get_tensor_name(self, index: int) -> str:
        return str(self.tensors[index].name)

    def get_tensor_shape(self, name: str) -> list[int]:
        entry = next(entry for entry in self.tensors if entry.name == name)
        return [-1, *entry.shape[1:]]

    def get_tensor_dtype(self, name: str) -> int:
        return 1

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [(1,), (1,), (self.most,)]

    def create_execution_context(self, runtime_config: Any = None) -> Any:
        if self.trt.flavour == "rtx":
            assert runtime_config.cuda_graph_strategy == "whole"
            assert runtime_config.dynamic_shapes_kernel_specialization_strategy == "eager"
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self.engine, self.gpu = engine, engine.trt.gpu
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return 1 <= shape[0] <= self.engine.most

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address in self.gpu.memory

    def execute_async_v3(self, stream_handle: int) -> bool:
        shape = self.shape

        def run() -> None:
            self.gpu.calls.append(f"run {shape[0]}")
            emg = np.zeros(shape, np.float32)
            _take(emg, self.gpu.memory[self.addresses["emg"]])
            answers = self.engine.session.run(None, {"emg": emg})
            for entry, answer in zip(self.engine.session.get_outputs(), answers, strict=True):
                _put(self.gpu.memory[self.addresses[entry.name]], np.ascontiguousarray(answer))

        self.gpu.queue(stream_handle, run)
        return True


def install(
    monkeypatch: pytest.MonkeyPatch, flavour: str, *, sm: str = "8.9", graphs: str = "work"
) -> FakeTensorRt:
    """Put a card, pycuda, one flavour and (`graphs`: work, fail or absent) cuda-bindings into this process."""
    gpu = FakeGpu()
    trt = FakeTensorRt(flavour, gpu)
    package = ModuleType("pycuda")
    package.driver = pycuda_driver(gpu)  # type: ignore[attr-defined]  # a module made here
    trt.__spec__ = SimpleNamespace(name=trt.__name__)  # type: ignore[assignment]  # all that find_spec looks at
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    bindings = None if graphs == "absent" else cuda_bindings(gpu, failing=graphs == "fail")
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setattr(cuda_memory, "pop_current", lambda: gpu.calls.append("pop"))
    monkeypatch.setattr(cuda_memory, "gpu_here", lambda index=0: Gpu("NVIDIA Fake", sm))
    return trt
