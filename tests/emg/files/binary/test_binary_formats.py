"""All of them together: files under wrong names, cut off anywhere, damaged anywhere, and without the extras."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io

from app.config import ROOT
from app.emg.files.imported import ImportHints
from app.errors import DataError
from tests.emg.files.binary.edf_files import write_discontinuous
from tests.emg.files.binary.xdf_files import Stream, regular, write_xdf
from tests.emg.files.imports import format_of, needs

needs("edfio", "pyxdf", "h5py")
import h5py  # noqa: E402

RNG = np.random.default_rng(16)
RAW = RNG.normal(size=(200, 3))
LABELS = np.repeat([0, 1], 100)
CAREFUL = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def edf(path: Path) -> None:
    records = [RNG.integers(-99, 99, (20, 2)).astype(np.int16) for _ in range(4)]
    write_discontinuous(path, records, [0, 0.1, 5, 5.1], 0.1, [(0.05, 0.1, "fist")])


def bdf(path: Path) -> None:
    records = [RNG.integers(-99, 99, (20, 2)).astype(np.int16) for _ in range(4)]
    write_discontinuous(path, records, [0, 0.1, 5, 5.1], 0.1, [(0.05, 0.1, "fist")], kind="BDF+D")


def xdf(path: Path) -> None:
    cues = Stream(name="Cues", type="Markers", format="string", rate=0.0, times=[100.05], values=["fist"])
    write_xdf(path, [Stream(times=regular(200, 1000), values=RAW, labels=["a", "b", "c"]), cues])


def opensignals(path: Path) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("00:07:80:AA:AA:02")
        group.attrs.update({"sampling rate": 1000, "channels": [1], "resolution": [16]})
        made = group.create_dataset("raw/channel_1", data=(RAW[:, :1] * 99 + 32768).astype(np.uint16))
        made.attrs["sensor"] = "EMG"
        group["raw/nSeq"] = np.arange(200, dtype=np.uint16)[:, None]


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a/emg"], file["a/label"], file["fs"] = RAW, LABELS, 1000.0
        file["a"].attrs["units"] = "mV"
        file["names"] = ["x", "y", "z"]


def ninapro(path: Path) -> None:
    with path.open("wb") as file:
        io.savemat(file, {"emg": RAW, "stimulus": LABELS[:, None], "frequency": 100.0})


def matlab(path: Path) -> None:
    names = np.empty((1, 3), object)
    names[0] = ["x", "y", "z"]
    inside = {"emg": RAW, "label": LABELS, "fs": 1000.0, "channel_names": names, "more": {"k": 1.0}}
    with path.open("wb") as file:
        io.savemat(file, {"s": inside, "t": np.arange(200.0)})


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, raw=RAW, y=LABELS, fs=1000.0)


def npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, RAW)


def ours(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, emg=RAW, label=LABELS, fs=1000.0, gesture_names=np.array(["rest", "fist"]))


WRITERS: dict[str, Callable[[Path], None]] = {
    "EDF/BDF": edf,
    "EDF/BDF ": bdf,
    "XDF": xdf,
    "OpenSignals HDF5": opensignals,
    "MATLAB": matlab,
    "MATLAB ": hdf5,
    "Ninapro files and our own recordings": ours,
    "Ninapro files and our own recordings ": ninapro,
    "NumPy": npz,
    "NumPy ": npy,
}
EACH = pytest.mark.parametrize(("name", "write"), WRITERS.items(), ids=[w.__name__ for w in WRITERS.values()])


def read_all(path: Path) -> int | None:
    """Return how many samples there are; None where the file is of no format."""
    form = format_of(path)
    if form is None:
        return None
    file = form.read(path, ImportHints(rate_hz=1000.0) if form.NAME == "NumPy" else ImportHints())
    return sum(len(chunk.samples) for chunk in file.chunks())


def read_or_refuse(path: Path) -> int | None:
    """Return the same; None also where the file is refused, in one line."""
    try:
        return read_all(path)
    except DataError as error:
        refused = str(error)
    assert "\n" not in refused
    return None


@EACH
@pytest.mark.parametrize("suffix", [".csv", ".edf", ".mat", ""])
def test_a_file_under_a_wrong_name_is_found_by_its_content(
    tmp_path: Path, name: str, write: Callable[[Path], None], suffix: str
) -> None:
    path = tmp_path / f"file{suffix}"
    write(path)
    form = format_of(path)
    assert form is not None
    assert name.strip() == form.NAME
    assert read_all(path) in (80, 200)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0",
        b"\x93",
        b"0       " * 3,
        b"a,b\n1,2\n" * 50,
        b"PK\x03\x04" + b"\0" * 60,
        b"MZ" * 99,
        bytes(600),
    ],
)
def test_other_files_are_of_none_or_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    assert read_or_refuse(tmp_path / "a.bin") is None


@EACH
def test_a_file_that_ends_anywhere_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "whole"
    write(path)
    content = path.read_bytes()
    cut = tmp_path / "cut"
    ends = {*range(1, 40), *np.linspace(40, len(content) - 1, 60).astype(int).tolist()}
    for end in sorted(ends):
        cut.write_bytes(content[:end])
        assert read_or_refuse(cut) is None, f"{end} of {len(content)} bytes were read"


@EACH
def test_a_file_that_is_damaged_anywhere_is_refused_or_read(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "whole"
    write(path)
    content = path.read_bytes()
    damaged = tmp_path / "damaged"

    @CAREFUL
    @given(
        places=st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6),
        values=st.lists(st.integers(0, 255), min_size=6, max_size=6),
    )
    def check(places: list[int], values: list[int]) -> None:
        made = bytearray(content)
        for place, value in zip(places, values, strict=False):
            made[place] = value
        damaged.write_bytes(made)
        read_or_refuse(damaged)

    check()


BLOCKED = """
import sys
for name in ("edfio", "pyxdf", "h5py"):
    sys.modules[name] = None  # importing it raises ImportError
from pathlib import Path
from app.emg.files.binary import BINARY_FORMATS
from app.emg.files.imported import FileHead, ImportHints
from app.errors import DataError
path = Path(sys.argv[1])
head = FileHead(path=path, size=path.stat().st_size, head=path.read_bytes()[:65536])
form = next(form for form in BINARY_FORMATS if form.matches(head))
try:
    print(sum(len(chunk.samples) for chunk in form.read(path, ImportHints()).chunks()))
except DataError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(
    ("write", "package"),
    [(edf, "edfio"), (xdf, "pyxdf"), (opensignals, "h5py"), (hdf5, "h5py"), (matlab, None), (npz, None)],
)
def test_without_its_extra_a_format_says_what_to_install_and_the_others_do_not_need_it(
    tmp_path: Path, write: Callable[[Path], None], package: str | None
) -> None:
    path = tmp_path / "a"
    write(path)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    if package is None:
        assert done.stdout == "200\n"
    else:
        assert done.stdout.startswith("refused: ")
        assert f"{package} (" in done.stdout
        assert done.stdout.endswith("pip install -r requirements-files.txt\n")
