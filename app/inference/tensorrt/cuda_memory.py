"""The CUDA that a backend needs, by pycuda: one context, one stream, pinned arrays and memory on the device.

Everything here belongs to the native thread that made it. The context is the primary one, which PyTorch and
TensorRT share; it is current from opening until closing, and pycuda ends the process if the thread dies before.
Never before a fork: CUDA does not survive it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.errors import BackendUnavailableError
from app.inference.tensorrt.flavour import NAME

Floats = npt.NDArray[np.float32]
DRIVER = "libcuda.so.1"  # comes with NVIDIA's driver, not with any package


class DeviceMemory(Protocol):
    """Bytes on the GPU; `int()` gives the address."""

    def __int__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card, as the driver names it."""

    name: str
    sm: str  # compute capability, such as "8.9"


class Cuda:
    """The current context and one stream on it."""

    def __init__(self, driver: Any, context: Any, gpu: Gpu) -> None:
        self.gpu = gpu
        self._driver, self._context = driver, context
        self._stream = driver.Stream()
        self._done = driver.Event(driver.event_flags.DISABLE_TIMING)
        self._held: list[Any] = []

    @property
    def stream(self) -> int:
        """The stream's handle; not the default stream, which would wait for all others."""
        return int(self._stream.handle)

    def pinned(self, shape: tuple[int, ...]) -> Floats:
        """Zeros in host memory that the GPU reads and writes by itself, (shape), float32."""
        array: Floats = self._driver.pagelocked_zeros(shape, np.float32)
        return array

    def allocate(self, nbytes: int) -> DeviceMemory:
        """Memory on the device, freed by `close`."""
        memory: DeviceMemory = self._driver.mem_alloc(nbytes)
        self._held.append(memory)
        return memory

    def upload(self, memory: DeviceMemory, array: Floats) -> None:
        """Queue a copy to the device; `array` must be pinned and stay."""
        self._driver.memcpy_htod_async(memory, array, self._stream)

    def download(self, array: Floats, memory: DeviceMemory) -> None:
        """Queue a copy from the device; `array` must be pinned and stay."""
        self._driver.memcpy_dtoh_async(array, memory, self._stream)

    def wait(self) -> None:
        """Until all that was queued is done. Other Python threads run meanwhile."""
        self._done.record(self._stream)
        self._done.synchronize()

    def close(self) -> None:
        """Free everything and leave the context. Safe to call twice, from the thread that opened it."""
        if self._context is None:
            return
        self._stream.synchronize()
        for memory in self._held:
            memory.free()
        self._held.clear()
        self._stream = self._done = None
        _leave(self._context)
        self._context = None


def gpu_here(index: int = 0) -> Gpu | None:
    """Return the card, or None where there is no driver or no card. By ctypes: needs no package, makes no context."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    count, device = ctypes.c_int(), ctypes.c_int()
    major, minor, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value <= index:
        return None
    if driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # COMPUTE_CAPABILITY_MAJOR
    driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)  # COMPUTE_CAPABILITY_MINOR
    return Gpu(name.value.decode(errors="replace"), f"{major.value}.{minor.value}")


def require_gpu(index: int = 0) -> Gpu:
    """Return the card.

    Raises:
        BackendUnavailableError: there is none.
    """
    gpu = gpu_here(index)
    if gpu is None:
        reason = "it needs an NVIDIA GPU, and this machine has none, or no driver for it"
        cure = "Use onnxruntime or pytorch here, or a machine with a GPU"
        raise BackendUnavailableError(NAME, reason, cure)
    return gpu


def open_cuda(index: int = 0) -> Cuda:
    """Make the card's primary context current on this thread.

    Raises:
        BackendUnavailableError: there is no GPU, or no pycuda.
    """
    gpu = require_gpu(index)
    try:
        from pycuda import driver
    except ImportError as error:
        cure = "Install it with `pip install pycuda` (needs nvcc and a C++ compiler; see docs/tensorrt.md)"
        raise BackendUnavailableError(NAME, f"pycuda does not load: {error}", cure) from None
    try:
        driver.init()
        context = driver.Device(index).retain_primary_context()
        context.push()
    except driver.Error as error:
        reason = f"CUDA does not start on {gpu.name}: {' '.join(str(error).split())}"
        raise BackendUnavailableError(NAME, reason, "See `nvidia-smi` for the state of the card") from None
    try:
        return Cuda(driver, context, gpu)
    except BaseException:
        _leave(context)  # else the end of this thread ends the process
        raise


def _leave(context: Any) -> None:
    """Take the context off this thread and give it back.

    Not by pycuda's `pop`: it leaves the giving back to the context's destructor, which for a primary context makes
    it current again and calls cuCtxDetach, a function that is for other contexts (pycuda 2026.1, cuda.hpp).
    `detach` takes it off pycuda's own stack and calls cuDevicePrimaryCtxRelease, but leaves it current.
    """
    pop_current()
    context.detach()


def pop_current() -> None:
    """Make the context below the top of this thread's stack in the driver the current one, or none."""
    ctypes.CDLL(DRIVER).cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
