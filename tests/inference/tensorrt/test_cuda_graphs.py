"""Recording a stream with the real cuda-bindings, where there is no driver: a reason, never a traceback."""

from __future__ import annotations

import pytest

pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed (requirements-gpu.txt)")

from app.inference.tensorrt.cuda_graphs import GraphError, record
from app.inference.tensorrt.cuda_memory import gpu_here


@pytest.mark.skipif(gpu_here() is not None, reason="this machine has a GPU: tests/gpu records for real")
def test_without_a_driver_recording_gives_a_reason_in_one_line() -> None:
    with pytest.raises(GraphError, match="cuda-bindings does not load") as refusal:
        record(lambda: None, 77)

    assert "\n" not in str(refusal.value)
