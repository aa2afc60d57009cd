"""The table is read anew when the file changes; a bad new one leaves the old one in use."""

from __future__ import annotations

import logging
from pathlib import Path
from unittest.mock import Mock

import pytest

from app.serving.outputs.actions.file import ActionFile, ActionsState
from app.serving.outputs.forms import FORMS


@pytest.fixture
def file(tmp_path: Path) -> ActionFile:
    return ActionFile(tmp_path / "actions.toml", FORMS)


def test_a_missing_file_is_an_empty_table_and_no_news(
    file: ActionFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert not file.look()
    assert file.state == ActionsState(0, None)
    assert caplog.records == []


def test_a_file_that_appears_changes_and_goes_is_followed(file: ActionFile) -> None:
    file.path.write_text('"fist.onset" = "osc /a"')
    assert file.look()
    assert file.state.rows == 1
    assert not file.look()

    file.path.write_text('"fist.onset" = ["osc /a", "osc /b"]')
    assert file.look()
    assert file.state.rows == 2

    file.path.unlink()
    assert file.look()
    assert file.state == ActionsState(0, None)


def test_a_bad_new_table_keeps_the_old_one_and_says_so_once(
    file: ActionFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.write_text('"fist.onset" = "osc /a"')
    file.look()
    table = file.table

    file.path.write_text('"fist.onset" = "osx /a"')
    assert not file.look()
    file.path.write_text('"fist.onset" = "osx /a" ')  # saved again with the same mistake
    assert not file.look()

    assert file.table is table
    assert file.state.rows == 1
    assert file.state.error is not None
    assert "'osx' is no way out" in file.state.error
    (said,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert said.startswith(file.state.error)
    assert "\n" not in said


def test_the_old_table_written_again_takes_the_error_back(file: ActionFile) -> None:
    for text in ('"fist.onset" = "osc /a"', "nonsense", '"fist.onset" = "osc /a"'):
        file.path.write_text(text)
        file.look()
    assert file.state == ActionsState(1, None)


def test_a_file_that_may_be_read_by_now_is_read(file: ActionFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.path.write_text('"fist.onset" = "osc /a"')
    file.path.chmod(0)
    with monkeypatch.context() as forbidden:  # root may read it all the same
        forbidden.setattr(Path, "read_bytes", Mock(side_effect=PermissionError(13, "Permission denied")))
        assert not file.look()
        assert not file.look()
    assert file.state == ActionsState(0, f"{file.path} cannot be read: Permission denied")
    file.path.chmod(0o644)
    assert file.look()
    assert file.state == ActionsState(1, None)


def test_a_folder_in_its_place_is_said(file: ActionFile) -> None:
    file.path.mkdir()
    assert not file.look()
    assert file.state.error is not None
    assert "cannot be read" in file.state.error


def test_a_file_put_in_its_place_by_a_rename_is_seen(file: ActionFile, tmp_path: Path) -> None:
    file.path.write_text('"fist.onset" = "osc /a"')
    file.look()
    new = tmp_path / "new"
    new.write_text('"fist.onset" = "osc /b"')  # as long as the one before
    new.replace(file.path)
    assert file.look()
