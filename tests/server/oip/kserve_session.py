"""What KServe's REST client gets of a server, as JSON. Runs in a Python that has kserve.

`python kserve_session.py URL MODEL LENGTH CHANNELS`
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


async def main(url: str, model: str, length: int, channels: int) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    emg = np.random.default_rng(0).normal(0, 30, (3, length, channels)).astype(np.float32)

    async def asked(name: str, binary: bool) -> Any:
        windows = InferInput("emg", list(emg.shape), "FP32")
        windows.set_data_from_numpy(emg, binary_data=binary)
        return await client.infer(url, InferRequest(model_name=name, infer_inputs=[windows]), model_name=name)

    answers = [await asked(model, binary) for binary in (True, False)]
    try:
        refused = repr(await asked("nobody", True))
    except Exception as error:  # whatever its client makes of it
        refused = str(error)
    return {
        "ready": await client.is_server_ready(url),
        "live": await client.is_server_live(url),
        "model": await client.is_model_ready(url, model),
        "emg": emg.tolist(),
        "answers": [
            next(one.as_numpy().tolist() for one in answer.outputs if one.name == "probabilities")
            for answer in answers
        ],
        "refused": refused,
    }


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))) + "\n"
    )
