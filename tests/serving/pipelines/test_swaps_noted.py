"""What recordings and outputs make of a change of the model under a running source."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np

from app.serving.streams.events import StreamOptions
from tests.serving.pipelines.test_model_swaps import CLASSES, A, B, Person, Stream, instance
from tests.serving.station import until

__all__ = ["instance"]  # a fixture


def arrays(person: Person, name: str, folder: Path) -> dict[str, np.ndarray]:
    file, _ = person.runtime.recorder.export(name, "npz")
    with file:
        (folder / "out.npz").write_bytes(file.read())
    with np.load(folder / "out.npz") as found:
        return {key: found[key] for key in found.files}


def test_a_recording_has_what_the_streams_had_by_name_and_says_whose_it_was(
    instance: Path,
    tmp_path: Path,
) -> None:
    person = Person(instance)
    try:
        person.push(20)
        started = person.runtime.recorder.start(person.pipeline, "one")
        stream = Stream(person, StreamOptions(fps=30.0, backend="pytorch"))
        person.push(10)
        changed = person.put(B)
        without = person.put(None)
        again = person.put(A)
        person.push(10)
        until(lambda: stream.frames[-1]["sample_index"] >= person.next - 7)
        state = person.runtime.recorder.stop("one")
        found = arrays(person, "one", tmp_path)
    finally:
        person.close()
    assert started.model is not None
    assert (started.model.name, state.model_changes) == (A, 3)
    assert found["models"].tolist() == [A, B]
    assert found["model_changes"].tolist() == [[changed, 1], [without, -1], [again, 0]]
    said = {frame["sample_index"]: frame["label"] for frame in stream.frames}
    names = found["model_classes"][found["prediction"]]
    recorded = dict(zip(found["prediction_sample_index"].tolist(), names.tolist(), strict=True))
    assert len(recorded) > 10
    shared = recorded.keys() & said.keys()
    assert len(shared) >= len(said) - 2
    assert {at: recorded[at] for at in shared} == {at: said[at] for at in shared}
    for at, model in zip(found["prediction_sample_index"], found["prediction_model"], strict=True):
        assert model == (1 if changed <= at < without else 0)
        assert not without <= at < again


def test_lines_are_of_the_model_that_was_said_last(instance: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        person = Person(instance, udp=receiver.getsockname())
        try:
            person.push(20)
            person.put(B)
            person.push(10)
            until(lambda: person.runtime.health.outputs()["udp"].state == "open")
        finally:
            person.close()
        lines = []
        while True:
            try:
                lines.append(receiver.recv(1000))
            except BlockingIOError:
                break
    change = [at for at, line in enumerate(lines) if b"{" in line]
    assert len(change) == 1
    said = json.loads(lines[change[0]].split(b" ", 2)[2])
    assert said == {"model": B, "classes": list(CLASSES[B])}
    assert all(int(line.split()[0]) < len(CLASSES[B]) for line in lines[change[0] :])
    assert len(lines) > change[0] + 3
    assert lines[-1] == b"0 0.00\n"
