"""A slow signal in a fast table, each value in as many rows: it comes at its own rate, and only where that is sure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.imported import ImportedFile
from app.emg.files.importing import import_files
from tests.emg.files.text.tables import emg, import_text, whole, write

ROWS, HELD = 4000, 20  # 50 Hz in 1000 Hz
SLOW = np.round(np.cumsum(np.random.default_rng(2).normal(0, 0.01, (ROWS // HELD + 1, 3)), axis=0), 3)
UNEVEN = np.repeat(np.resize(SLOW, (1000, 3)), np.resize([6, 7, 7, 7], 1000), axis=0)[:ROWS]
HEADER = "time,emg1,emg2,Acc X,Acc Y,Acc Z"


def table(path: Path, slow: Any, keep: Any = slice(None), header: str = HEADER) -> ImportedFile:
    columns = [np.arange(ROWS) / 1000, *emg(ROWS, 2).T, *slow.T]
    kept = [column[keep] for column in columns]
    return import_text(write(path, kept, header=header, decimals={0: 3, 3: 3, 4: 3, 5: 3}))


def stream(file: ImportedFile) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return places (in EMG samples) and values of the one stream beside the EMG."""
    step = file.sampling_rate / file.aux[0].sampling_rate
    pieces = whole(file).aux[0]
    at = np.concatenate([first + step * np.arange(len(values)) for first, values in pieces])
    return at, np.concatenate([values for _, values in pieces])


@pytest.mark.parametrize("phase", [0, 7])
def test_held_values_come_once_at_their_own_rate(tmp_path: Path, phase: int) -> None:
    """The repeats were kept: an accelerometer of 50 Hz was recorded at 1000 Hz."""
    held = np.repeat(SLOW, HELD, axis=0)[HELD - phase if phase else 0 :][:ROWS]
    file = table(tmp_path / "a.csv", held)
    [one] = file.aux
    assert (one.name, one.sampling_rate) == ("accelerometer", 50.0)
    assert any(
        "accelerometer stands in 20 rows: only those are taken, at 50 Hz" in line for line in file.found
    )
    at, values = stream(file)
    np.testing.assert_array_equal(at, np.arange(len(at)) * HELD + (phase - HELD if phase else 0))
    rebuilt = values[(np.searchsorted(at, np.arange(ROWS), side="right") - 1)]
    np.testing.assert_allclose(rebuilt, held, atol=1e-6)
    assert file.sampling_rate == 1000.0
    assert len(whole(file).samples) == ROWS


def test_a_value_that_comes_twice_is_two_values(tmp_path: Path) -> None:
    slow = SLOW.copy()
    slow[50:55] = slow[50]
    at, values = stream(table(tmp_path / "a.csv", np.repeat(slow, HELD, axis=0)[:ROWS]))
    assert len(values) == ROWS // HELD
    np.testing.assert_allclose(values[50:55], slow[50:55], atol=1e-6)
    np.testing.assert_array_equal(np.diff(at), HELD)


def test_gaps_are_gaps_of_both(tmp_path: Path) -> None:
    keep = np.setdiff1d(np.arange(ROWS), [*range(1013, 1201), 2005])
    held = np.repeat(SLOW, HELD, axis=0)[:ROWS]
    file = table(tmp_path / "a.csv", held, keep)
    assert file.aux[0].sampling_rate == 50.0
    at, values = stream(file)
    assert not np.isin(np.arange(1020, 1200, HELD), at).any()
    np.testing.assert_allclose(values, held[at.astype(int)], atol=1e-6)


@pytest.mark.parametrize(
    "slow",
    [
        np.round(np.sin(np.arange(ROWS) / 900), 2)[:, None] * np.ones(3),
        UNEVEN,
        np.repeat(SLOW, HELD, axis=0)[:ROWS] * (np.arange(ROWS) != 1234)[:, None],
        np.repeat(SLOW, 1000, axis=0)[:ROWS],
    ],
    ids=["a slow movement of few steps", "6 or 7 rows", "one row between", "too few changes"],
)
def test_what_is_not_sure_keeps_all_rows(tmp_path: Path, slow: Any) -> None:
    file = table(tmp_path / "a.csv", slow)
    assert file.aux[0].sampling_rate == 1000.0
    assert not any("stands in" in line for line in file.found)


def test_a_trigger_keeps_all_rows(tmp_path: Path) -> None:
    held = np.repeat(np.arange(ROWS // HELD) % 2, HELD)[:, None] * np.ones(3)
    file = table(tmp_path / "a.csv", held, header="time,emg1,emg2,Trigger 1,Trigger 2,Trigger 3")
    assert (file.aux[0].name, file.aux[0].sampling_rate) == ("trigger", 1000.0)


@pytest.mark.parametrize("as_folder", [True, False], ids=["a folder", "files"])
def test_files_that_become_one_have_one_rate(tmp_path: Path, as_folder: bool) -> None:
    """Of a file of 0.3 s it is not sure that values are held; the long one beside it keeps its rows as well."""
    held = np.repeat(SLOW, HELD, axis=0)[:ROWS]
    table(tmp_path / "anna_fist_1.csv", held)
    table(tmp_path / "anna_fist_2.csv", held, slice(300))
    files = [tmp_path / f"anna_fist_{k}.csv" for k in (1, 2)]
    file, _ = import_files([tmp_path] if as_folder else files)
    assert [one.sampling_rate for one in file.aux] == [1000.0]
    at, values = stream(file)
    np.testing.assert_array_equal(at, np.arange(ROWS + 300))
    np.testing.assert_allclose(values, np.concatenate((held, held[:300])), atol=1e-6)
