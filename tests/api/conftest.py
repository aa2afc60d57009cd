"""The application around a small model and a live source, without a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference.artefact import Artefact
from app.serving.engine.opening import make_engine
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import open_path
from tests.fakes import LiveSource
from tests.inference.artefacts import make_artefact

LENGTH, CHANNELS = 20, 4
MAX_BODY = 2**20


def pushed_to(artefact: Artefact, **settings: object) -> Runtime:
    """A runtime that waits for clients to bring their sources."""
    chosen = Settings(
        emg_mode=EmgMode.PUSH,
        backends=("pytorch",),
        mains_hz=None,
        max_sources=2,
        **{"model": "tiny", "max_body": MAX_BODY, **settings},
    )
    runtime = Runtime(
        settings=chosen, artefact=artefact, engine=make_engine(chosen, artefact), encode=sse.encode
    )
    runtime.start()
    return runtime


def running(artefact: Artefact, **more: object) -> Runtime:
    chosen = {"backends": ("tensorrt", "pytorch"), **more}
    settings = Settings(max_body=MAX_BODY, mains_hz=None, **chosen)
    manifest = artefact.manifest
    source = LiveSource(manifest.channels, manifest.sampling_rate)
    runtime = Runtime(
        settings=settings,
        artefact=artefact,
        engine=make_engine(settings, artefact),
        acquisition=Acquisition(source, open_path(settings, manifest), length=manifest.length),
        encode=sse.encode,
    )
    runtime.start()
    deadline = time.monotonic() + 20
    enough = manifest.length + 255  # samples of the largest batch
    while runtime.pipelines.named().unbroken < enough and time.monotonic() < deadline:
        time.sleep(0.01)
    return runtime


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    runtime = running(make_artefact(tmp_path_factory.mktemp("models") / "tiny"))
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def app(runtime: Runtime) -> Flask:
    """One for a file: it describes itself anew each time, which takes a fifth of a second."""
    return create_app(runtime)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    artefact = make_artefact(tmp_path_factory.mktemp("models") / "spiking", architecture="spiking_tcn")
    runtime = running(artefact)
    yield runtime
    runtime.close()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until it holds."""

    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)

    return wait
