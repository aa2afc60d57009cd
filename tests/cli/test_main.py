"""`python -m app` is the commands of Myostream and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from app.config import ROOT


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *args]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


def test_its_help_begins_with_what_this_is_and_lists_our_commands_alone(clean_environment: None) -> None:
    """That of `flask --app wsgi` begins with a general utility script for Flask applications."""
    told = run("--help")
    assert told.returncode == 0, told.stderr
    usage, _, first, *_ = told.stdout.splitlines()
    assert usage.startswith("Usage: python -m app ")
    assert first.strip().startswith("Myostream:")
    assert "Flask" not in told.stdout
    listed = told.stdout.partition("Commands:")[2].split("\n")
    assert [line.split()[0] for line in listed if line.strip()] == [
        *("emg", "engine", "keys", "model", "openapi", "profile"),
    ]


def test_a_command_runs_and_a_wrong_setting_is_one_line(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("keys", "new", "lab", "--scopes", "read")
    assert (made.returncode, made.stdout.startswith("emg_")) == (0, True), made.stderr
    monkeypatch.setenv("EMG_MODE", "nothing")
    wrong = run("keys", "list")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: EMG_MODE")
    assert wrong.stderr.count("\n") == 1
