"""A window given in a request and the same window in a stream are the same to the model."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from flask.testing import FlaskClient

from app.serving.runtime import Runtime


@pytest.mark.parametrize("preprocess", [True, False])
def test_a_window_of_a_stream_sent_in_a_request_gives_the_same_probabilities(
    runtime: Runtime, client: FlaskClient, preprocess: bool
) -> None:
    query = f"duration_seconds=0.3&fps=10&preprocess={str(preprocess).lower()}"
    events = [
        json.loads(line[6:])
        for line in client.get(f"/infer/stream?{query}").text.splitlines()
        if line.startswith("data: ")
    ]
    frame = next(event for event in events if "sample_index" in event)
    window = runtime.acquisition.ring.window(frame["sample_index"], runtime.artefact.manifest.length)
    assert window is not None
    body = io.BytesIO()
    np.save(body, window)
    answer = client.post(
        f"/infer?preprocess={str(preprocess).lower()}",
        data=body.getvalue(),
        content_type="application/x-npy",
    )
    assert answer.json["probabilities"] == frame["probabilities"]
    assert answer.json["prediction"] == frame["prediction"]
