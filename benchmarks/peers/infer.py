"""FastAPI + uvicorn + ONNX Runtime: one route that predicts, as the tutorials have it. The model is EMG_MODEL's."""

from __future__ import annotations

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from pydantic import BaseModel

from app.config import DEFAULT_MODEL, Settings
from app.inference.artefact import find
from app.inference.history import with_history
from app.inference.prediction import normalise, predict

settings = Settings.from_env()
artefact = find(settings.model or DEFAULT_MODEL, settings.model_folders)
manifest = artefact.manifest
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(artefact.path / "model.onnx"), options)
app = FastAPI()


class Windows(BaseModel):
    emg: list[list[float]]


def answer(window: np.ndarray) -> dict[str, object]:
    read = with_history(window, manifest.reads)[np.newaxis].astype(np.float32)
    emg = normalise(read, manifest.mean, manifest.std)
    found = predict(session.run(["logits"], {"emg": emg})[0])
    best = int(found.prediction[0])
    return {
        "prediction": best,
        "label": manifest.classes[best],
        "confidence": float(found.confidence[0]),
        "probabilities": found.probabilities[0].tolist(),
    }


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/infer/onnx")
async def infer(body: Windows) -> dict[str, object]:
    return answer(np.array(body.emg, np.float32))


@app.post("/infer/raw")
async def infer_raw(request: Request) -> dict[str, object]:
    return answer(np.frombuffer(await request.body(), np.float32).reshape(-1, manifest.channels))
