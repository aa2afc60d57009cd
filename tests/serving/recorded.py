"""A feed that a test drives by hand, and a recorder of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from app.emg.auxiliary import AuxChunk
from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Chunk
from app.inference.artefact import Artefact
from app.serving.models.open_models import OpenModel
from app.serving.recordings.service import RecordingService
from app.serving.sources.acquisition import Acquisition
from app.serving.streams.events import Event, ModelChange, StreamOptions
from app.serving.streams.group_events import GroupEvent
from tests.fakes import StepwiseSource
from tests.inference.artefacts import make_manifest
from tests.serving.station import make_frame

RATE = 200.0


class HandReader:
    """A place in a group that publishes what the test says."""

    def __init__(self) -> None:
        self.listener: Callable[[GroupEvent, int], bool] | None = None
        self.closed = 0

    def listen(self, listener: Callable[[GroupEvent, int], bool]) -> None:
        self.listener = listener

    def close(self) -> None:
        self.closed += 1
        self.listener = None


class HandBroadcast:
    def __init__(self) -> None:
        self.readers: list[HandReader] = []
        self.options: list[StreamOptions] = []

    def join(self, options: StreamOptions) -> HandReader:
        self.options.append(options)
        self.readers.append(HandReader())
        return self.readers[-1]

    def publish(self, end: int, model: Artefact | None = None) -> None:
        """A frame, which that model made."""
        self._publish(replace(make_frame(end), model=model))

    def change(self, from_sample: int, model: Artefact | None) -> None:
        """What a group says before the first frame of another model."""
        name, sha256, classes = None, None, ()
        if model is not None:
            name, sha256, classes = model.path.name, model.sha256, model.manifest.classes
        self._publish(
            ModelChange(timestamp=0.0, from_sample=from_sample, model=name, sha256=sha256, classes=classes)
        )

    def _publish(self, what: Event) -> None:
        event = GroupEvent(0, 0, 0, b"", what)
        for reader in self.readers:
            if reader.listener is not None:
                reader.listener(event, 0)


def hand_model(name: str, *classes: str) -> Artefact:
    """A model of which nothing is there but what is said of it."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Artefact(Path(name), make_manifest(name=name, classes=classes), sha256)


def open_model(model: Artefact) -> OpenModel:
    """The same, as if it ran."""
    states = {"fake": SimpleNamespace(available=True)}
    return OpenModel(model, SimpleNamespace(backends=SimpleNamespace(known=states)))  # type: ignore[arg-type]  # an engine by what is asked of it


TINY = hand_model("tiny", "rest", "fist")


class HandFeed:
    """One channel at 200 Hz; `give` is what the device delivers."""

    def __init__(self, name: str = "hand") -> None:
        self.name, self.source = name, StepwiseSource(sampling_rate=RATE)
        self.source.name = name
        self.sampling_rate = self.frame_rate_limit = RATE
        self.use = SimpleNamespace(model=open_model(TINY))
        path = SignalPath(Ring(4000, 1), design([], RATE, None))
        self.acquisition = Acquisition(self.source, path)
        self.broadcast = HandBroadcast()
        self.acquisition.start()
        self.next = 0

    def give(
        self, count: int = 10, gap: int = 0, restart: bool = False, aux: tuple[AuxChunk, ...] = ()
    ) -> None:
        """The next samples, each the number of its index."""
        index = self.next + gap
        samples = np.arange(index, index + count, dtype=np.float32)[:, np.newaxis]
        self.next = index + count
        self.source.give(Chunk(index=index, samples=samples, restart=restart, aux=aux))
        ends = time.monotonic() + 10
        while not self.source.waits and time.monotonic() < ends:  # the taps come after the ring
            time.sleep(0.001)

    def close(self) -> None:
        self.acquisition.close()


def recorder_in(root: Path) -> RecordingService:
    return RecordingService(root, lambda: "fake", mains_hz=50.0, wall=lambda: 1_760_000_000.0)
