"""Recording what a stream does as a CUDA graph, by cuda-bindings: pycuda has no graphs.

Both sit on CUDA's driver API, so a stream made by the one is a handle for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class GraphError(Exception):
    """The work cannot be recorded; it can still be launched piece by piece. One line."""


class Graph:
    """Recorded work that one launch starts."""

    def __init__(self, driver: Any, executable: Any, stream: int) -> None:
        self._driver, self._executable = driver, executable
        self._stream = driver.CUstream(stream)

    def launch(self) -> None:
        _checked(self._driver, self._driver.cuGraphLaunch(self._executable, self._stream))

    def close(self) -> None:
        """Free it, on the thread that recorded it. Safe to call twice."""
        if self._executable is not None:
            self._driver.cuGraphExecDestroy(self._executable)
            self._executable = None


def record(work: Callable[[], None], stream: int) -> Graph:
    """Record what `work` queues on the stream. It is not run; run it once before, so that all set-up is done.

    Raises:
        GraphError: cuda-bindings is not installed, or the work holds what cannot be recorded.
    """
    try:
        from cuda.bindings import driver  # type: ignore[import-untyped,import-not-found,unused-ignore]  # an extra
    except ImportError:
        raise GraphError("cuda-bindings is not installed (`pip install cuda-bindings`)") from None
    handle = driver.CUstream(stream)
    # Thread-local: what other threads do with CUDA meanwhile does not spoil the recording.
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    try:
        began = driver.cuStreamBeginCapture(handle, mode)
    except RuntimeError as error:  # cuda-bindings finds no driver that it knows
        raise GraphError(f"cuda-bindings does not load: {str(error).splitlines()[0]}") from None
    _checked(driver, began)
    failure: Exception | None = None
    try:
        work()
    except Exception as error:  # the capture must end in any case, or the stream is of no more use
        failure = error
    status, graph = driver.cuStreamEndCapture(handle)
    if failure is not None:
        raise GraphError(f"the work cannot be recorded: {' '.join(str(failure).split())}") from None
    _checked(driver, (status,))
    executable = _checked(driver, driver.cuGraphInstantiate(graph, 0))
    driver.cuGraphDestroy(graph)
    return Graph(driver, executable, stream)


def _checked(driver: Any, result: tuple[Any, ...]) -> Any:
    """Return what a call gave beside its status, which comes first."""
    status = result[0]
    if status != driver.CUresult.CUDA_SUCCESS:
        raise GraphError(f"CUDA answers {getattr(status, 'name', status)}")
    return result[1] if len(result) > 1 else None
