from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from app import private_files
from app.errors import NotReadyError
from app.serving.counters.shared_swap import Chosen, Pick
from app.serving.models import state_file
from app.serving.models.state_file import MOST_BEFORE, StateFile


def of(model: str | None = "tiny", profile: str | None = None, *before: Pick) -> Chosen:
    return Chosen(pick=Pick(model, profile), sha256=None if model is None else "0" * 64, before=before)


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "instance")


def test_what_was_saved_is_loaded_and_is_for_this_user_alone(file: StateFile) -> None:
    said = {
        "arm": of("tiny", "anna", Pick("a"), Pick(None), Pick("b", "bea")),
        "leg of Jörg 😀": of(None),
    }
    assert file.load() == {}
    file.save({"arm": of()})
    file.save(said)
    assert file.load() == said
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.path.parent.iterdir()] == ["state.json"]


def test_of_many_sources_those_go_that_were_longest_not_changed(
    file: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "MOST_SOURCES", 3)
    file.save({f"s{at}": of() for at in (3, 1, 5, 2, 4)})
    assert list(file.load()) == ["s5", "s2", "s4"]


def test_as_many_as_may_be_are_read_again(file: StateFile) -> None:
    names = [f"{at:04}{'😀' * 196}" for at in range(state_file.MOST_SOURCES)]  # 12 bytes each
    full = {name: of("m" * 64, "p" * 64, *[Pick("m" * 64, "p" * 64)] * MOST_BEFORE) for name in names}
    file.save(full)
    assert file.load() == full


SOUND = {
    "source": "arm",
    "pick": ["tiny", None],
    "sha256": "0" * 64,
    "before": [],
}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"schema": 1, "sources": [', "Expecting value"),
        (b"[]", "it is no JSON object"),
        (b'{"schema": 2, "sources": []}', "schema must be a whole number from 1 to 1"),
        (b'{"schema": 1, "sources": {}}', "sources must be a list"),
        (b'{"schema": 1, "sources": [3]}', "sources must be a list of objects"),
        (b"\xff\xfe\x00", "can't decode"),
        (b"[" * 100_000, "nested too deeply"),
        *(
            (json.dumps({"schema": 1, "sources": [{**SOUND, **bad}]}).encode(), why)
            for bad, why in (
                ({"source": 3}, "source must be a text"),
                ({"source": ""}, "a source's name"),
                ({"pick": None}, "a choice must be the names"),
                ({"pick": ["tiny"]}, "a choice must be the names"),
                ({"pick": ["../x", None]}, "no name of a model"),
                ({"pick": [3, None]}, "no name of a model"),
                ({"sha256": "G" * 64}, "no sha256"),
                ({"before": [["tiny", None]] * 33}, "at most 32 models"),
                ({"pick": ["tiny", "../x"]}, "no name of a profile"),
            )
        ),
    ],
)
def test_a_damaged_file_is_kept_aside_and_said_once(
    file: StateFile, content: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    private_files.write(file.path, content)
    with caplog.at_level(logging.WARNING):
        assert file.load() == {}
        assert file.load() == {}
    (record,) = caplog.records
    said = record.getMessage()
    assert why in said
    assert "is kept as state.json.damaged" in said
    assert "\n" not in said
    assert (file.path.parent / "state.json.damaged").read_bytes() == content
    file.save({"arm": of()})
    assert file.load() == {"arm": of()}


def test_a_link_is_not_followed_and_stops_nothing(
    file: StateFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.parent.mkdir()
    file.path.symlink_to(tmp_path / "elsewhere")
    assert file.load() == {}
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("broken", ["fsync", "open"])
def test_a_disk_that_does_not_take_it_leaves_what_was_saved(
    file: StateFile, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.save({"arm": of()})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        if broken == "fsync":
            patched.setattr(os, "fsync", full)
        else:
            patched.setattr(private_files, "opener", full)
        with pytest.raises(NotReadyError, match=r"^state\.json cannot be written: No space left on device$"):
            file.save({"leg": of()})
    assert file.load() == {"arm": of()}
    assert [one.name for one in file.path.parent.iterdir()] == ["state.json"]


def test_what_a_writer_that_was_killed_has_left_stops_no_other(file: StateFile) -> None:
    private_files.write(file.path.with_name(".state.json.new"), b"half")
    file.save({"arm": of()})
    assert file.load() == {"arm": of()}
    assert [one.name for one in file.path.parent.iterdir()] == ["state.json"]
