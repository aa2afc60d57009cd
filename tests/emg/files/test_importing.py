"""Which reader a file gets, and several files as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.file_choice import data_files
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.files.importing import import_file, import_files
from app.emg.files.merged import merged
from app.emg.source import UNLABELLED, Chunk
from app.errors import DataError
from tests.emg.files.binary.made_files import Lines, found, samples

FORMATS = (Lines(),)
MOTION = AuxStream(name="motion", channel_names=("x",), units="g", sampling_rate=50.0)
BATTERY = AuxStream(name="battery", channel_names=("level",), units="%", sampling_rate=1.0)


def lines(path: Path, count: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, samples(count), header="lines", comments="")
    return path


def refusal(*files: Path) -> str:
    with pytest.raises(DataError) as caught:
        import_files(files, ImportHints(), FORMATS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_known_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    path = lines(tmp_path / "picture.jpg")
    assert import_file(path, formats=FORMATS).format == "lines"
    assert import_file(path, ImportHints(rate_hz=7.0), FORMATS).sampling_rate == 7.0


def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "empty.csv") == "empty.csv: is empty"
    assert refusal(tmp_path / "other.csv") == "other.csv: is of no format that is read here; those are lines"
    assert "no such file" in refusal(tmp_path / "nowhere.csv")
    assert "holds no file that can be imported" in refusal(tmp_path / "folder")
    assert refusal() == "there is no file to import"


def test_a_folder_is_read_in_natural_order_without_what_is_no_signal(tmp_path: Path) -> None:
    for name in ("R_10.csv", "R_2.csv", "b/R_1.csv", "README.txt", "LICENSE.txt", ".R_0.csv", "notes.pdf"):
        lines(tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for path in data_files([tmp_path])]
    assert names == ["b/R_1.csv", "R_2.csv", "R_10.csv"]


def test_the_side_files_of_bids_are_no_signals_of_their_own(tmp_path: Path) -> None:
    for name in ("sub-1/emg/s_emg.edf", "sub-1/emg/s_channels.tsv", "participants.tsv", "d.json"):
        lines(tmp_path / name)
    assert [path.name for path in data_files([tmp_path])] == ["s_emg.edf"]
    beside = [tmp_path / "sub-1" / "emg" / name for name in ("s_emg.edf", "s_channels.tsv")]
    assert [path.name for path in data_files(beside)] == ["s_emg.edf"]


class Folder(Lines):
    """Reads a folder as one recording."""

    NAME = "folder"

    def matches(self, head: FileHead) -> bool:
        return head.path.is_dir()

    def read(self, path: Path, hints: ImportHints) -> ImportedFile:
        return found([Chunk(index=0, samples=samples(4))], path, format="folder")


def test_a_folder_of_text_is_one_recording_where_a_format_reads_it_so(tmp_path: Path) -> None:
    for name in ("a.csv", "b/c.txt"):
        lines(tmp_path / "texts" / name)
        lines(tmp_path / "mixed" / name)
    lines(tmp_path / "mixed" / "d.npz")
    formats = (Folder(), Lines())
    one, files = import_files([tmp_path / "texts"], ImportHints(), formats)
    assert (one.format, len(files)) == ("folder", 2)
    three, files = import_files([tmp_path / "mixed"], ImportHints(), formats)
    assert (three.format, len(files), len(list(three.chunks()))) == ("lines", 3, 3)
    twice, files = import_files([tmp_path / "texts" / "a.csv"] * 2, ImportHints(), formats)
    assert (len(files), len(list(twice.chunks()))) == (1, 1)


def test_files_become_one_with_a_restart_at_each_and_their_gestures_united() -> None:
    motion = AuxChunk(stream=0, at=1.5, samples=samples(1, 1))
    one = found(
        [Chunk(index=5, samples=samples(3), labels=np.array([0, 1, 7], np.int16), aux=(motion,))],
        gesture_names=("rest", "fist"),
        aux=(MOTION, BATTERY),
        rest="rest",
    )
    two = found(
        [
            Chunk(index=0, samples=samples(2, seed=1), labels=np.array([0, 1], np.int16)),
            Chunk(index=4, samples=samples(2, seed=2), aux=(replace(motion, at=4.25),)),
        ],
        "two.txt",
        gesture_names=("fist", "point"),
        aux=(MOTION,),
        units="mV",
    )
    whole = merged([one, two])
    assert (whole.gesture_names, whole.rest, whole.aux) == (("rest", "fist", "point"), "rest", (MOTION,))
    first, second, third = whole.chunks()
    assert [(c.index, c.restart) for c in (first, second, third)] == [(0, False), (3, True), (7, False)]
    assert first.labels is not None
    assert first.labels.tolist() == [0, 1, UNLABELLED]
    assert second.labels is not None
    assert second.labels.tolist() == [1, 2]
    assert third.labels is None
    assert np.allclose(second.samples, 1000 * samples(2, seed=1))
    assert [aux.at for aux in (*first.aux, *third.aux)] == [-3.5, 7.25]
    assert whole.found == ("left out, since not all files have it alike: battery",)
    assert [c.index for c in whole.chunks()] == [0, 3, 7]  # it can be read again


def test_streams_described_alike_stay_apart() -> None:
    """Two forces of one description were both written into the first, the second stayed empty."""

    def file(name: str, level: float, streams: int) -> ImportedFile:
        aux = tuple(
            AuxChunk(stream=k, at=0.0, samples=np.full((1, 1), level + k, np.float32)) for k in range(streams)
        )
        return found([Chunk(index=0, samples=samples(2), aux=aux)], name, aux=(MOTION,) * streams)

    whole = merged([file("one.txt", 1, 2), file("two.txt", 5, 2)])
    assert whole.aux == (MOTION, MOTION)
    levels = [[(one.stream, float(one.samples[0, 0])) for one in chunk.aux] for chunk in whole.chunks()]
    assert levels == [[(0, 1.0), (1, 2.0)], [(0, 5.0), (1, 6.0)]]

    fewer = merged([file("one.txt", 1, 2), file("two.txt", 5, 1)])
    assert (fewer.aux, fewer.found) == ((MOTION,), ("left out, since not all files have it alike: motion",))
    assert [[one.stream for one in chunk.aux] for chunk in fewer.chunks()] == [[0], [0]]


def test_what_was_found_is_said_once_and_of_which_files() -> None:
    files = [
        found([], f"{k}.txt", found=("no header", *(["held"] if k > 1 else [])), assumed=("uV",))
        for k in range(6)
    ]
    whole = merged(files)
    assert whole.found == ("no header", "2.txt, 3.txt, 4.txt and 1 more: held")
    assert whole.assumed == ("uV",)


def test_rates_that_were_measured_may_differ_a_little_and_that_is_said() -> None:
    whole = merged([found([], sampling_rate=199.99), found([], sampling_rate=200.01)])
    assert whole.sampling_rate == 199.99
    assert whole.assumed == (
        "the files' rates are 199.99 to 200.01 Hz; all are taken as 199.99 Hz; --rate says another",
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channel_names": ("a", "c")}, "one.txt has 2 channels (a, b), two.txt has 2 channels (a, c)"),
        ({"sampling_rate": 202.0}, "one.txt has 200 Hz, two.txt has 202 Hz"),
        ({"units": "counts"}, "one.txt is in uV, two.txt is in counts"),
    ],
)
def test_files_that_differ_are_refused_and_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match="become one recording") as caught:
        merged([found([]), found([], "two.txt", **changes)])
    assert str(caught.value).startswith(says)


def test_what_is_packed_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "arm.csv.gz").write_bytes(b"\x1f\x8b" + bytes(20))
    assert refusal(tmp_path / "arm.csv.gz").endswith("is packed; unpack it, and import what is in it")


@pytest.mark.parametrize(
    ("units", "strange"), [("mV", False), ("counts", False), ("unknown", False), ("a.u.", True)]
)
def test_units_of_a_file_that_nobody_knows_are_kept_and_told(
    tmp_path: Path, units: str, strange: bool
) -> None:
    np.savez(tmp_path / "a.npz", emg=samples(300), fs=200.0, units=units)
    one = import_file(tmp_path / "a.npz")
    assert one.units == units
    assert any("cannot be made into volts; --units says others" in line for line in one.assumed) is strange
