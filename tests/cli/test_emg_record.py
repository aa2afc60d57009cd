"""`flask emg record`: a person follows prompts, and the labels lie where the signal says."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

from app import cli
from app.config import EmgMode, Settings
from app.emg.files.loading import load_path
from app.emg.files.recordings import load
from app.emg.recording import folder as recording_folder
from app.emg.recording.prompts import trajectory
from app.emg.recording.writer import recover
from app.emg.simulated_person import SimulatedPerson
from app.emg.source import UNLABELLED
from tests.inference.artefacts import make_artefact
from tests.server.live import LATE_S
from tests.server.own_project import project

Run = Callable[..., Result]

QUICK = json.dumps(
    {
        "gestures": ["rest", "fist"],
        "repetitions": 2,
        "seconds": 0.2,
        "rest_seconds": 0,
        "countdown_seconds": 0.1,
    }
)


@pytest.fixture
def chosen(tmp_path: Path) -> dict[str, Any]:
    """What the environment says: the simulator, for a tiny model."""
    make_artefact(tmp_path / "instance" / "models" / "tiny", classes=("rest", "fist", "point"))
    return {"model": "tiny", "instance": tmp_path / "instance", "mains_hz": None}


@pytest.fixture
def run(chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls: cls(**chosen)))
    app = Flask("commands")
    cli.register(app)

    def invoke(*words: object) -> Result:
        return app.test_cli_runner().invoke(args=["emg", "record", *map(str, words)])

    return invoke


def test_the_recording_is_labelled_by_its_plan(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "r.npz"
    result = run("--label-plan", QUICK, "--out", out, "--subject", "S01", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["complete"], report["labelled_seconds"]) == (True, {"rest": 0.4, "fist": 0.4})
    found = load(out)
    assert (found.subject, found.fs, found.gesture_names) == ("S01", 200.0, ("rest", "fist"))
    assert len(found.emg) == report["samples"] >= 180
    expected = np.repeat([UNLABELLED, 0, 1, 0, 1], [20, 40, 40, 40, 40])
    assert found.label[:180].tolist() == expected.tolist()
    assert found.repetition[:180].tolist() == np.repeat([0, 1, 2], [20, 80, 80]).tolist()


def test_every_step_is_prompted_on_stderr(run: Run, tmp_path: Path) -> None:
    result = run("--label-plan", QUICK, "--out", tmp_path / "r.npz")
    steps = [line.split(":")[0] for line in result.stderr.splitlines()]
    assert steps == ["0/4 get ready", "1/4 REST", "2/4 FIST", "3/4 REST", "4/4 FIST"]
    assert re.fullmatch(r"wrote .*r\.npz: \d\.\d s: rest 0\.4 s, fist 0\.4 s\n", result.stdout)


def test_a_repetition_that_did_not_go_well_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator's person keeps still where they are asked for a fist the second time."""
    ask = SimulatedPerson.ask
    asked: list[str | None] = []

    def ask_otherwise(person: SimulatedPerson, gesture: str | None, seconds: float) -> None:
        asked.append(gesture)
        fists = asked.count("fist")
        ask(person, None if gesture == "fist" and fists > 1 else gesture, seconds)

    monkeypatch.setattr(SimulatedPerson, "ask", ask_otherwise)
    plan = {"gestures": ["rest", "fist"], "repetitions": 2, "seconds": 1.5, "rest_seconds": 0.5}
    result = run("--label-plan", json.dumps({**plan, "countdown_seconds": 2}), "--out", tmp_path / "r.npz")
    assert result.exit_code == 0, result.output
    said = [line for line in result.stderr.splitlines() if line.startswith("  ")]
    assert said == [
        "  fist 2: nothing was done. That was as quiet as rest: do fist again, as long as it is asked."
    ]


def test_what_was_exported_is_not_kept_twice(run: Run, tmp_path: Path) -> None:
    run("--label-plan", QUICK, "--out", tmp_path / "r.npz")
    assert recording_folder.names(tmp_path / "instance" / "recordings") == []


def test_a_gesture_that_the_model_lacks_is_noted(run: Run, tmp_path: Path) -> None:
    result = run(
        "--label-plan",
        '{"gestures": ["wave"], "repetitions": 1, "seconds": 0.1, "countdown_seconds": 0}',
        "--out",
        tmp_path / "r.npz",
    )
    assert result.exit_code == 0
    assert "tiny does not know wave" in result.stderr


def test_a_recording_is_written_in_the_format_that_is_told(run: Run, tmp_path: Path) -> None:
    out, plan = tmp_path / "r.xdf", '{"gestures": ["手を握る"], "seconds": 0.1, "countdown_seconds": 0}'
    result = run("--label-plan", plan, "--out", out, "--format", "xdf", "--json")
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"XDF:")
    assert json.loads(result.stdout)["labelled_seconds"]["手を握る"] == pytest.approx(0.3)


