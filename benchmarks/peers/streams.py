"""FastAPI + uvicorn: the same model and signal, one inference per client and frame, as glue code does it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from app.config import DEFAULT_MODEL, Settings
from app.inference.artefact import find
from app.inference.history import with_history
from app.inference.prediction import normalise, predict
from app.serving.sources.opening import open_path, open_source

settings = Settings()
artefact = find(settings.model or DEFAULT_MODEL, settings.model_folders)
manifest = artefact.manifest
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(Path(artefact.path) / "model.onnx"), options)
path = open_path(settings, manifest)
source = open_source(settings, manifest)
app = FastAPI()


@app.on_event("startup")
async def acquire() -> None:
    async def run() -> None:
        began, chunk, index = time.perf_counter(), 10, 0
        while True:
            index += chunk
            await asyncio.sleep(max(0.0, began + index / manifest.sampling_rate - time.perf_counter()))
            samples, labels = source.generate(chunk)
            path.ring.write(index - chunk, path._filter(samples), labels, False, time.perf_counter())

    app.state.task = asyncio.create_task(run())


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/infer/stream")
async def stream(request: Request) -> StreamingResponse:
    fps = (await request.json()).get("fps", 30)

    async def events() -> AsyncIterator[str]:
        due, n = time.perf_counter(), 0
        while True:
            n += 1
            await asyncio.sleep(max(0.0, due + n / fps - time.perf_counter()))
            end = path.ring.newest
            window = path.ring.recent(end, manifest.length, manifest.reads)
            if window is None:
                continue
            read = with_history(window, manifest.reads)[np.newaxis]
            logits = session.run(["logits"], {"emg": normalise(read, manifest.mean, manifest.std)})[0]
            found = predict(logits)
            age = time.perf_counter() - (path.ring.acquired_at(end - 1) or 0.0)
            event = {
                "timestamp": time.time(),
                "frame": n,
                "prediction": int(found.prediction[0]),
                "confidence": float(found.confidence[0]),
                "probabilities": found.probabilities[0].tolist(),
                "age_ms": age * 1e3,
                "label": manifest.classes[int(found.prediction[0])],
            }
            yield f"data: {json.dumps(event)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
