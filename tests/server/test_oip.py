"""`/v2` held to clients of the Open Inference Protocol as people have them, and to a server of it.

tritonclient comes with what the tests need. KSERVE_PYTHON names a Python with `pip install kserve==0.21.0`,
MLSERVER_PYTHON one with `pip install mlserver==1.7.1 onnxruntime`, and PERF_ANALYZER the program of that name: that of
2.60 needs a glibc of 2.38; the one that `pip install tritonclient==2.48.0` brings runs with Debian's libb64-0d,
and with LD_LIBRARY_PATH at the library of `pip install nvidia-cuda-runtime-cu12`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from app.config import SHIPPED_MODELS
from app.inference import artefact
from app.inference.manifest import Manifest
from tests.server.live import LATE_S, START_POLL_S, START_S, Live, free_port, until

pytestmark = pytest.mark.server
MODEL = "synthetic-16ch-2khz"
SESSIONS = Path(__file__).with_name("oip")
Json = dict[str, Any]


def session(python: str, program: str, *arguments: object) -> Json:
    command = [python, str(SESSIONS / program), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LATE_S)
    assert run.returncode == 0, run.stderr
    found: Json = json.loads(run.stdout.splitlines()[-1])
    return found


def manifest() -> Manifest:
    return artefact.load(SHIPPED_MODELS / MODEL).manifest


def posted(url: str, body: Json) -> Json:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=LATE_S) as answer:
        found: Json = json.load(answer)
        return found


@pytest.fixture(scope="module")
def triton(server: Live) -> Json:
    pytest.importorskip("tritonclient", reason="pip install 'tritonclient[http]'")
    model = manifest()
    return session(
        sys.executable, "triton_session.py", f"127.0.0.1:{server.port}", MODEL, model.length, model.channels
    )


def test_tritonclient_finds_the_server_and_its_models(triton: Json) -> None:
    assert (triton["live"], triton["ready"], triton["models"]) == (True, True, [True, False, False])
    assert triton["server"]["name"] == "myostream"
    model = manifest()
    assert triton["metadata"]["inputs"][0]["shape"] == [-1, -1, model.channels]
    assert triton["config"]["input"][0]["dims"] == [-1, model.channels]
    assert {one["name"] for one in triton["index"]} >= {MODEL, "myo-8ch-200hz"}


def test_tritonclient_gets_the_same_in_every_form(server: Live, triton: Json) -> None:
    same = posted(f"{server.url}/infer", {"emg": triton["emg"], "model": MODEL})
    assert len(triton["answers"]) == 6
    for answer in triton["answers"]:
        assert (answer["prediction"], answer["label"], answer["id"]) == (
            same["prediction"],
            same["label"],
            "7",
        )
        assert np.array(answer["logits"]) == pytest.approx(np.array(triton["answers"][0]["logits"]), rel=1e-5)
    assert np.array(triton["half"]) == pytest.approx(np.array(triton["answers"][0]["logits"]), abs=0.1)
    labels = [[text.split(":")[2] for text in row] for row in triton["most"]]
    assert [row[0] for row in labels] == same["label"]


def test_tritonclient_is_told_what_was_wrong(triton: Json) -> None:
    refused = triton["refused"]
    assert refused["model"] == "404 no model 'nobody'; GET /models has those there are"
    assert refused["version"].startswith(f"404 the model {MODEL} has no version 9")
    assert refused["shape"].startswith("400 the model takes windows of")
    assert refused["output"].startswith("400 the model has no output softmax; it has logits")
    assert refused["gzip"].startswith("415 Content-Encoding: gzip is not taken")
    assert refused["own"].startswith("409 ")


def test_kserves_client_is_served(server: Live) -> None:
    python = os.environ.get("KSERVE_PYTHON")
    if not python:
        pytest.skip("KSERVE_PYTHON names no Python with kserve")
    model = manifest()
    got = session(python, "kserve_session.py", server.url, MODEL, model.length, model.channels)
    assert (got["ready"], got["live"], got["model"]) == (True, True, True)
    same = posted(f"{server.url}/infer", {"emg": got["emg"], "model": MODEL})["probabilities"]
    for answer in got["answers"]:
        assert np.array(answer) == pytest.approx(np.array(same), abs=1e-4)
    assert "no model 'nobody'" in got["refused"]


def test_perf_analyzer_measures_a_model(server: Live) -> None:
    """Of its own accord it sends any bytes as float32, which are refused as NaN."""
    program = os.environ.get("PERF_ANALYZER")
    if not program:
        pytest.skip("PERF_ANALYZER names no perf_analyzer")
    model = manifest()
    command = [program, "-m", MODEL, "-u", f"127.0.0.1:{server.port}", "--concurrency-range", "2", "-b", "4"]
    command += ["--shape", f"emg:{model.length},{model.channels}", "-s", "999"]
    command += ["--measurement-mode", "count_windows", "--measurement-request-count", "20"]
    run = subprocess.run(
        [*command, "--input-data", "zero"], capture_output=True, text=True, check=False, timeout=LATE_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
    count = re.search(r"Request count: (\d+)", run.stdout)
    assert count is not None, run.stdout
    assert int(count[1]) >= 20
    made_up = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LATE_S)
    assert "emg holds NaN, infinite or absurd values" in made_up.stdout + made_up.stderr


@pytest.fixture
def mlserver(tmp_path: Path) -> Iterator[str]:
    """A real MLServer with the same graph; its address."""
    python = os.environ.get("MLSERVER_PYTHON")
    if not python:
        pytest.skip("MLSERVER_PYTHON names no Python with mlserver and onnxruntime")
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(SESSIONS / "onnx_model.py", folder)
    graph = {"uri": str(SHIPPED_MODELS / MODEL / "model.onnx"), "version": manifest().version}
    settings = {"name": MODEL, "implementation": "onnx_model.OnnxModel", "parameters": graph}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    port = free_port()
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (tmp_path / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    command = [str(Path(python).with_name("mlserver")), "start", str(tmp_path)]
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        with suppress(OSError), urlopen(f"{url}/v2/health/ready", timeout=LATE_S) as answer:
            return bool(answer.status == 200)
        return False

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, stdout=log, stderr=log
        )
        try:
            until(ready, START_S, START_POLL_S)
            yield url
        finally:
            process.terminate()
            process.wait(LATE_S)


def test_answers_are_those_of_an_mlserver_with_the_same_graph(server: Live, mlserver: str) -> None:
    model = manifest()
    assert not model.mean.any(), "else the graph would be asked with other numbers"
    assert (model.std == 1).all()
    emg = np.random.default_rng(1).normal(0, 30, (3, model.reads, model.channels)).astype(np.float32)
    tensor = {"name": "emg", "datatype": "FP32", "shape": list(emg.shape), "data": emg.reshape(-1).tolist()}
    body = {"id": "q", "inputs": [tensor], "outputs": [{"name": "logits"}]}
    path = f"/v2/models/{MODEL}/infer"
    ours, theirs = posted(f"{server.url}{path}", body), posted(f"{mlserver}{path}", body)
    assert (ours["model_name"], ours["id"]) == (theirs["model_name"], theirs["id"])
    (logits,), (same,) = ours["outputs"], theirs["outputs"]
    assert {key: logits[key] for key in ("name", "datatype", "shape")} == {
        key: same[key] for key in ("name", "datatype", "shape")
    }
    assert logits["data"] == pytest.approx(same["data"], rel=1e-4)
