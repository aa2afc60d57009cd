"""What EMG_RECORDING may name: recordings as they are, and any other file, imported."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk
from app.emg.files import importing, loading
from app.emg.files.imported import ImportedFile
from app.emg.files.loading import load_path
from app.emg.recording.export_npz import write_npz
from app.emg.simulated.playback import Playback
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError
from tests.emg.files.binary.made_files import found, samples
from tests.emg.written import ACCELEROMETER, BATTERY, RATE, aux, chunk, written


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> list[ImportedFile]:
    """What the importer finds in the next file."""
    waiting: list[ImportedFile] = []
    monkeypatch.setattr(importing, "import_files", lambda paths: (waiting.pop(0), tuple(paths)))
    return waiting


def test_any_file_is_played_with_its_labels_gaps_and_restarts(
    tmp_path: Path, imports: list[ImportedFile], caplog: pytest.LogCaptureFixture
) -> None:
    values = samples(30)
    values[25] = np.nan
    chunks = [
        Chunk(index=7, samples=values[:10], labels=np.array([0, 1] * 5, np.int16)),
        Chunk(index=17, samples=values[10:20], repetitions=np.full(10, 2, np.int16)),
        Chunk(index=40, samples=values[20:], labels=np.full(10, 9, np.int16), restart=True),
    ]
    imports.append(
        found(chunks, gesture_names=("rest", "fist"), subject="S4", found=("a gap",), assumed=("the rate",))
    )
    with caplog.at_level(logging.INFO):
        (held,) = load_path(tmp_path / "a.csv")
    assert (held.fs, held.units, held.subject, held.gesture_names) == (200.0, "uV", "S4", ("rest", "fist"))
    assert np.array_equal(held.emg, np.delete(values, 25, axis=0))
    assert held.label.tolist() == [0, 1] * 5 + [UNLABELLED] * 19
    assert held.repetition.tolist() == [0] * 10 + [2] * 10 + [0] * 9
    assert [(part.start, part.stop) for part in held.pieces] == [(0, 20), (20, 25), (25, 29)]
    assert not held.emg.flags.writeable
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "a.csv: assumed: the rate",
        "a.csv: found: a gap",
        "a.csv: found: 1 row holds values that are no numbers; it is a gap",
    ]
    played = Playback([held], speed=None, loop=False)
    read = [chunk for chunk in iter(played.read, None) if chunk is not None]
    assert sum(len(chunk.samples) for chunk in read) == 29
    assert sum(chunk.restart for chunk in read) == 3


def test_a_file_without_labels_is_played_too(tmp_path: Path, imports: list[ImportedFile]) -> None:
    imports.append(found([Chunk(index=0, samples=samples(5))]))
    (held,) = load_path(tmp_path / "a.csv")
    assert (held.gesture_names, held.subject) == (("rest",), "a")
    assert set(held.label.tolist()) == {UNLABELLED}


def test_what_is_no_recording_of_ours_is_imported_though_it_is_called_so(
    tmp_path: Path, imports: list[ImportedFile]
) -> None:
    np.savez(tmp_path / "other.npz", raw=samples(5))
    imports.append(found([Chunk(index=0, samples=samples(5))]))
    (held,) = load_path(tmp_path / "other.npz")
    assert len(held.emg) == 5


def test_what_can_neither_be_read_nor_imported_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", raw=samples(5), fs=[1, 2])
    with pytest.raises(DataError, match=r"other\.npz: has no key 'emg'"):
        load_path(tmp_path / "other.npz")
    with pytest.raises(DataError, match="no such file"):
        load_path(tmp_path / "nowhere.edf")


def test_a_file_that_is_too_large_to_be_played_is_refused(
    tmp_path: Path, imports: list[ImportedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MAX_BYTES", 100)
    imports.append(found([Chunk(index=0, samples=samples(50))]))
    with pytest.raises(DataError, match="more than is played"):
        load_path(tmp_path / "a.csv")


def beside(chunks: list[Chunk]) -> list[tuple[float, list[float]]]:
    return [(aux.at, aux.samples[:, 0].tolist()) for chunk in chunks for aux in chunk.aux]


def test_what_came_beside_the_emg_is_played_where_it_was(tmp_path: Path) -> None:
    """Our own export, with a gap: rows are played one after the other, and what lies beside them stays beside them."""
    step = RATE / ACCELEROMETER.sampling_rate
    first, second = aux(0, 98.5, 2), aux(0, 133.0, 1)
    entries = [replace(chunk(100, 20), aux=(first,)), replace(chunk(130, 20), aux=(second,))]
    written(tmp_path / "r", entries, aux=(ACCELEROMETER,))
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    source = Playback(load_path(tmp_path / "one.npz", labelled=False), speed=None, loop=False, chunk=8)
    assert source.aux_streams == (ACCELEROMETER,)
    played = list(iter(source.read, None))
    assert [at for at, _ in beside(played)] == pytest.approx([-1.5, -1.5 + step, 23.0])
    assert sum(len(values) for _, values in beside(played)) == 3
    values = np.concatenate([one.samples for chunk in played for one in chunk.aux])
    np.testing.assert_array_equal(values, np.concatenate([first.samples, second.samples]))


def test_what_comes_beside_the_emg_of_an_imported_file_is_played_too(
    tmp_path: Path, imports: list[ImportedFile]
) -> None:
    chunks = [
        Chunk(index=0, samples=samples(10), aux=(AuxChunk(stream=0, at=2.5, samples=np.ones((1, 1))),)),
        Chunk(index=15, samples=samples(10), aux=(AuxChunk(stream=0, at=17.0, samples=np.ones((1, 1))),)),
    ]
    imports.append(found(chunks, aux=(BATTERY,)))
    (tmp_path / "a.csv").touch()
    source = Playback(load_path(tmp_path / "a.csv"), speed=None, loop=False, chunk=5)
    assert source.aux_streams == (BATTERY,)
    assert [at for at, _ in beside(list(iter(source.read, None)))] == [2.5, 12.0]


def test_recordings_with_other_things_beside_them_are_played_without(tmp_path: Path) -> None:
    written(tmp_path / "r", [replace(chunk(0, 20), aux=(aux(0, 1.0, 1),))], aux=(ACCELEROMETER,))
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    (recording,) = load_path(tmp_path / "one.npz", labelled=False)
    source = Playback([recording, replace(recording, aux=())], speed=None, loop=False)
    assert source.aux_streams == ()
    assert beside(list(iter(source.read, None))) == []
