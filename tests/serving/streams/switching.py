"""A worker whose source is changed twice while streams, a recording and an output read it. Prints what they got.

`python -m tests.serving.streams.switching gevent|plain FOLDER`: a program of its own, as gevent patches all of it.
"""

from __future__ import annotations

import sys

if sys.argv[1:2] == ["gevent"]:  # it is imported by tests as well
    from gevent import monkey

    monkey.patch_all()

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.api.sse import events as sse
from app.config import Settings
from app.emg.recording.contents import opened
from app.emg.recording.log_format import RecordedPrediction
from app.serving.build import build_runtime
from app.serving.pipelines.stream_opener import Client
from app.serving.recordings.service import RecordingService
from app.serving.runtime import Runtime
from app.serving.streams.client_stream import ClientEvent, Stream, StreamCursor
from app.serving.streams.events import Completed, StreamOptions
from tests.inference.artefacts import make_artefact

OPTIONS = StreamOptions(fps=20, backend="pytorch")
NO_MODEL = {"EMG_MODE": "dummy", "EMG_MODEL": "none", "EMG_CH": "2", "EMG_FS": "1000"}
SAME_KIND = {"EMG_MODE": "dummy", "EMG_CH": "4"}  # which the model reads as well
TIMED_S = 3.0


def event_of(sent: ClientEvent) -> dict[str, Any]:
    """What a client makes of it, and its window."""
    data = sse.frame(sent).decode().split("data: ", 1)[1]
    return {**json.loads(data), "k": sent.k}


class Direct:
    """Stands where a socket does that takes all."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.events = events

    def send(self, sent: ClientEvent) -> bool:
        self.events.append(event_of(sent))
        return True


class Reading:
    """A stream, and all its events."""

    def __init__(
        self, runtime: Runtime, duration_s: float | None = None, direct: bool = False, **more: Any
    ) -> None:
        self.events: list[dict[str, Any]] = []
        writer = Direct(self.events) if direct else None
        pipeline = runtime.pipelines.named()
        self.stream, self.close = runtime.streams.open(
            pipeline, OPTIONS, duration_s, Client(writer=writer, **more)
        )
        self.left = False
        self.thread = threading.Thread(target=self._read, args=(self.stream,), daemon=True)
        self.thread.start()

    def _read(self, stream: Stream) -> None:
        for item in stream:
            if self.left:
                return
            if isinstance(item, Completed):
                self.events.append(dict(item.fields))
            elif item is not None:
                self.events.append(event_of(item))

    def leave(self) -> StreamCursor:
        """Cut the connection; where it was."""
        self.left = True
        self.close()
        self.thread.join(5)
        return self.stream.place

    @property
    def frames(self) -> int:
        return sum("sample_index" in event for event in self.events)


def until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)


def more_frames(reading: Reading, count: int = 10) -> None:
    wanted = reading.frames + count
    until(lambda: reading.frames >= wanted)


def held(recorder: RecordingService, name: str) -> dict[str, Any]:
    """How a recording ended, the index after its last sample, and the places of its predictions."""
    with opened(recorder.root, name) as contents:
        places = [
            entry.sample_index for entry in contents._entries() if isinstance(entry, RecordedPrediction)
        ]
        ends = max(chunk.index + len(chunk.samples) for chunk in contents.chunks())
    state = recorder.state(name)
    return {"state": state.state, "samples": state.samples, "ends": ends, "predictions": places}


def lines_of(receiver: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiver.recv(100).decode().strip())
        except BlockingIOError:
            return found


def main(folder: Path) -> dict[str, Any]:
    model = folder / "tiny"
    make_artefact(model, channels=4, length=20, rate=200)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    runtime = build_runtime(
        Settings(
            model=str(model),
            backends=("pytorch",),
            mains_hz=None,
            instance=folder,
            udp=receiver.getsockname(),
        ),
        sse.encode,
    )
    own = runtime.own
    assert own is not None
    until(lambda: not runtime.health.not_ready())
    long, timed = Reading(runtime), Reading(runtime, TIMED_S)
    direct, cut = Reading(runtime, direct=True), Reading(runtime)
    recorder = runtime.recorder
    recorder.start(runtime.pipelines.named(), name="old")
    more_frames(long)
    place = cut.leave()
    lines_of(receiver)
    own.switch(NO_MODEL)
    resumed = Reading(runtime, place=place)
    until(lambda: recorder.state("old").over)
    more_frames(long, 20)  # a second: the outputs say rest
    said_without_model = lines_of(receiver)
    described = runtime.pipelines.named()
    without = {
        "name": described.name,
        "channels": described.source.channels,
        "model": described.manifest is not None,
    }
    own.switch({})
    more_frames(long)
    until(lambda: not timed.thread.is_alive())
    until(lambda: lines_of(receiver))
    recorder.start(described, name="next")
    more_frames(long)
    own.switch(SAME_KIND)
    until(lambda: recorder.state("next").over)
    more_frames(long)
    found = {
        "long": long.events,
        "timed": timed.events,
        "direct": direct.events,
        "resumed": resumed.events,
        "left_at": {"k": place.k, "frames": place.frames},
        "recordings": {name: held(recorder, name) for name in ("old", "next")},
        "outputs": said_without_model,
        "without": without,
        "ready": runtime.health.not_ready(),
        "groups": {
            str(options.backend): group.readers for options, group in described.broadcast.running.items()
        },
    }
    for reading in (long, direct, resumed):
        reading.leave()
    runtime.close()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[2]))))
