"""Who has no device learns how teaching goes with the simulator: its person does what the server asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.live import until
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

pytestmark = [pytest.mark.server, pytest.mark.slow]

PLAN = {"gestures": ["rest", "fist", "pinch"], "repetitions": 2, "seconds": 2, "rest_seconds": 2}
LESSON_S, LEARNING_S = 60, 60


def test_the_simulated_person_is_taught_gestures_of_any_name_through_any_worker(tmp_path: Path) -> None:
    """Its person went on as before, and a lesson ended with a model no better than guessing."""
    folder = project(tmp_path)
    with serving(folder, WEB_CONCURRENCY="2", EMG_MODEL="none", EMG_FS="1000", EMG_CH="8") as live:
        assert asked(live, "POST", "/emg/recordings", {"name": "one", "plan": PLAN})[0] == 201
        until(lambda: asked(live, "GET", "/emg/recordings/one")[1]["state"] == "complete", LESSON_S)
        steps = asked(live, "GET", "/emg/recordings/one")[1]["repetitions"]
        gestures = [step["verdict"] for step in steps if step["label"] != "rest"]
        assert gestures.count("good") >= len(gestures) - 1, steps  # one in thirty is questioned for nothing
        status, job = asked(live, "POST", "/trainings", {"recordings": ["one"], "name": "mine", "use": "yes"})
        assert status == 202, job
        path = f"/jobs/{job['id']}"
        until(lambda: asked(live, "GET", path)[1]["state"] in ("done", "failed"), LEARNING_S)
        job = asked(live, "GET", path)[1]
        assert job["error"] is None, job
        assert job["result"]["used"], job
        assert job["result"]["accuracy"] > 0.7
