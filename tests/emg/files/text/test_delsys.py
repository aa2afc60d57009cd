"""What EMGworks writes above its table: the unit of each signal, however it writes its columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.emg.files.text.tables import emg, import_text, whole

ROWS, RATE = 600, 1259.259
TIMES = [f"{k / RATE:.6f}" for k in range(ROWS)]
SIGNAL = emg(ROWS, 2)


def line(label: str, unit: str, points: str = f"Number of points: {ROWS} start: 0.000000e+000 ") -> str:
    """Return what the header says of one signal."""
    return f"Label: {label} Sampling frequency: 1.259259e+003 {points}Unit: {unit} Domain Unit: s"


def written(path: Path, header: list[str], names: str) -> Path:
    """Write a table of two signals under these names, with a time column wherever a name is X[s]."""
    signals = iter(SIGNAL.T)
    columns = [
        TIMES if "X[s]" in name else [f"{value:.6f}" for value in next(signals)] for name in names.split(",")
    ]
    rows = [",".join(row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([*header, names, *rows]) + "\n", encoding="utf-8")
    return path


LABELS = ("Mini sensor 1: EMG 1", "Mini sensor 2: EMG 2")
PAIRS = "X[s],EMG 1,X[s],EMG 2"
CASES = {
    "labels are the names": ([line(name, "V") for name in ("EMG 1", "EMG 2")], PAIRS, "V"),
    "labels say more than the names": ([line(name, "V") for name in LABELS], PAIRS, "V"),
    "millivolts": ([line(name, "mV") for name in LABELS], PAIRS, "mV"),
    "a micro sign": ([line(name, "\u00b5V") for name in LABELS], PAIRS, "uV"),
    "in brackets": ([line(name, "[mV]") for name in LABELS], PAIRS, "mV"),
    "without points": ([line(name, "V", "") for name in LABELS], PAIRS, "V"),
    "saved again by a spreadsheet": ([f"{line(name, 'V')},,," for name in LABELS], PAIRS, "V"),
    "at the line's end": (
        [line(name, "V").removesuffix(" Domain Unit: s") + ",,," for name in LABELS],
        PAIRS,
        "V",
    ),
    "one clock": ([line(name, "uV") for name in LABELS], "X[s],EMG 1,EMG 2", "uV"),
    "no clock": ([line(name, "mV") for name in LABELS], "EMG 1,EMG 2", "mV"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_header_says_the_units(tmp_path: Path, case: str) -> None:
    """Only labels that were the columns' names to the letter were found; a comma behind the unit was one of it."""
    header, names, units = CASES[case]
    file = import_text(written(tmp_path / "a.csv", header, names))
    assert (file.format, file.units) == ("Delsys EMGworks CSV", units)
    assert (file.sampling_rate, file.channels) == (RATE, 2)
    np.testing.assert_allclose(whole(file).samples, SIGNAL, atol=1e-4)


def test_signals_in_different_units_have_none_in_common(tmp_path: Path) -> None:
    header = [line(LABELS[0], "V"), line(LABELS[1], "mV")]
    file = import_text(written(tmp_path / "a.csv", header, PAIRS))
    assert file.units == "unknown"
    assert any("--units" in said for said in file.assumed)


@pytest.mark.parametrize(
    ("header", "units"),
    [
        (["Unit: mV"], "mV"),
        (["Sampling frequency: 1259.259 Hz; Units = V"], "V"),
        (["# units: counts"], "counts"),
        (["Domain Unit: s"], "unknown"),
        (["Unit: V", "Unit: mV"], "unknown"),
    ],
)
def test_any_table_may_say_its_units_above(tmp_path: Path, header: list[str], units: str) -> None:
    file = import_text(written(tmp_path / "a.csv", header, "X[s],EMG 1,EMG 2"))
    assert (file.sampling_rate, file.units) == (RATE, units)
