"""A server whose first backend is a fleet: what its streams and readiness see of a fleet that comes and goes.

The fleet is another server of this project, an MLServer (MLSERVER_PYTHON names a Python with `pip install
mlserver==1.7.1 onnxruntime`) or a Triton (TRITON_PYTHON: Debian's Python 3.11 with `pip install nvidia-pytriton==0.7.0
numpy==1.26.4 onnxruntime`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import psutil
import pytest

from app.config import SHIPPED_MODELS
from app.fleet_address import parse_address
from app.inference import artefact
from app.inference.onnx.backend import OnnxBackend
from app.inference.remote.backend import RemoteBackend
from app.inference.remote.target import Target
from app.inference.remote.triton_repository import write_repository
from tests.inference import foreign_models
from tests.inference.onnx.test_backend import with_graphs
from tests.server.crowd import Crowd
from tests.server.live import LATE_S, START_POLL_S, START_S, Client, Live, free_port, gunicorn, until
from tests.server.test_tls import KEY, secure

pytestmark = pytest.mark.server
MODEL = "synthetic-16ch-2khz"
FLEET = Path(__file__).with_name("oip")
PATIENT = "20"  # seconds: two busy cores are slow, and who is late is not the question here
Json = dict[str, Any]


def asking(url: str, **settings: str) -> dict[str, str]:
    return {"EMG_BACKENDS": "remote,onnxruntime", "EMG_OIP_URL": url, "EMG_OIP_TIMEOUT": PATIENT, **settings}


def get(live: Live, path: str) -> Json:
    try:
        with urlopen(f"{live.url}{path}", timeout=LATE_S) as answer:
            found: Json = json.load(answer)
    except HTTPError as error:
        found = json.load(error)
    return found


def post(live: Live, path: str, body: Json) -> Json:
    request = Request(f"{live.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            found: Json = json.load(answer)
    except HTTPError as error:
        found = json.load(error)
    return found


def state(live: Live) -> Json:
    found: Json = get(live, "/health")["backends"]["remote"]
    return found


def metric(live: Live, name: str) -> float:
    with urlopen(f"{live.url}/metrics", timeout=LATE_S) as answer:
        lines = answer.read().decode().splitlines()
    return float(next((line.split()[-1] for line in lines if line.startswith(f"{name} ")), 0))


def calls(live: Live, backend: str) -> float:
    return metric(live, f'myostream_engine_latency_seconds_count{{backend="{backend}"}}')


def more_calls(live: Live, backend: str, count: int) -> None:
    """Wait until that backend has had so many more calls than now."""
    before = calls(live, backend)
    until(lambda: calls(live, backend) > before + count)


def windows(count: int) -> Any:
    model = artefact.load(SHIPPED_MODELS / MODEL).manifest
    shape = (count, model.reads, model.channels)
    return np.random.default_rng(3).normal(0, 30, shape).astype(np.float32).tolist()


def expect_same_answers(live: Live) -> None:
    """The fleet's are those of this machine."""
    emg = windows(5)
    here = post(live, "/v2/models/" + MODEL + "/infer", {**v2(emg), "parameters": {"remote": False}})
    there = post(live, "/v2/models/" + MODEL + "/infer", v2(emg))
    assert (here["parameters"]["backend"], there["parameters"]["backend"]) == ("onnxruntime", "remote")
    (ours,) = [one["data"] for one in here["outputs"] if one["name"] == "logits"]
    (theirs,) = [one["data"] for one in there["outputs"] if one["name"] == "logits"]
    assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-3)


def v2(emg: Any) -> Json:
    flat = np.array(emg, np.float32)
    return {
        "inputs": [
            {
                "name": "emg",
                "datatype": "FP32",
                "shape": list(flat.shape),
                "data": flat.reshape(-1).tolist(),
            }
        ]
    }


