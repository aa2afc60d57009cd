"""A reload is tried in a process of its own, which must not outlive its time."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from app.serving import reload_check
from tests.serving.station import until


def test_a_check_that_hangs_is_said_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was left running for ever, with all that it had opened."""
    number = tmp_path / "pid"
    hangs = tmp_path / "hangs"
    hangs.write_text(f"#!/bin/sh\necho $$ > {number}\nexec sleep 60\n")
    hangs.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hangs))
    monkeypatch.setattr(reload_check, "CHECK_S", 1.0)
    assert reload_check.whats_wrong(1, []) == "the check gave no answer within 1 s"
    assert not psutil.pid_exists(int(number.read_text()))


def test_the_last_line_of_a_check_is_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaks = tmp_path / "speaks"
    speaks.write_text("#!/bin/sh\necho a warning\necho EMG_MODEL is no model\n")
    speaks.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(speaks))
    assert reload_check.whats_wrong(1, []) == "EMG_MODEL is no model"


def test_a_check_that_nobody_waits_for_any_more_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = tmp_path / "pid"
    hangs = tmp_path / "hangs"
    hangs.write_text(f"#!/bin/sh\necho $$ > {number}\nexec sleep 60\n")
    hangs.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hangs))
    assert reload_check.whats_wrong(1, [], number.exists) == "it was given up"
    until(number.read_text)
    assert not psutil.pid_exists(int(number.read_text()))
