"""A worker with many pushed sources, their chunks late, doubled and in disorder. Prints the frames that readers got.

`python -m tests.serving.streams.many_pushed gevent|plain FOLDER`: a program of its own, as gevent patches all of it.
"""

from __future__ import annotations

import sys

if sys.argv[1:2] == ["gevent"]:  # it is imported by tests as well
    from gevent import monkey

    monkey.patch_all()

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.emg.pushed_source import PushSource
from app.inference.manifest import Manifest
from app.serving.build import build_runtime
from app.serving.engine.engine import INLINE_S
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.runtime import Runtime
from app.serving.sources.declared import Declared
from app.serving.streams.events import Frame, StreamOptions
from app.serving.streams.group_events import GroupEvent
from tests.inference.onnx.test_backend import with_graphs

SOURCES, SECONDS, CHUNK = 12, 4.0, 4
QUICK, SLOW = StreamOptions(fps=20, backend="onnxruntime"), StreamOptions(fps=25, backend="pytorch")


def signal(number: int, manifest: Manifest) -> np.ndarray:
    """What the person of that number does."""
    size = round(SECONDS * manifest.sampling_rate), manifest.channels
    return np.random.default_rng(number).normal(0, 20, size).astype(np.float32)


@dataclass
class Person:
    """A source, and what its two readers got: one of a model that is run in place, one of a model that waits."""

    pipeline: SourcePipeline
    number: int
    manifest: Manifest
    frames: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)  # of events

    def read(self, options: StreamOptions) -> None:
        reader = self.pipeline.broadcast.join(options)
        found = self.frames.setdefault(options.backend, [])

        def listener(event: GroupEvent, missed: int) -> bool:
            self.kinds.add(type(event.event).__name__)
            if isinstance(event.event, Frame):
                frame = event.event
                window = frame.window
                found.append(
                    {
                        "sample_index": frame.sample_index,
                        "probabilities": window.probabilities,
                        "intensity": window.intensity,
                        "missing": window.missing,
                        "missed": missed,
                    }
                )
            return True

        reader.listen(listener)

    def push(self) -> None:
        """Send all in real time: now and then a chunk twice, two in the wrong order, or one late."""
        source, samples = self.pipeline.source, signal(self.number, self.manifest)
        assert isinstance(source, PushSource)
        random = np.random.default_rng(100 + self.number)
        firsts = list(range(0, len(samples), CHUNK))
        for at in range(1, len(firsts) - 1, 10):
            firsts[at], firsts[at + 1] = firsts[at + 1], firsts[at]
        began = time.perf_counter()
        for sent, first in enumerate(firsts):
            time.sleep(max(0.0, began + sent * CHUNK / self.manifest.sampling_rate - time.perf_counter()))
            for _ in range(1 + (random.random() < 0.1)):
                source.push(first, samples[first : first + CHUNK])


def declared(runtime: Runtime, number: int, manifest: Manifest) -> Person:
    asked = Declared(
        name=f"arm{number}", channels=manifest.channels, sampling_rate=manifest.sampling_rate, units=None
    )
    return Person(runtime.source_models.pushed.declare(asked)[0], number, manifest)


def main(folder: Path) -> dict[str, Any]:
    model = with_graphs(folder, "tcn")
    runtime = build_runtime(
        Settings(
            model=str(model.path),
            emg_mode=EmgMode.PUSH,
            backends=("onnxruntime", "pytorch"),
            onnx_precision="fp32",  # as the other
            mains_hz=None,
            instance=folder,
            max_sources=SOURCES,
        ),
        sse.encode,
    )
    people = [declared(runtime, number, model.manifest) for number in range(SOURCES)]
    for person in people:
        person.read(QUICK)
    for person in people[:3]:
        person.read(SLOW)
    pushing = [threading.Thread(target=person.push) for person in people]
    for thread in pushing:
        thread.start()
    for thread in pushing:
        thread.join()
    time.sleep(0.1)
    found = {
        "people": [person.frames for person in people],
        "kinds": [sorted(person.kinds) for person in people],
        "lost": [person.pipeline.acquisition.look().lost_samples for person in people],
        "samples": [person.pipeline.acquisition.samples for person in people],
        "inline": [runtime.engine.inline_s(name) <= INLINE_S for name in ("onnxruntime", "pytorch")],
    }
    runtime.close()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[2]))))
