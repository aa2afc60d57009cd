"""Accuracy over time: its arithmetic, and its picture of a recording played by a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accuracy import Judged, figures, running
from accuracy_over_time import SignalTime
from app.config import ROOT
from tests.examples.test_robot_loop import frame
from tests.server.live import gunicorn

SCRIPT = str(ROOT / "examples" / "accuracy_over_time.py")


def judged(*said: tuple[str, str, str]) -> list[Judged]:
    return [Judged(at_s=k, truth=t, label=label, decision=d) for k, (t, label, d) in enumerate(said)]


def test_shares_are_of_all_frames_and_balanced_over_gestures() -> None:
    found = figures(
        judged(*[("rest", "rest", "rest")] * 8, ("fist", "fist", "rest"), ("fist", "rest", "rest"))
    )
    assert found["frames"] == 10
    assert (found["accuracy"], found["balanced_accuracy"]) == (0.9, 0.75)
    assert (found["decision_accuracy"], found["decision_balanced_accuracy"]) == (0.8, 0.5)
    assert found["recall"] == {"fist": 0.5, "rest": 1.0}


def test_a_stream_without_labels_has_no_accuracy() -> None:
    with pytest.raises(ValueError, match="does the server play a recording with labels"):
        figures([])


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans()), min_size=1, max_size=60), st.floats(0.5, 10))
def test_a_running_share_is_that_of_the_frames_in_its_window(
    steps: list[tuple[float, bool]], over_s: float
) -> None:
    times, at = [], 0.0
    for step, _ in steps:
        at += step
        times.append(at)
    right = [hit for _, hit in steps]
    for k, share in enumerate(running(times, right, over_s)):
        inside = [right[j] for j in range(k + 1) if times[j] > times[k] - over_s]
        assert share == pytest.approx(sum(inside) / len(inside))


def test_time_goes_on_through_a_restart_that_counts_samples_anew() -> None:
    time_of = SignalTime(200.0)
    said = [(1000, 50.0), (1100, 50.5), (20, 54.0), (120, 54.6)]  # sample index, clock
    assert [time_of(frame(sample_index=k, timestamp=at)) for k, at in said] == pytest.approx(
        [0, 0.5, 4.0, 4.5]
    )


@pytest.mark.server
@pytest.mark.data
def test_a_labelled_recording_becomes_figures_and_a_picture(tmp_path: Path, recordings: Path) -> None:
    pytest.importorskip("matplotlib")
    settings = {
        "EMG_MODE": "ninapro",
        "EMG_RECORDING": str(recordings / "S01.npz"),
        "EMG_MODEL": "myo-8ch-200hz",
    }
    picture = tmp_path / "accuracy.png"
    with gunicorn(tmp_path, **settings) as live:
        command = [
            sys.executable,
            SCRIPT,
            "--url",
            live.url,
            "--duration",
            "4",
            "--over",
            "1",
            "--png",
            str(picture),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 110 <= found["frames"] <= 120
    assert set(found["recall"]) <= {"rest", "flexion", "extension", "pronation", "supination", "fist"}
    assert 0 <= found["accuracy"] <= 1
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 10_000


def test_without_a_server_it_says_so_and_fails() -> None:
    command = [sys.executable, SCRIPT, "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: cannot reach http://127.0.0.1:9" in done.stderr