def test_windows_and_streams_are_answered_by_the_fleet_as_by_this_machine(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as fleet, gunicorn(tmp_path, **asking(fleet.url)) as live:
        assert state(live) == {"available": True, "reason": None, "cure": None}
        expect_same_answers(live)
        emg = windows(2)
        assert post(live, "/infer", {"emg": emg})["backend"] == "remote"
        assert post(live, "/infer/onnx", {"emg": emg})["backend"] == "onnxruntime"
        client = Client(live.port, fps=20)
        assert {frame["backend"] for frame in client.frames(10)} == {"remote"}
        client.close()
        timed = post(live, "/benchmark", {"num_iterations": 20, "backends": "remote"})
        assert timed["remote"]["median_latency_ms"] > 0
        assert metric(live, "myostream_remote_trouble") == 0
        assert fleet.log.count("Traceback") == live.log.count("Traceback") == 0


@pytest.mark.slow
def test_twenty_streams_go_on_while_the_fleet_is_killed_and_use_it_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with gunicorn(tmp_path, port=port) as fleet, gunicorn(tmp_path, **asking(url)) as live:
        crowd = Crowd(live.port, 20, of=lambda number: {"fps": 10 + number / 4})
        more_calls(live, "remote", 100)
        workers = [psutil.Process(pid) for pid in fleet.workers()]
        for process in (fleet.process, *workers):  # the master first: it would replace the others
            process.kill()  # as a machine that loses its power
        until(lambda: not state(live)["available"])
        assert "does not answer" in state(live)["reason"]
        assert live.ready(), "another backend answers"
        assert metric(live, "myostream_remote_passed_on_total") > 0
        assert post(live, "/infer", {"emg": windows(1)})["backend"] == "onnxruntime"
        more_calls(live, "onnxruntime", 100)
        with gunicorn(tmp_path, port=port):
            until(lambda: state(live)["available"])
            more_calls(live, "remote", 50)
            streams = crowd.close()
        assert crowd.lost == 0
        assert "Traceback" not in live.log
    for events in streams:
        frames = [event for event in events if "prediction" in event]
        assert [event for event in events if "error" in event] == [], "nobody was told of it"
        used = [frame["backend"] for frame in frames]
        turns = [name for name, before in zip(used, [None, *used], strict=False) if name != before]
        assert turns[0] == turns[-1] == "remote"
        assert "onnxruntime" in turns
        assert [frame["frame"] for frame in frames] == list(range(len(frames)))
        ends = [frame["sample_index"] for frame in frames]
        assert ends == sorted(set(ends)), "each window once"


@pytest.mark.slow
def test_a_fleet_that_stands_still_is_left_after_its_deadline_and_late_answers_are_not_used(
    tmp_path: Path,
) -> None:
    with (
        gunicorn(tmp_path) as fleet,
        gunicorn(tmp_path, **asking(fleet.url, EMG_OIP_TIMEOUT="0.5")) as live,
    ):
        until(lambda: state(live)["available"])
        crowd = Crowd(live.port, 5, of=lambda number: {"fps": 5 + number})
        more_calls(live, "remote", 20)
        workers = [psutil.Process(pid) for pid in fleet.workers()]
        for worker in workers:
            worker.suspend()
        try:
            until(lambda: not state(live)["available"])
            assert metric(live, "myostream_remote_late_total") > 0
            more_calls(live, "onnxruntime", 20)
        finally:
            for worker in workers:
                worker.resume()
        until(lambda: state(live)["available"])
        for events in crowd.close():
            frames = [event for event in events if "prediction" in event]
            ends = [frame["sample_index"] for frame in frames]
            assert ends == sorted(set(ends)), "each window once"
            late = [frame for frame in frames if frame["backend"] == "remote" and frame["latency_ms"] > 500]
            assert not late


def test_with_a_fleet_alone_the_server_waits_for_it_and_decisions_rest_without_it(tmp_path: Path) -> None:
    port = free_port()
    only = asking(f"http://127.0.0.1:{port}", EMG_BACKENDS="remote")
    with gunicorn(tmp_path, awaited=False, **only) as live:

        def told() -> str:
            with suppress(OSError):
                return str(get(live, "/health/ready").get("detail", ""))
            return ""

        until(lambda: "does not answer" in told(), START_S, START_POLL_S)
        client = Client(live.port, fps=20)
        events = client.events()
        seen: list[Json] = []
        while not any("status" in one for one in seen):
            seen.append(next(events))
        assert "remote is not available" in next(one["error"] for one in seen if "error" in one)
        assert seen[-1]["status"] == "stalled"
        assert seen[-1]["decision_label"] == "rest"
        with gunicorn(tmp_path, port=port):
            until(live.ready, START_S)
            while "prediction" not in seen[-1]:
                seen.append(next(events))
            assert seen[-1]["backend"] == "remote"
            assert any(one.get("status") == "recovered" for one in seen)
        client.close()


def test_another_model_under_the_name_is_not_asked_and_both_are_named(tmp_path: Path) -> None:
    """The fleet's model of that name takes 8 channels and gives 8 gestures."""
    from tests.inference.artefacts import make_artefact

    make_artefact(tmp_path / "instance" / "models" / MODEL, name=MODEL, channels=8, length=40)
    other = {"EMG_INSTANCE": str(tmp_path / "instance"), "EMG_BACKENDS": "pytorch"}
    with gunicorn(tmp_path, **other) as fleet, gunicorn(tmp_path, **asking(fleet.url)) as live:
        said = state(live)
        assert not said["available"]
        assert "[-1, 40, 8], and the model takes FP32" in said["reason"]
        assert "model export" in said["cure"]
        refused = post(live, "/infer", {"emg": windows(1)})
        assert refused["backend"] == "onnxruntime"


def test_two_servers_that_ask_each_other_do_not_go_round_in_circles(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    settings = [asking(f"http://127.0.0.1:{port}") for port in ports]
    with (
        gunicorn(tmp_path, port=ports[0], **settings[1]) as one,
        gunicorn(tmp_path, port=ports[1], **settings[0]) as other,
    ):
        for live in (one, other):
            until(lambda live=live: state(live)["available"])
            assert post(live, "/infer", {"emg": windows(2)})["backend"] == "remote"


@pytest.mark.parametrize("trusted", [True, False], ids=["its authority is known", "its authority is unknown"])
def test_a_fleet_with_tls_and_keys_is_asked_with_its_header(tmp_path: Path, trusted: bool) -> None:
    with secure(tmp_path, scopes=("read", "infer")) as fleet:
        authority = tmp_path / "authority.pem"
        fleet.authority.cert_pem.write_to_path(authority)
        url = f"https://localhost:{fleet.live.port}"
        settings = asking(url, EMG_OIP_HEADER=f"X-API-Key: {fleet.secret}")
        if trusted:
            settings["SSL_CERT_FILE"] = str(authority)
        with gunicorn(tmp_path, **settings) as live:
            said = state(live)
            answer = post(live, "/infer", {"emg": windows(1)})
        assert answer["backend"] == ("remote" if trusted else "onnxruntime")
        assert said["available"] == trusted
        assert trusted or "certificate verify failed" in said["reason"]
        assert fleet.secret not in live.log


def test_a_fleet_that_wants_a_key_says_so(tmp_path: Path) -> None:
    with (
        gunicorn(tmp_path, EMG_API_KEYS=str(KEY)) as fleet,
        gunicorn(tmp_path, **asking(fleet.url)) as live,
    ):
        assert "answered 401" in state(live)["reason"]
        assert "send your key in the header X-API-Key" in state(live)["reason"]


@contextmanager
def foreign(
    command: list[str], folder: Path, url: str, name: str = MODEL, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Another project's server, until the block ends."""

    def ready() -> bool:
        with suppress(OSError), urlopen(f"{url}/v2/models/{name}/ready", timeout=LATE_S) as answer:
            return bool(answer.status == 200)
        return False

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **more}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            until(lambda: ready() or process.poll() is not None, START_S, START_POLL_S)
            assert process.poll() is None, (folder / "log").read_text()
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(LATE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
def test_an_mlserver_is_asked_in_json(tmp_path: Path) -> None:
    python = os.environ.get("MLSERVER_PYTHON")
    if not python:
        pytest.skip("MLSERVER_PYTHON names no Python with mlserver and onnxruntime")
    port = free_port()
    graph = {"uri": str(SHIPPED_MODELS / MODEL / "model.onnx"), "version": "7"}
    model = artefact.load(SHIPPED_MODELS / MODEL).manifest
    tensors = {
        "inputs": [{"name": "emg", "datatype": "FP32", "shape": [-1, model.reads, model.channels]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, len(model.classes)]}],
    }
    settings = {"name": MODEL, "implementation": "onnx_model.OnnxModel", "parameters": graph, **tensors}
    (tmp_path / "model-settings.json").write_text(json.dumps(settings))
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (tmp_path / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    command = [str(Path(python).with_name("mlserver")), "start", str(tmp_path)]
    url = f"http://127.0.0.1:{port}"
    with (
        foreign(command, tmp_path, url, PYTHONPATH=str(FLEET)),
        gunicorn(tmp_path, **asking(url)) as live,
    ):
        assert state(live)["available"], state(live)
        assert "as it should, JSON, up to 8 windows a call" in live.log
        expect_same_answers(live)
        client = Client(live.port, fps=10)
        assert {frame["backend"] for frame in client.frames(5)} == {"remote"}
        client.close()


def triton(folder: Path, port: int, *models: artefact.Artefact) -> tuple[list[str], Path, str]:
    """What starts a real Triton with these models, as they are exported for it; skips where there is none."""
    python = os.environ.get("TRITON_PYTHON")
    if not python:
        pytest.skip("TRITON_PYTHON names no Python with nvidia-pytriton and onnxruntime")
    for model in models:
        write_repository(model, folder / "repository")
    command = [python, str(FLEET / "triton_server.py"), str(port), str(folder / "repository")]
    return command, folder, f"http://127.0.0.1:{port}"


@pytest.mark.slow
def test_a_triton_with_an_exported_model_is_asked_in_bytes_killed_and_found_again(tmp_path: Path) -> None:
    model = artefact.load(SHIPPED_MODELS / MODEL)
    started = triton(tmp_path, free_port(), model)
    url = started[2]
    with ExitStack() as held:
        process = held.enter_context(foreign(*started))
        live = held.enter_context(gunicorn(tmp_path, **asking(url)))
        assert state(live)["available"], state(live)
        assert "as it should, binary, up to 64 windows a call" in live.log
        expect_same_answers(live)
        client = Client(live.port, fps=10)
        held.callback(client.close)
        assert {frame["backend"] for frame in client.frames(5)} == {"remote"}
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(LATE_S)
        events = client.events()
        until(lambda: next(events)["backend"] == "onnxruntime")
        with foreign(*started):
            until(lambda: state(live)["available"])
            until(lambda: next(events)["backend"] == "remote")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spiking_tcn", "nct"])
def test_a_triton_serves_what_was_exported_of_other_models(tmp_path: Path, kind: str) -> None:
    if kind == "nct":
        model = foreign_models.foreign(
            tmp_path,
            foreign_models.graph(layout="nct", probabilities=True),
            foreign_models.draft(input={"layout": "nct"}, outputs={"kind": "probabilities"}),
            foreign_models.golden(output=foreign_models.answers(foreign_models.emg(), probabilities=True)),
        )
    else:
        model = with_graphs(tmp_path / "models", kind)
    started = triton(tmp_path, free_port(), model)
    with foreign(*started, name=model.path.name):
        target = Target(address=parse_address(started[2]), model=model.path.name, timeout_s=float(PATIENT))
        far = RemoteBackend.open(model, target)
        near = OnnxBackend.open(model)
        assert far.trouble is None
        emg = np.random.default_rng(0).normal(size=(5, model.manifest.reads, model.manifest.channels))
        there, here = (one.infer(emg.astype(np.float32)) for one in (far, near))
        assert there.logits == pytest.approx(here.logits, abs=1e-4)
        assert there.spikes.tolist() == here.spikes.tolist()
        assert here.spikes.any() == (kind == "spiking_tcn")
        far.close()
