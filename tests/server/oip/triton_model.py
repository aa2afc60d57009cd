"""An ONNX graph for Triton's Python backend: what its ONNX backend would do, where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Takes the input of the graph, and gives all its outputs; one that is a number a window as (windows, 1)."""

    def initialize(self, args: dict[str, str]) -> None:
        graph = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        (given,) = self._session.get_inputs()
        self._input, self._outputs = given.name, [one.name for one in self._session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        emg = triton.get_input_tensor_by_name(request, self._input).as_numpy()
        found = self._session.run(self._outputs, {self._input: emg})
        rows = [values.reshape(len(emg), -1) for values in map(np.asarray, found)]
        tensors = [triton.Tensor(*one) for one in zip(self._outputs, rows, strict=True)]
        return triton.InferenceResponse(output_tensors=tensors)
