"""CUDA graphs in PyTorch: a network recorded once for each of a few batch sizes, then started by one launch.

A window is so little work for a GPU that starting its kernels one by one costs more than running them. A graph
runs on the same memory every time, so a batch is padded to the next size that was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from app.inference.backend import Batch

if TYPE_CHECKING:
    from app.inference.networks import Classifier

SIZES = (1, 2, 4, 8, 16, 32, 64)  # windows; a larger batch is launched kernel by kernel
WARM_UP = 3  # runs before recording, in which the libraries choose their kernels and allocate

Answer = tuple[Tensor, Tensor | None]  # logits (batch, classes), spikes (batch,)
Run = Callable[[Tensor], Answer]
Replay = Callable[[], Answer]
Record = Callable[[Run, Tensor], Replay]


class _Recorded(NamedTuple):
    host: Tensor  # pinned where there is a GPU: the copy to it then needs no copy in between
    emg: Tensor  # (size, length, channels), the memory that the graph reads
    replay: Replay


class FixedSizes:
    """A network that answers batches of up to 64 windows by replaying. Not thread-safe, like the backends."""

    def __init__(
        self,
        network: Classifier,
        window: tuple[int, int],
        device: str,
        record: Record | None = None,
        sizes: tuple[int, ...] = SIZES,
    ) -> None:
        """Record every size.

        Args:
            network: in eval mode, on `device`.
            window: (length, channels).
            device: of the network.
            record: makes a replay of a run on fixed memory; CUDA graphs unless told otherwise.
            sizes: of batches, ascending.

        Raises:
            RuntimeError: the device does not run the network.
        """
        self._network = network
        pinned = device.startswith("cuda")
        self._recorded: dict[int, _Recorded] = {}
        with torch.inference_mode():
            for size in sizes:
                host = torch.zeros((size, *window), pin_memory=pinned)
                emg = host.to(device, copy=True)
                self._recorded[size] = _Recorded(host, emg, (record or cuda_graph)(self._run, emg))

    def infer(self, emg: Batch) -> Answer | None:
        """Return the answer, on the device and valid until the next call; None for a batch above all sizes."""
        windows = len(emg)
        size = next((size for size in self._recorded if size >= windows), None)
        if size is None:
            return None
        host, memory, replay = self._recorded[size]
        host[:windows] = torch.from_numpy(emg)
        memory[:windows].copy_(host[:windows], non_blocking=True)  # rows beyond keep older windows, unread
        logits, spikes = replay()
        return logits[:windows], None if spikes is None else spikes[:windows]

    def _run(self, emg: Tensor) -> Answer:
        answer = self._network(emg)
        return answer if isinstance(answer, tuple) else (answer, None)


def cuda_graph(run: Run, emg: Tensor) -> Replay:
    """Record `run(emg)` as a CUDA graph, as torch's manual asks: first runs on a side stream, then capture."""
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's
    side.wait_stream(main)
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            run(emg)
    main.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Thread-local: what another thread does with CUDA meanwhile does not spoil the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        answer = run(emg)

    def replay() -> Answer:
        graph.replay()
        return answer

    return replay
