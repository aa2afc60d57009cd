"""A real Triton with an ONNX graph, run by nvidia-pytriton. Runs in a Python that has it and onnxruntime.

`python triton_server.py PORT MODEL GRAPH`
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def main(port: int, model: str, graph: str) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (given,), (output, *_) = session.get_inputs(), session.get_outputs()

    @batch
    def infer(**inputs: Any) -> dict[str, Any]:
        return {output.name: session.run([output.name], inputs)[0]}

    settings = TritonConfig(http_port=port, allow_grpc=False, allow_metrics=False, http_address="127.0.0.1")
    with Triton(config=settings) as triton:
        triton.bind(
            model_name=model,
            infer_func=infer,
            inputs=[Tensor(name=given.name, dtype=np.float32, shape=tuple(given.shape[1:]))],
            outputs=[Tensor(name=output.name, dtype=np.float32, shape=tuple(output.shape[1:]))],
            config=ModelConfig(max_batch_size=64),
        )
        triton.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
