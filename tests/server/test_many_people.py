"""Twenty people push at once, each with a model of their own: what each gets is what their model says offline."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from app.config import Settings
from app.emg.files.recordings import Recording
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.covariance.shared_stem import StemBackend
from app.learning.adaptation import Target
from app.learning.datasets import load_one
from app.learning.own.adapting import Choice, adapt
from app.learning.replays.replay import Replay, replay
from tests.conftest import RECORDINGS
from tests.server.live import LATE_S, Client, Live
from tests.server.own_project import project, serving
from tests.server.test_source_choice import Reading, asked, until

# alone: no window may be skipped, as a group does that is late
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.alone]

PEOPLE, SECONDS, FPS, CHUNK = 20, 8, 10.0, 10
PARENT = "myo-8ch-200hz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    model: Artefact
    recording: Recording  # of the session that the model has learned from


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not RECORDINGS.is_dir():
        pytest.skip(f"the shared recordings are not at {RECORDINGS}")
    return project(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def people(root: Path) -> list[Person]:
    models, found = root / "instance" / "models", []
    parent = artefact.load(models / PARENT)
    for file in sorted(RECORDINGS.glob("S*.npz"))[:PEOPLE]:
        recording, name = load_one(file), file.stem.lower()
        session = int(recording.session[0])
        target = Target(path=models / name)
        model = adapt(parent, recording, target, Choice(session=session), mains=50.0, even_if_worse=True)
        found.append(Person(name=name, model=model, recording=gestures_of(recording)))
    return found


def gestures_of(recording: Recording) -> Recording:
    """Some seconds from where the first gesture is made; at rest, with which all begin, people are alike."""
    first = int(np.argmax(recording.label != recording.gesture_names.index("rest")))
    rows = np.arange(first, first + round(SECONDS * recording.fs))
    assert np.ptp(recording.recording[rows]) == 0  # of one piece
    fields = ("emg", "label", "label_cue", "repetition", "session", "recording")
    return replace(recording, **{name: getattr(recording, name)[rows] for name in fields}, aux=())


@pytest.fixture(scope="module")
def live(root: Path, people: list[Person]) -> Iterator[Live]:
    with serving(root, EMG_MODE="push", EMG_MODEL=PARENT) as live:
        yield live
        assert "Traceback" not in live.log, live.log


def push(live: Live, person: Person, begins: float) -> None:
    """Push all that there is, in real time."""
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    rows = person.recording.emg.astype("<f4")
    for first in range(0, len(rows), CHUNK):
        time.sleep(max(0.0, begins + first / person.recording.fs - time.monotonic()))
        path = f"/emg/sources/{person.name}/samples?first_sample={first}"
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("POST", path, rows[first : first + CHUNK].tobytes(), headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:0]) == (200, b"")
    connection.close()


def offline(person: Person) -> Replay:
    backend = StemBackend.open(person.model)
    try:
        return replay(person.recording, person.model.manifest, backend, fps=FPS, mains=Settings().mains_hz)
    finally:
        backend.close()


def test_each_of_twenty_people_gets_what_their_own_model_says_offline(
    live: Live, people: list[Person]
) -> None:
    for person in people:
        declared = {
            "channels": person.recording.channels,
            "sampling_rate_hz": person.recording.fs,
            "model": person.name,
        }
        status, source = asked(live, "POST", f"/emg/sources/{person.name}", declared)
        assert (status, source.get("model")) == (201, person.name), source
    readings = [Reading(Client(live.port, source=person.name, fps=FPS)) for person in people]
    until(lambda: live.stats()["active_streams"] == PEOPLE)
    begins = time.monotonic() + 0.5
    pushers = [threading.Thread(target=push, args=(live, person, begins)) for person in people]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join(LATE_S)
    hop = round(people[0].recording.fs / FPS)
    until(lambda: all(r.frames and r.frames[-1]["sample_index"] > SECONDS * 200 - hop for r in readings))
    heads = set()
    for person, reading in zip(people, readings, strict=True):
        reading.client.close()
        expected = offline(person)
        seen = {frame["sample_index"]: frame for frame in reading.frames}
        assert list(seen) == list(expected.end)
        for at, end in enumerate(expected.end.tolist()):
            frame, probabilities = seen[end], expected.probabilities
            assert probabilities is not None
            assert frame["probabilities"] == pytest.approx(probabilities[at].tolist(), abs=2e-3)
            assert (
                frame["prediction"] == expected.prediction[at]
                or np.ptp(np.sort(probabilities[at])[-2:]) < 2e-3
            )
        heads.add(json.dumps([frame["probabilities"] for frame in reading.frames]))
    assert len(heads) == PEOPLE
