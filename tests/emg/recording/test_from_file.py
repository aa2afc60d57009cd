"""Imports: what a file holds is what its recording holds, and a failed one leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files import arrays, own_npz, sound_rows
from app.emg.files.imported import ImportedFile
from app.emg.files.importing import head_of, import_file
from app.emg.recording import folder as folders
from app.emg.recording import from_file
from app.emg.recording.contents import opened
from app.emg.recording.export_npz import write_npz
from app.emg.recording.from_file import Made, write_recording
from app.emg.source import Chunk
from app.errors import DataError
from tests.emg.files.binary.made_files import found, samples
from tests.emg.written import ACCELEROMETER, BATTERY, RATE, aux, chunk, written


def imported(
    folder: Path, file: ImportedFile, name: str | None = None, most_bytes: int = 10**9, **more: Any
) -> Made:
    """Return what came of an import into `folder`/recordings of a file that is there."""
    path = folder / "my file (1).txt"
    path.write_text("anything")
    aside = folder / "aside"
    aside.mkdir(exist_ok=True)
    return write_recording(
        file,
        [path],
        aside=aside,
        root=folder / "recordings",
        name=name,
        called=path.stem,
        now=1.7e9,
        most_bytes=most_bytes,
        **more,
    )


def test_a_file_becomes_a_recording_that_says_where_it_is_from(tmp_path: Path) -> None:
    chunks = [Chunk(index=0, samples=samples(30)), Chunk(index=40, samples=samples(5, seed=1))]
    file = found(
        chunks, found=("a gap\x1b of 10",), assumed=("uV",), subject="Anna 1", gesture_names=("no\nmotion",)
    )
    made = imported(tmp_path, replace(file, rest="no\nmotion"))
    assert made.name == "my-file-1"
    header = folders.read_header(tmp_path / "recordings", "my-file-1")
    assert header == made.header
    assert (header.channel_names, header.subject, header.model) == (("a", "b"), "Anna1", None)
    assert (header.gesture_names, header.rest) == (("no motion",), "no motion")
    about = header.imported
    assert about is not None
    assert (about.format, about.files, about.rate_source) == (
        "lines",
        ("my file (1).txt",),
        "from the header",
    )
    assert (about.found, about.assumed) == (("a gap  of 10",), ("uV",))
    assert about.sha256 == ("ee0874170b7f6f32b8c2ac9573c428d35b575270a66b757c2c0185d2bd09718d",)
    with opened(tmp_path / "recordings", made.name) as held:
        assert (held.samples, held.gaps, held.lost_samples) == (35, 1, 10)
        assert np.array_equal(np.concatenate([c.samples for c in held.chunks()])[:30], samples(30))
    end = folders.read_end(tmp_path / "recordings", made.name)
    assert end is not None
    assert (end.state, end.samples) == ("complete", 35)


def test_names_that_are_taken_are_counted_on_unless_they_were_chosen(tmp_path: Path) -> None:
    chunks = [Chunk(index=0, samples=samples(3))]
    assert [imported(tmp_path, found(chunks)).name for _ in range(3)] == [
        "my-file-1",
        "my-file-1-2",
        "my-file-1-3",
    ]
    for name in ("my-file-1", "my-file-1-2"):
        assert folders.read_header(tmp_path / "recordings", name).name == name
    imported(tmp_path, found(chunks), name="mine")
    with pytest.raises(FileExistsError):
        imported(tmp_path, found(chunks), name="mine")
    with pytest.raises(DataError, match="is no name of a recording"):
        imported(tmp_path, found(chunks), name="../mine")


def test_rows_that_are_no_numbers_are_gaps_and_that_is_said(tmp_path: Path) -> None:
    values = samples(20)
    values[3, 1], values[10:12, 0], values[19] = np.nan, np.inf, np.nan
    labels = np.arange(20, dtype=np.int16)
    chunks = [Chunk(index=0, samples=values, labels=labels, restart=True, aux=(aux(1, 2.0, 1),))]
    names = tuple(f"g{k}" for k in range(20))
    made = imported(tmp_path, found(chunks, gesture_names=names, aux=(ACCELEROMETER, BATTERY)))
    assert made.header.imported is not None
    assert made.header.imported.found == ("4 rows hold values that are no numbers; they are gaps",)
    assert folders.read_header(tmp_path / "recordings", made.name) == made.header
    with opened(tmp_path / "recordings", made.name) as held:
        assert (held.samples, held.gaps, held.lost_samples) == (16, 2, 3)
        (rows,) = held.rows()
        good = [*range(3), *range(4, 10), *range(12, 19)]
        assert rows.source_label.tolist() == rows.place.tolist() == good
        assert held.aux_samples == [0, 1]


def test_an_index_that_begins_anew_is_counted_on(tmp_path: Path) -> None:
    chunks = [
        Chunk(index=100, samples=samples(10)),
        Chunk(index=0, samples=samples(10, seed=1), restart=True),
        Chunk(index=12, samples=samples(10, seed=2)),
    ]
    made = imported(tmp_path, found(chunks))
    with opened(tmp_path / "recordings", made.name) as held:
        (rows,) = held.rows()
        assert rows.sample_index.tolist() == [*range(100, 120), *range(122, 132)]
        assert (held.restarts, held.gaps) == (1, 1)


def test_a_chunk_larger_than_a_record_is_written_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound_rows, "PIECE_ROWS", 7)
    monkeypatch.setattr(from_file, "BATCH_BYTES", 100)
    told: list[int] = []
    beside = (aux(0, 3.0, 4),)
    chunks = [Chunk(index=0, samples=samples(40), labels=np.arange(40, dtype=np.int16), aux=beside)]
    file = found(chunks, gesture_names=tuple(f"g{k}" for k in range(40)), aux=(ACCELEROMETER,))
    made = imported(tmp_path, file, tell=told.append)
    assert sum(told) == 40
    assert len(told) > 2
    with opened(tmp_path / "recordings", made.name) as held:
        (rows,) = held.rows()
        assert rows.source_label.tolist() == rows.sample_index.tolist() == list(range(40))
        assert (held.aux_samples, held.restarts) == ([4], 0)


def torn() -> Iterator[Chunk]:
    yield Chunk(index=0, samples=samples(10))
    raise DataError("one.txt: line 11 is torn")


FAILING: dict[str, tuple[ImportedFile, str]] = {
    "no sample": (found([]), "holds no sample of EMG"),
    "one value": (
        found([Chunk(index=0, samples=np.full((9, 2), 3, np.float32))]),
        "every value of its 2 channels is 3; name the columns of the signal with --emg",
    ),
    "300 channels": (
        found([], channel_names=tuple(map(str, range(300)))),
        "has 300 channels; 1 to 256 are recorded: choose them, such as --emg 1-8",
    ),
    "labels that are numbers": (
        found([], gesture_names=tuple(map(str, range(300)))),
        "has 300 labels; a recording has up to 256",
    ),
    "no rate": (found([], sampling_rate=float("nan")), "a rate of nan Hz cannot be right"),
    "torn": (replace(found([]), chunks=torn), "line 11 is torn"),
    "too much": (
        found([Chunk(index=0, samples=samples(2000))]),
        "holds more than a recording may, 9.31e-06 GiB",
    ),
}


@pytest.mark.parametrize(("file", "says"), FAILING.values(), ids=FAILING.keys())
def test_what_cannot_be_a_recording_leaves_none(tmp_path: Path, file: ImportedFile, says: str) -> None:
    with pytest.raises(DataError) as caught:
        imported(tmp_path, file, most_bytes=10_000)
    assert says in str(caught.value)
    assert folders.names(tmp_path / "recordings") == []


def test_our_own_npz_comes_back_as_it_was(tmp_path: Path) -> None:
    """With gaps, restarts, labels, repetitions and what came beside the EMG, each at its place."""
    step = RATE / ACCELEROMETER.sampling_rate
    told = replace(chunk(125, 20, label=1), repetitions=np.full(20, 4, np.int16))
    entries = [
        replace(chunk(100, 20), aux=(aux(0, 97.25, 2), aux(1, 101.0, 1))),
        replace(told, aux=(aux(0, 97.25 + 2 * step, 3), aux(0, 180.0, 1))),
        chunk(145, 10, restart=True),
    ]
    written(tmp_path / "r", entries, aux=(ACCELEROMETER, BATTERY), channel_names=("A", "B", "C"), model=None)
    write_npz(tmp_path / "r", "one", tmp_path / "one.npz")
    file = import_file(tmp_path / "one.npz")
    assert file.format == own_npz.NAME
    assert (file.channel_names, file.units, file.sampling_rate, file.subject) == (
        ("A", "B", "C"),
        "uV",
        200.0,
        "S07",
    )
    made = imported(tmp_path, file)
    write_npz(tmp_path / "recordings", made.name, tmp_path / "two.npz")
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        same = [
            key for key in one.files if key not in ("started_at", "source") and not key.startswith("model")
        ]
        for key in same:
            assert np.array_equal(one[key], two[key]), key
        assert "aux_accelerometer_at" in same


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x03\x04" + bytes(100)], ids=["a head", "no zip"])
def test_a_file_that_only_begins_as_a_zip_is_no_recording_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert not own_npz.matches(head_of(path))


def test_an_npz_that_unpacks_to_what_no_signal_does_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 MB of a zip bomb took 5 GB of memory, and over a minute."""
    monkeypatch.setattr(arrays, "BOMB_BYTES", 100_000)
    arrays_of = {"fs": np.float64(200), "sample_index": np.arange(100_000)}
    np.savez_compressed(tmp_path / "emg.npz", emg=np.zeros((100_000, 8), np.float32), **arrays_of)
    np.savez_compressed(
        tmp_path / "aux.npz", emg=samples(9), aux_x=np.zeros((100_000, 8), np.float32), **arrays_of
    )
    for name, key in (("emg", "emg"), ("aux", "aux_x")):
        with pytest.raises(DataError, match=f"{key} unpacks to .* no signal does"):
            import_file(tmp_path / f"{name}.npz")
