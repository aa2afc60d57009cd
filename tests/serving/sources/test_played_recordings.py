"""EMG_RECORDING names files, folders, and what was recorded or imported here."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import DataError
from app.serving.sources.played_recordings import played_recordings
from tests.emg.recording_makers import write_npz
from tests.serving.jobs.taught import record


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    made = tmp_path / "instance"
    record(made, "anna-1", tmp_path)
    return made


def test_an_imported_recording_is_played_by_its_name(instance: Path) -> None:
    """`emg import` said where it lay, and neither its name nor its folder could be played."""
    (recording,) = played_recordings(Path("anna-1"), instance / "recordings")
    assert (recording.name, recording.fs, recording.emg.shape[1]) == ("anna-1", 200.0, 4)
    assert tuple(recording.gesture_names) == ("rest", "fist", "open", "point")


def test_its_folder_is_the_same_wherever_that_lies(instance: Path, tmp_path: Path) -> None:
    by_name = played_recordings(Path("anna-1"), instance / "recordings")[0]
    by_folder = played_recordings(instance / "recordings" / "anna-1", tmp_path / "elsewhere")[0]
    assert by_folder.name == by_name.name
    assert (by_folder.emg == by_name.emg).all()


def test_a_file_goes_before_a_recording_of_its_name(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record(instance, "S01.npz", tmp_path)
    file = write_npz(Path("S01.npz"), channels=6)
    assert played_recordings(file, instance / "recordings")[0].emg.shape[1] == 6


def test_what_is_not_there_says_where_it_was_looked_for(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as refused:
        played_recordings(Path("ana-1"), instance / "recordings")
    said = str(refused.value)
    assert said.startswith("EMG_RECORDING=ana-1: ")
    assert str(tmp_path) in said
    assert said.endswith("which has anna-1")
