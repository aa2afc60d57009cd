"""TensorRT on a real GPU, in whichever flavour takes the card, with pycuda on the engine thread."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.cli import engine
from app.config import Settings
from app.inference.artefact import Artefact
from app.inference.parity import ALLOWED, checked, fixed_windows
from app.inference.reference import reference_logits
from app.inference.tensorrt import cuda_memory
from app.inference.tensorrt.backend import TensorRtBackend
from app.inference.tensorrt.flavour import FLAVOURS
from tests.gpu.conftest import OnThread
from tests.inference.covariance.signals import ILL, ill_conditioned

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(importlib.util.find_spec("pycuda") is None, reason="pycuda is not installed"),
    pytest.mark.skipif(
        not any(importlib.util.find_spec(name) for name in FLAVOURS), reason="no TensorRT is installed"
    ),
]


@pytest.fixture
def plan(
    tmp_path: Path, artefact: Artefact, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Built by the command, in the precision that the test is parametrized with."""
    precision = getattr(request, "param", "fp32")
    if precision != "fp32" and artefact.manifest.architecture == "covariance":
        pytest.skip("a covariance model has one graph, fp32")
    monkeypatch.setattr(engine, "_settings", lambda: Settings(instance=tmp_path))
    arguments = ["build", "--model", str(artefact.path), "--precision", precision, "--json"]
    result = CliRunner().invoke(engine.engine, arguments)
    assert result.exit_code == 0, result.stderr
    return Path(json.loads(result.stdout)["plan"])


@pytest.mark.parametrize("plan", ["fp32", "fp16", "int8"], indirect=True)
def test_every_precision_answers_as_the_reference(
    artefact: Artefact, plan: Path, on_thread: OnThread
) -> None:
    backend = on_thread(lambda: TensorRtBackend.open(artefact, plan=plan))

    assert on_thread(checked, backend, artefact) is backend
    on_thread(backend.close)


def test_every_batch_answers_as_the_reference(artefact: Artefact, plan: Path, on_thread: OnThread) -> None:
    """In an order that goes back to smaller sizes: a graph recorded for one must survive those after it."""
    backend = on_thread(lambda: TensorRtBackend.open(artefact, plan=plan))
    shape = (artefact.manifest.reads, artefact.manifest.channels)

    for batch in (64, 1, 33, 2, 65, 3, 1, 256, 8):
        emg = np.resize(fixed_windows(artefact.manifest), (batch, *shape))
        expected = reference_logits(artefact, emg)
        logits = on_thread(backend.infer, emg).logits
        assert np.abs(logits - expected).max() <= ALLOWED["fp32"] * np.abs(expected).max(), batch
    on_thread(backend.close)


@pytest.mark.parametrize("artefact", ["covariance"], indirect=True)
def test_ill_conditioned_windows_are_answered_as_the_reference(
    artefact: Artefact, plan: Path, on_thread: OnThread
) -> None:
    backend = on_thread(lambda: TensorRtBackend.open(artefact, plan=plan))

    for kind in ILL:
        emg = ill_conditioned(kind, artefact.manifest.reads, artefact.manifest.channels)
        expected = reference_logits(artefact, emg)
        logits = on_thread(backend.infer, emg).logits
        assert np.abs(logits - expected).max() <= ALLOWED["fp32"] * np.abs(expected).max(), kind
    on_thread(backend.close)


def test_ten_thousand_inferences_do_not_grow_the_memory(
    artefact: Artefact, plan: Path, on_thread: OnThread
) -> None:
    backend = on_thread(lambda: TensorRtBackend.open(artefact, plan=plan))
    windows = fixed_windows(artefact.manifest)

    def run(calls: int) -> int:
        for k in range(calls):
            backend.infer(windows[: 1 + k % 16])
        return free_bytes()

    before = on_thread(run, 100)

    assert on_thread(run, 10_000) >= before - (1 << 20)  # another process may take a little
    on_thread(backend.close)


def test_cuda_graphs_are_replayed_or_the_reason_is_said(
    artefact: Artefact, plan: Path, on_thread: OnThread
) -> None:
    backend = on_thread(lambda: TensorRtBackend.open(artefact, plan=plan))

    assert backend.graphs in ("replayed", "by the runtime") or "cuda-bindings" in backend.graphs
    on_thread(backend.close)


def test_the_thread_can_end_once_the_backend_is_closed(artefact: Artefact, plan: Path) -> None:
    """pycuda aborts the process when a thread ends with a context on its stack: watched from outside."""
    code = f"""
import threading
from pathlib import Path
from app.inference.artefact import load
from app.inference.parity import fixed_windows
from app.inference.tensorrt.backend import TensorRtBackend
artefact = load(Path({str(artefact.path)!r}))
def work():
    for _ in range(3):
        backend = TensorRtBackend.open(artefact, plan=Path({str(plan)!r}))
        backend.infer(fixed_windows(artefact.manifest))
        backend.close()
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )

    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def free_bytes() -> int:
    """Free memory of the card, by the driver; a context is current."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert ctypes.CDLL(cuda_memory.DRIVER).cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
    return free.value
