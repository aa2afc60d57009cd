"""An ONNX graph as MLServer serves a model of one's own. Runs in a Python that has mlserver and onnxruntime."""

from __future__ import annotations

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    """Takes all inputs of the graph, and gives all its outputs."""

    async def load(self) -> bool:
        self._session = onnxruntime.InferenceSession(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = {one.name: NumpyCodec.decode_input(one).astype(np.float32) for one in payload.inputs}
        names = [one.name for one in self._session.get_outputs()]
        found = self._session.run(names, given)
        return InferenceResponse(
            model_name=self.name,
            id=payload.id,
            outputs=[NumpyCodec.encode_output(*one) for one in zip(names, found, strict=True)],
        )
