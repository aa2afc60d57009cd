"""A worker whose samples the test writes."""

from __future__ import annotations

import numpy as np

from app.api.sse import events as sse
from app.config import Settings
from app.emg.source import Chunk
from app.inference.artefact import Artefact
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import open_path
from tests.emg.fakes import ScriptedSource
from tests.fakes import FakeBackend

RATE, LENGTH, CHANNELS = 200, 20, 4


class Stage:
    """A runtime whose samples the test writes, with the backends it names."""

    def __init__(self, artefact: Artefact, **openers: BackendOpener) -> None:
        settings = Settings(mains_hz=None, max_streams=2)
        chunk = Chunk(index=0, samples=np.zeros((1, CHANNELS), np.float32))
        self.stopping = False
        shape = ModelInput(
            length=LENGTH, channels=CHANNELS, mean=artefact.manifest.mean, std=artefact.manifest.std
        )
        engine = Engine(shape, openers or {"pytorch": BackendOpener(FakeBackend)})
        engine.open()
        self.runtime = Runtime(
            settings=settings,
            artefact=artefact,
            engine=engine,
            acquisition=Acquisition(
                ScriptedSource([chunk], RATE), open_path(settings, artefact.manifest), clock=lambda: 0.0
            ),
            encode=sse.encode,
            stopping=lambda: self.stopping,
        )

    def feed(self, samples: int, restart: bool = False) -> None:
        """Samples that count up, so that a window says where it is from."""
        ring = self.runtime.acquisition.ring
        rows = np.arange(ring.newest, ring.newest + samples, dtype=np.float32)
        ring.write(ring.newest, np.tile(rows[:, None], (1, CHANNELS)), restart=restart)
        self.runtime.acquisition._last_at, self.runtime.acquisition.main._usable_to = 0.0, ring.newest
