"""What tritonclient gets of a server, as JSON: a program of its own, as the client lives in gevent.

`python triton_session.py HOST:PORT MODEL LENGTH CHANNELS`
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def wanted(binary: bool | None) -> list[triton.InferRequestedOutput] | None:
    names = ("logits", "probabilities", "prediction", "label")
    return (
        None if binary is None else [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
    )


def refused(call: Any) -> str:
    try:
        call()
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"
    return "taken"


def main(server: str, model: str, length: int, channels: int) -> dict[str, Any]:
    client = triton.InferenceServerClient(server)
    emg = np.random.default_rng(0).normal(0, 30, (3, length, channels)).astype(np.float32)

    def windows(
        values: np.ndarray[Any, Any] = emg, kind: str = "FP32", binary: bool = True
    ) -> triton.InferInput:
        found = triton.InferInput("emg", values.shape, kind)
        found.set_data_from_numpy(values, binary_data=binary)
        return found

    answers = []
    for binary_in in (True, False):
        for binary_out in (None, True, False):
            answer = client.infer(
                model, [windows(binary=binary_in)], outputs=wanted(binary_out), request_id="7"
            )
            texts = [
                text.decode() if isinstance(text, bytes) else text
                for text in answer.as_numpy("label").tolist()
            ]
            answers.append(
                {
                    "logits": answer.as_numpy("logits").tolist(),
                    "prediction": answer.as_numpy("prediction").tolist(),
                    "label": texts,
                    "id": answer.get_response()["id"],
                }
            )
    half = client.infer(model, [windows(emg.astype(np.float16), "FP16")])
    most = [triton.InferRequestedOutput("probabilities", class_count=2)]
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "models": [
            client.is_model_ready(model),
            client.is_model_ready("nobody"),
            client.is_model_ready(model, "9"),
        ],
        "server": client.get_server_metadata(),
        "metadata": client.get_model_metadata(model),
        "config": client.get_model_config(model),
        "index": client.get_model_repository_index(),
        "emg": emg.tolist(),
        "answers": answers,
        "half": half.as_numpy("logits").tolist(),
        "most": [
            [text.decode() for text in row]
            for row in client.infer(model, [windows()], outputs=most).as_numpy("probabilities").tolist()
        ],
        "loaded": client.load_model("myo-8ch-200hz"),
        "unloaded": client.unload_model("myo-8ch-200hz"),
        "refused": {
            "model": refused(lambda: client.infer("nobody", [windows()])),
            "version": refused(lambda: client.infer(model, [windows()], model_version="9")),
            "shape": refused(lambda: client.infer(model, [windows(emg[:, :5])])),
            "output": refused(
                lambda: client.infer(model, [windows()], outputs=[triton.InferRequestedOutput("softmax")])
            ),
            "gzip": refused(lambda: client.infer(model, [windows()], request_compression_algorithm="gzip")),
            "own": refused(lambda: client.unload_model(model)),
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))) + "\n")
