"""The control loop: it moves by decisions, and stops for every kind of silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import ROOT
from myostream_client import (
    Completed,
    Event,
    Frame,
    Interrupted,
    ServerUnreachableError,
    SourceChange,
    Trouble,
)
from robot_loop import MOVES, STALE_S, STEP_S, Command, Hand, Pilot, run
from tests.fakes import FakeClock
from tests.server.live import Live

gestures = st.sampled_from([*MOVES, "rest", "pronation"])
STALLED = SourceChange(
    status="stalled", timestamp=0, decision=0, decision_label="rest", source_state="stalled"
)
commands = st.builds(Command, gestures, st.floats(0, 1), st.sampled_from(["", "", "", "no frame"]))


def frame(decision: str = "fist", intensity: float = 0.5, **more: Any) -> Frame:
    fields: dict[str, Any] = {
        "frame": 0,
        "timestamp": 0.0,
        "prediction": 1,
        "label": "fist",
        "confidence": 0.9,
    }
    fields |= {
        "probabilities": (0.1, 0.9),
        "decision": 1,
        "sample_index": 200,
        "age_ms": 1.0,
        "latency_ms": 0.1,
    }
    fields |= {"dropped": 0, "backend": "onnxruntime", "shape": (1, 7), "cpu_percent": 1.0}
    return Frame(decision_label=decision, intensity=intensity, **{**fields, **more})


def test_a_frame_is_a_command_until_it_is_stale(clock: FakeClock) -> None:
    def seen() -> Iterator[Event]:
        assert pilot.command() == Command("rest", 0.0, "no frame yet")
        yield frame("fist", 0.7)
        clock.advance(STALE_S)
        assert pilot.command() == Command("fist", 0.7)
        clock.advance(0.17)
        assert pilot.command() == Command("rest", 0.0, "no frame for 0.4 s")

    pilot = Pilot(seen(), clock)
    pilot.read()
    assert pilot.command() == Command("rest", 0.0, "the stream has ended")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (STALLED, "stalled"),
        (Interrupted(reason="the connection was cut", attempt=1, delay_s=0.5), "the connection was cut"),
        (Trouble(error="the engine is overloaded", timestamp=0), "overloaded"),
        (Completed(total_frames=1, duration_seconds=1, avg_fps=1), "completed"),
    ],
    ids=["stalled", "interrupted", "trouble", "completed"],
)
def test_everything_but_a_frame_is_a_stop_at_once(clock: FakeClock, event: Event, reason: str) -> None:
    pilot = Pilot([frame(), event], clock)
    pilot.read()
    command = pilot.command()
    assert command.stops
    assert reason in command.reason
    assert (command.gesture, command.intensity) == ("rest", 0.0)


def test_a_stream_that_fails_is_a_stop_and_kept_as_the_error(clock: FakeClock) -> None:
    def broken() -> Iterator[Event]:
        yield frame()
        raise ServerUnreachableError("gone for good")

    pilot = Pilot(broken(), clock)
    pilot.read()
    assert pilot.command().reason == "gone for good"
    assert isinstance(pilot.error, ServerUnreachableError)
    assert pilot.finished.is_set()


def test_a_reader_that_dies_of_anything_else_ends_the_loop(clock: FakeClock) -> None:
    def broken() -> Iterator[Event]:
        yield frame()
        raise RuntimeError("a bug")

    pilot = Pilot(broken(), clock)
    with pytest.raises(RuntimeError):
        pilot.read()
    assert pilot.command().stops
    assert pilot.finished.is_set()


@given(st.lists(commands))
def test_joints_stay_within_their_limits_and_a_stop_holds_them(said: list[Command]) -> None:
    hand = Hand()
    for command in said:
        after = hand.moved(command, STEP_S)
        assert 0 <= after.grip <= 1
        assert 0 <= after.wrist <= 1
        assert abs(after.grip - hand.grip) <= STEP_S + 1e-9
        assert abs(after.wrist - hand.wrist) <= STEP_S + 1e-9
        if command.stops or command.gesture not in MOVES:
            assert after == hand
        hand = after


def test_the_loop_ends_with_the_stream_and_shows_why(clock: FakeClock) -> None:
    pilot = Pilot([frame(), Completed(total_frames=1, duration_seconds=1, avg_fps=1)], clock)
    pilot.read()
    shown: list[Command] = []
    assert run(pilot, lambda _, command: shown.append(command)) == Hand()
    assert shown[-1].stops


@pytest.mark.server
def test_it_runs_against_a_server(server: Live) -> None:
    command = [
        sys.executable,
        str(ROOT / "examples" / "robot_loop.py"),
        "--url",
        server.url,
        "--seconds",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "STOP: no frame yet" in lines[0]
    assert any("STOP" not in line and line.startswith("grip [") for line in lines)
    assert "STOP: completed: 60 frames" in done.stdout or "STOP: completed: 59 frames" in done.stdout


def test_without_a_server_it_says_so_and_fails() -> None:
    command = [sys.executable, str(ROOT / "examples" / "robot_loop.py"), "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "error: cannot reach http://127.0.0.1:9" in done.stderr