def test_a_recording_is_replaced_when_told(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "r.npz"
    out.write_bytes(b"older")
    plan = '{"gestures": ["fist"], "repetitions": 1, "seconds": 0.1, "countdown_seconds": 0}'

    assert run("--label-plan", plan, "--out", out, "--force").exit_code == 0
    assert load(out).gesture_names == ("fist",)


def failed(result: Result, reason: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert reason in result.stderr


def test_a_wrong_call_is_refused_before_anything_is_opened(run: Run, tmp_path: Path) -> None:
    there = tmp_path / "there.npz"
    there.write_bytes(b"")
    failed(
        run("--label-plan", "fist", "--out", tmp_path / "r.npz"), "no file fist, and a plan written out is"
    )
    failed(run("--label-plan", "fist:x", "--out", tmp_path / "r.npz"), "'fist:x' is not `gesture:seconds`")
    failed(run("--label-plan", QUICK, "--out", there), "exists; choose another name")
    failed(run("--label-plan", QUICK, "--out", tmp_path / "r.mat"), "must end in .npz")
    failed(run("--label-plan", QUICK, "--out", tmp_path / "no" / "r.npz"), "is not a folder")
    failed(
        run("--label-plan", QUICK, "--out", tmp_path / "r.npz", "--subject", "Eva B."),
        "letters (a-z, A-Z) and digits",
    )
    assert not (tmp_path / "instance" / "recordings").exists()


def test_in_push_mode_the_server_records(run: Run, chosen: dict[str, Any], tmp_path: Path) -> None:
    chosen["emg_mode"] = EmgMode.PUSH
    failed(run("--label-plan", QUICK, "--out", tmp_path / "r.npz"), "POST /emg/recordings")


def test_a_source_that_cannot_be_opened_says_why(
    run: Run, chosen: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.emg_record.PATIENCE_S", 0.3)
    chosen |= {"emg_mode": EmgMode.REALTIME, "port": "/dev/ttyNOTHING7"}
    failed(
        run("--label-plan", QUICK, "--out", tmp_path / "r.npz"),
        "there is no port /dev/ttyNOTHING7; this machine",
    )
    assert recording_folder.names(tmp_path / "instance" / "recordings") == []


def test_an_end_of_the_source_before_that_of_the_plan_is_said(
    run: Run, chosen: dict[str, Any], tmp_path: Path
) -> None:
    from tests.emg.recording_makers import write_npz

    source = write_npz(tmp_path / "S01.npz", gesture_names=np.array(["rest", "fist", "point"]))
    chosen |= {"emg_mode": EmgMode.NINAPRO, "recording": source, "loop": False}
    result = run("--label-plan", "fist:3", "--out", tmp_path / "r.npz", "--json")
    report = json.loads(result.stdout)
    assert (report["complete"], report["samples"]) == (False, 100)
    assert report["labelled_seconds"] == {"fist": 0.0}  # the countdown was not over


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    folder = project(tmp_path)
    return ["env", "-C", str(folder), sys.executable, "-m", "flask", "--app", "wsgi", "emg", "record"]


def until_prompted(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"1/"):
            return
    raise AssertionError("nothing was prompted")


@pytest.mark.server
def test_ctrl_c_ends_early_and_keeps_what_there_is(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "r.npz"
    words = ["--label-plan", "rest:30", "--out", str(out), "--json"]
    process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_prompted(process)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=LATE_S)
    report = json.loads(stdout)
    assert process.returncode == 0
    assert report["complete"] is False
    assert report["samples"] == len(load(out).emg) > 2.5 * 2000  # the countdown is in it


@pytest.mark.server
def test_a_command_that_is_killed_leaves_its_recording_to_be_found(
    command: list[str], tmp_path: Path
) -> None:
    words = ["--label-plan", "rest:30", "--out", str(tmp_path / "r.npz")]
    process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_prompted(process)
    process.kill()
    process.communicate()
    root = tmp_path / "project" / "instance" / "recordings"
    (name,) = recording_folder.names(root)
    ending = recover(root, name)
    assert ending is not None
    assert ending.recovered
    assert ending.samples > 2 * 2000


@pytest.mark.server
def test_in_a_terminal_the_prompt_counts_down_in_a_bar(command: list[str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    words = ["--label-plan", QUICK, "--out", str(tmp_path / "r.npz")]
    process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    process.communicate(timeout=LATE_S)
    assert process.returncode == 0
    text = seen.decode()
    assert re.search(r"0/4 get ready: rest \|.*\| 0\.\d s, then rest", text)
    assert re.search(r"1/4 REST .*\| 0\.\d s, then fist", text)
    assert re.search(r"4/4 FIST .*\| 0\.\d s, the last", text)


def test_a_followed_cursor_lies_beside_the_signal_and_the_simulators_person_follows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trajectory, "SHORTEST_S", 1.0)
    out = tmp_path / "r.npz"
    result = run("--follow", "wrist,hand", "--one-way", "hand", "--seconds", 6, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["complete"] is True
    assert "follow: wrist" in result.stderr
    [found] = load_path(out, labelled=False)
    [beside] = found.aux
    assert (beside.stream.name, beside.stream.channel_names) == ("trajectory", ("wrist", "hand"))
    assert len(beside.samples) == 300
    plan = trajectory.Trajectory(("wrist", "hand"), 6.0, 0, frozenset({"hand"}))
    np.testing.assert_allclose(beside.samples, plan.at(np.arange(300) / 50), atol=1e-6)
    level = np.abs(beside.samples).max(axis=1)
    power = np.square(found.emg[:1200]).mean(axis=1).reshape(300, 4).mean(axis=1)
    late = [np.corrcoef(level[: 300 - lag], np.sqrt(power[lag:]))[0, 1] for lag in range(0, 50, 5)]
    assert max(late) > 0.6


@pytest.mark.parametrize(
    ("words", "says", "status"),
    [
        ((), "--label-plan for gestures, or --follow for values", 2),
        (
            ("--label-plan", QUICK, "--follow", "wrist"),
            "--label-plan for gestures, or --follow for values",
            2,
        ),
        (("--follow", "wrist", "--one-way", "hand"), "--one-way hand: is none of those of --follow", 1),
        (("--follow", "wrist", "--seconds", "3"), "a trajectory lasts 20 to 1800 s, got 3", 1),
    ],
)
def test_what_cannot_be_followed_is_said(
    run: Run, tmp_path: Path, words: tuple[str, ...], says: str, status: int
) -> None:
    result = run(*words, "--out", tmp_path / "r.npz")
    assert result.exit_code == status
    assert says in result.stderr
    assert not (tmp_path / "r.npz").exists()
