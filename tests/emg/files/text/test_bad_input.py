"""What is no recording is refused in one line that says what is wrong and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.imported import FileHead, ImportHints
from app.emg.files.text import csv_text, delsys, libemg, openbci, opensignals
from app.errors import DataError
from tests.emg.files.text.tables import emg, import_text, whole, write

RNG = np.random.default_rng(0)
TABLE = "\n".join(",".join(f"{v:.2f}" for v in row) for row in emg(300, 3)) + "\n"
RAGGED = TABLE.replace("\n", ",1\n")
WIDE = "\n".join(",".join(map(str, row)) for row in RNG.integers(-99, 99, (200, 300)).tolist()) + "\n"

BAD = {
    "empty": (b"", "is empty"),
    "only blanks": (b"\n\n  \n", "is empty"),
    "a header only": (b"time,emg1,emg2\n", "no table of numbers"),
    "a header and one row": (b"time,emg1,emg2\n0.0,1,2\n", "no table of numbers"),
    "prose": (b"Dear all,\n\nplease find attached\nthe recording.\n\nBest\n" * 9, "no table of numbers"),
    "markup": (b"<html>\n<body>\n<p>404 Not Found</p>\n</body>\n</html>\n", "no table of numbers"),
    "json": (b'{"emg": [[1, 2], [3, 4]],\n "fs": 200}\n', "no table of numbers"),
    "a zip": (b"PK\x03\x04" + RNG.bytes(4000), "is no text"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "is no text"),
    "edf": (b"0       X X X X".ljust(256) + bytes(2000), "is no text"),
    "nuls only": (bytes(4096), "is empty|is no text"),
    "one endless line": (b"1.25," * 200_000, "line of more than"),
    "no two values": (b"1.0,2.0\n" * 500, "fewer than two distinct values"),
    "300 channels": (WIDE.encode(), "300 channels, at most 256"),
    "no rate": (TABLE.encode(), "no sampling rate can be found.*--rate"),
    "ragged for good": ((TABLE + RAGGED + TABLE).encode(), "lines are no rows.*line 301 has 4 fields"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_it_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, expected = BAD[case]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=expected) as refused:
        csv_text.read(path, ImportHints(rate_hz=None if case == "no rate" else 500.0))
    assert "\n" not in str(refused.value)
    assert "a.csv" in str(refused.value)


@pytest.mark.parametrize("form", [opensignals, openbci, delsys, libemg, csv_text])
def test_no_format_takes_what_is_no_text(tmp_path: Path, form: Any) -> None:
    for name, content in (
        ("R_0_C_1_EMG.csv", bytes(range(256)) * 20),
        ("a.txt", b"\x89HDF\r\n\x1a\n" + bytes(99)),
    ):
        (tmp_path / name).write_bytes(content)
        assert not form.matches(FileHead(path=tmp_path / name, size=len(content), head=content))


def test_a_missing_file_and_a_folder_are_no_tables(tmp_path: Path) -> None:
    for path, expected in ((tmp_path / "none.csv", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(DataError, match=expected):
            csv_text.read(path, ImportHints())


HINTS = {
    "emg": ({"emg": "2-9"}, "--emg 2-9: there is no column '2-9'; the columns are 1 to 4"),
    "name": ({"emg": "emg9"}, "there is no column 'emg9'.*called time, emg1"),
    "twice": ({"emg": "2,2"}, "a column is named twice"),
    "label": ({"label": "1"}, "too many different numbers for a label"),
    "two labels": ({"label": "1,2"}, "one column is expected"),
    "time": ({"time": "emg1"}, "is no clock of EMG|stands still"),
    "rate": ({"rate_hz": -5.0}, "a rate in Hz above 0"),
    "nan rate": ({"rate_hz": float("nan")}, "a rate in Hz above 0"),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_wrong_hint_says_what_there_is(tmp_path: Path, case: str) -> None:
    hints, expected = HINTS[case]
    columns = [np.arange(600) / 500, *emg(600, 3).T]
    path = write(tmp_path / "a.csv", columns, header="time,emg1,emg2,emg3", decimals={0: 3})
    with pytest.raises(DataError, match=expected) as refused:
        import_text(path, **hints)
    assert "\n" not in str(refused.value)


def test_more_labels_than_names_are_refused(tmp_path: Path) -> None:
    columns = [*emg(900, 2).T, np.arange(900) // 100 % 5]
    path = write(tmp_path / "a.csv", columns, header="emg1,emg2,label", decimals={2: 0})
    with pytest.raises(DataError, match=r"labels go up to 4, and 3 gestures are named.*5 names"):
        import_text(path, rate_hz=500.0, gesture_names=("rest", "fist", "open"))


def test_a_channel_that_is_never_a_number_is_said(tmp_path: Path) -> None:
    columns = [np.arange(600) / 500, *emg(600, 2).T, [""] * 600]
    path = write(tmp_path / "a.csv", columns, header="time,emg1,emg2,emg3", decimals={0: 3})
    file = import_text(path)
    assert file.channels == 2
    assert any("column 4 (emg3)" in line for line in file.found)
    with pytest.raises(DataError, match=r"column 4 \(emg3\) is never a number"):
        import_text(path, emg="2-4")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN", "", "n/a", "null", "1e999"])
def test_a_sample_that_is_no_number_is_lost_and_the_rest_stays(tmp_path: Path, value: str) -> None:
    rows = emg(800, 2)
    lines = [f"{a:.2f},{b:.2f}" for a, b in rows]
    lines[400] = f"{value},1.0"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    found = whole(import_text(tmp_path / "a.csv", rate_hz=500.0))
    assert found.gaps == [(400, 1)]
    assert np.isfinite(found.samples).all()


def test_a_block_of_nuls_in_the_middle_costs_its_samples_only(tmp_path: Path) -> None:
    """As cards of loggers that lost their power hold them."""
    text = "\n".join(f"{a:.2f},{b:.2f}" for a, b in emg(20_000, 2)) + "\n"
    at = text.index("\n", len(text) // 2) + 1
    (tmp_path / "a.csv").write_bytes(text[:at].encode() + bytes(4096) + b"\n" + text[at:].encode())
    found = whole(import_text(tmp_path / "a.csv", rate_hz=500.0))
    assert len(found.samples) >= 19_999


def test_the_header_once_more_in_the_middle_is_left_out(tmp_path: Path) -> None:
    lines = [f"{a:.2f},{b:.2f}" for a, b in emg(600, 2)]
    (tmp_path / "a.csv").write_text(
        "\n".join(["left,right", *lines[:300], "left,right", *lines[300:]]) + "\n"
    )
    file = import_text(tmp_path / "a.csv", rate_hz=500.0)
    assert whole(file).gaps == []
    assert any("1 line within the table holds no numbers" in line for line in file.found)


def test_a_disk_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = write(tmp_path / "a.csv", [np.arange(200_000) / 1000, *emg(200_000, 8).T], decimals={0: 3})

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DataError, match=r"find no place in .* \(No space left on device\)"):
        import_text(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", ["inf", "1e300", "-1e300"])
def test_a_number_beyond_all_signals_is_lost_without_a_warning(tmp_path: Path, value: str) -> None:
    lines = [f"{k / 1000:.3f},{k * k % 97}" for k in range(400)]
    lines[100] = f"0.100,{value}"
    path = tmp_path / "a.csv"
    path.write_text("time,emg\n" + "\n".join(lines))
    assert whole(import_text(path)).gaps == [(100, 1)]
