"""What a training of a server says of its model, held against what the person does later.

The server's own model is the shipped one as it would be, had the people of one fold never been there: the shipped
weights were taught with all 25, and what these five push would be known to it. Each has three lessons as the page
"Teach" gives them, one for each session, all at once on 15 sources; then each is taught a model from nothing, and one
with that model as its base. tests/learning/own/test_stated_accuracy.py has all 25 people, without a server.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.inference import artefact
from app.learning.datasets import content_hashes
from tests.conftest import RECORDINGS
from tests.lessons import COUNTDOWN_S, REST_S, accuracy_on, without_fold
from tests.prompted_person import PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

SHIPPED, FOLD, UNSEEN = "myo-8ch-200hz", "fold0", "unseen"
SESSIONS = (1, 2, 3)
GESTURES = ("flexion", "extension", "radial_deviation", "ulnar_deviation", "pronation", "supination", "fist")
HELD_S = 3.0
PLAN = {
    "gestures": list(GESTURES),
    "repetitions": 3,  # as the page has it, unless somebody says otherwise
    "seconds": HELD_S,
    "rest_seconds": REST_S,
    "countdown_seconds": COUNTDOWN_S,
}
LESSON_S = 240.0  # also of its training, which is niced, on a machine that does much else

# alone: 15 people do at once, three times as fast as in life, what a server that is behind would ask too late
pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.data,
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the shared recordings are absent"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("stated"))
    models = made / "instance" / "models"
    without_fold(artefact.load(models / SHIPPED), FOLD, models / UNSEEN)
    shutil.rmtree(models / SHIPPED)
    return made


@pytest.fixture(scope="module")
def live(root: Path) -> Iterator[Live]:
    settings = {"EMG_MAINS": "off", "EMG_SOURCE_IDLE": "600"}  # they push no more once their lessons are over
    with serving(root, EMG_MODE="push", EMG_MODEL=UNSEEN, **settings) as live:
        yield live


@pytest.fixture(scope="module")
def people(live: Live, root: Path) -> dict[str, PromptedPerson]:
    """Those of the fold, after their lessons."""
    shipped = artefact.load(Path(__file__).parents[2] / "instance" / "models" / SHIPPED).manifest.training
    seen = set(artefact.load(root / "instance" / "models" / UNSEEN).manifest.training["hashes"])
    held_out = set(shipped["runs"][FOLD]["held_out"])
    files = [
        one for one in sorted(RECORDINGS.glob("S??.npz")) if held_out & {*content_hashes(load(one)).values()}
    ]
    assert len(files) == 5
    assert not seen & held_out
    found = {
        f"{one.stem}-{session}": PromptedPerson(
            live.url, f"{one.stem}-{session}", one, session=session, speed=3
        )
        for one in files
        for session in SESSIONS
    }
    with ExitStack() as pushing:
        for name, person in found.items():
            pushing.enter_context(person)
            status, answer = asked(
                live, "POST", "/emg/recordings", {"name": name, "source": name, "plan": PLAN}
            )
            assert status == 201, answer
            person.follow(name)
        for name in found:
            until(lambda name=name: state_of(live, name) == "complete", LESSON_S, 0.5)
    return found


def state_of(live: Live, recording: str) -> str:
    status, state = asked(live, "GET", f"/emg/recordings/{recording}")
    assert (status, state["error"]) == (200, None), state
    return str(state["state"])


@pytest.mark.parametrize("base", [None, UNSEEN], ids=["from-nothing", "from-a-pooled-model"])
def test_what_is_said_of_a_model_is_what_it_gives_later(
    live: Live, root: Path, people: dict[str, PromptedPerson], base: str | None
) -> None:
    """Over people: one lesson is off by 0.03, and its interval says so."""
    said, given, held = [], [], []
    for name, person in people.items():
        model = f"{name}-{base or 'own'}"
        body = {"recordings": [name], "name": model, "base": base, "use": "no", "source": name}
        status, job = asked(live, "POST", "/trainings", body)
        assert status == 202, job
        until(lambda job=job: asked(live, "GET", f"/jobs/{job['id']}")[1]["state"] == "done", LESSON_S, 0.3)
        result = asked(live, "GET", f"/jobs/{job['id']}")[1]["result"]
        later = person.repertoire.left_over(GESTURES, HELD_S, REST_S)
        said.append(result["accuracy"])
        given.append(accuracy_on(artefact.load(root / "instance" / "models" / model), later))
        low, high = result["interval"]
        held.append(low <= given[-1] <= high)
    assert np.mean(said) == pytest.approx(np.mean(given), abs=0.03), (said, given)
    assert np.mean(held) > 0.8, (said, given)
