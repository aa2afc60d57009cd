"""The libraries that people open BDF+ with, and what they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from app.emg.source import Samples


@dataclass(frozen=True)
class Read:
    """What a library found in a file."""

    rate: float
    signal: Samples  # (n, channels)
    notes: list[tuple[float, float, str]]  # seconds
    units: list[str]
    began: datetime | None  # UTC, which no reader says


def by_edfio(path: Path) -> Read:
    edfio = pytest.importorskip("edfio")

    file = edfio.read_bdf(path)
    notes = [(a.onset, a.duration or 0.0, a.text) for a in file.annotations]
    signal = np.stack([s.data for s in file.signals], axis=1)
    units = [s.physical_dimension for s in file.signals]
    try:
        began = file.startdatetime
    except edfio.AnonymizedDateError:
        began = None
    return Read(file.signals[0].sampling_frequency, signal, notes, units, began)


def by_pyedflib(path: Path) -> Read:
    pyedflib = pytest.importorskip("pyedflib")

    with pyedflib.EdfReader(str(path)) as file:
        notes = list(zip(*(column.tolist() for column in file.readAnnotations()), strict=True))
        signal = np.stack([file.readSignal(k) for k in range(file.signals_in_file)], axis=1)
        units = [file.getPhysicalDimension(k) for k in range(file.signals_in_file)]
        notes = [(a, max(b, 0.0), str(c)) for a, b, c in notes]
        return Read(file.getSampleFrequency(0), signal, notes, units, file.getStartdatetime())


def by_mne(path: Path) -> Read:
    mne = pytest.importorskip("mne")

    file = mne.io.read_raw_bdf(path, preload=True, verbose="error")
    notes = [(float(a["onset"]), float(a["duration"]), str(a["description"])) for a in file.annotations]
    units = [file._orig_units[name].replace("µ", "u").replace("n/a", "") for name in file.ch_names]
    volts = {"uV": 1e-6, "mV": 1e-3}
    signal = file.get_data().T / np.array([volts.get(unit, 1.0) for unit in units])
    began = file.info["meas_date"].replace(tzinfo=None)
    return Read(file.info["sfreq"], signal, notes, units, began)


READERS = [
    pytest.param(by_edfio, id="edfio"),
    pytest.param(by_pyedflib, id="pyedflib"),
    pytest.param(by_mne, id="mne"),
]
Reader = Callable[[Path], Read]
