"""The process that imports: it takes jobs one after the other, ends for want of work, and is begun again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.emg.recording import import_job
from app.errors import NotReadyError
from app.serving.recordings import import_helper
from app.serving.recordings.import_helper import ImportHelper


@pytest.fixture
def helper() -> Iterator[ImportHelper]:
    helper = ImportHelper()
    yield helper
    helper.close()


def job(folder: Path, **changes: Any) -> tuple[Path, Path]:
    """Return a job that names no file, and where what came of it will be."""
    said, result = folder / "job.json", folder / "result.json"
    result.unlink(missing_ok=True)
    hints = dict.fromkeys(("emg", "label", "time", "rest", "gesture_names", "rate_hz", "units", "board"))
    values = {"paths": [], "hints": hints, "subject": None, "memory": 3 * 2**30, "seconds": 60}
    said.write_text(json.dumps({**values, **changes}))
    return said, result


def process_of(helper: ImportHelper) -> psutil.Process:
    assert helper._process is not None
    return psutil.Process(helper._process.pid)


def test_jobs_are_done_by_one_process_that_forks_for_each(tmp_path: Path, helper: ImportHelper) -> None:
    pids = []
    for _ in range(3):
        said, result = job(tmp_path)
        helper.do(said, result)
        assert import_job.result_in(result, {}) == {"kind": "data", "error": "there is no file to import"}
        pids.append(process_of(helper).pid)
    assert len(set(pids)) == 1
    assert process_of(helper).children() == []


def test_one_that_has_ended_is_begun_again(tmp_path: Path, helper: ImportHelper) -> None:
    helper.do(*job(tmp_path))
    process = process_of(helper)
    process.kill()
    said, result = job(tmp_path)
    helper.do(said, result)
    assert result.exists()
    assert process_of(helper).pid != process.pid


def test_a_job_whose_process_dies_without_a_word_is_not_done_again(
    tmp_path: Path, helper: ImportHelper
) -> None:
    """Its file is gone, so nobody takes it twice; the next is none the worse."""
    said, result = job(tmp_path)[0], tmp_path / "no such folder" / "result.json"
    helper.do(said, result)
    assert not said.exists()
    assert not result.exists()
    said, result = job(tmp_path)
    helper.do(said, result)
    assert result.exists()


def test_a_process_that_never_begins_is_said(
    tmp_path: Path, helper: ImportHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_helper.import_job, "PROCESS", "app.no_such_module")
    with pytest.raises(NotReadyError, match="does not begin"):
        helper.do(*job(tmp_path))
