"""What these tests need, each missing part named: `pytest -m gpu tests/gpu` on a machine with an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.inference.artefact import Artefact, load
from app.inference.tensorrt import cuda_memory
from tests.inference.covariance.models import covariance_model

MODELS = Path(__file__).resolve().parents[2] / "instance" / "models"
OnThread = Callable[..., Any]


@pytest.fixture(autouse=True)
def gpu() -> cuda_memory.Gpu:
    """The card; every test here is skipped without one."""
    found = cuda_memory.gpu_here()
    if found is None:
        pytest.skip(f"no NVIDIA GPU, or no driver: {cuda_memory.DRIVER} gives none")
    return found


@pytest.fixture(params=["synthetic-16ch-2khz", "myo-8ch-200hz", "covariance"])
def artefact(request: pytest.FixtureRequest, tmp_path: Path) -> Artefact:
    """The shipped models, and a covariance model with all that one can have."""
    if request.param == "covariance":
        return covariance_model(tmp_path / "covariance")
    return load(MODELS / request.param)


@pytest.fixture
def on_thread() -> Iterator[OnThread]:
    """Runs a call on one native thread that is not this one, as the engine does, and gives what it gave."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda call, *arguments: pool.submit(call, *arguments).result(timeout=300)
