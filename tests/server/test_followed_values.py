"""Who has no device follows a cursor with the simulator: a lesson in a terminal ends with values under the stream."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.server.live import ROOT, Client
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECONDS = 45


def test_a_lesson_in_a_terminal_puts_a_model_of_values_under_the_stream(tmp_path: Path) -> None:
    """45 s of two values, followed by the simulator's person; then they go on, and the stream says how far."""
    folder = project(tmp_path)
    with serving(folder, EMG_MODEL="none", EMG_FS="1000", EMG_CH="8") as live:
        words = ["--server", f"http://127.0.0.1:{live.port}", "--name", "wrist", "--follow", "wrist,hand"]
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "flask",
                "--app",
                "wsgi",
                "emg",
                "learn",
                *words,
                "--seconds",
                str(SECONDS),
                "--json",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS + 60,
        )
        assert run.returncode == 0, run.stderr
        taught = json.loads(run.stdout)
        assert (taught["used"], taught["model"]) == (True, "wrist")
        figures = taught["metrics"]
        assert figures["r2"] > 0.6, figures
        assert figures["r2"] > figures["beside"]["linear"]["r2"] - 0.05
        status, _ = asked(live, "GET", f"/emg/recordings/{taught['recording']}")
        assert status == 200
        client = Client(live.port, fps=20, duration_seconds=3)
        frames = [event for event in client.events() if "values" in event]
        client.close()
        assert len(frames) >= 30
        outputs = np.array([[frame["output"][name] for name in ("wrist", "hand")] for frame in frames])
        assert np.abs(outputs).max() <= 1
        status, stats = asked(live, "GET", "/infer/stream/stats")
        assert stats["decision_delay_ms"] > 100 + 10  # half the window of 200 ms, and what makes it smooth
