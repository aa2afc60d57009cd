"""`flask emg import`: what was found is printed and kept, and what fails says why in one line and leaves nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from flask import Flask

from app import cli
from app.config import Settings
from app.emg.files.recordings import load
from app.emg.recording import folder as folders
from app.emg.recording.export_npz import write_npz
from tests.emg.written import ACCELEROMETER, aux, chunk, written

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    chosen = Settings(instance=tmp_path / "instance")
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls: chosen))
    app = Flask("commands")
    cli.register(app)
    return lambda *words: app.test_cli_runner().invoke(args=["emg", "import", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    entries = [replace(chunk(0), aux=(aux(0, 0.0, 1),)), chunk(25, label=1)]
    written(tmp_path / "there", entries, aux=(ACCELEROMETER,), model=None)
    write_npz(tmp_path / "there", "one", tmp_path / "one.npz")
    return tmp_path / "one.npz"


def names(tmp_path: Path) -> list[str]:
    return folders.names(tmp_path / "instance" / "recordings")


def test_a_file_becomes_a_recording_of_the_server(tmp_path: Path, run: Run, file: Path) -> None:
    done = run(file)
    assert done.exit_code == 0, done.output
    first, beside, last = done.stdout.splitlines()
    assert first.endswith(
        "one.npz: Myostream recording (.npz), 3 channels at 200 Hz (from the file's fs), uV"
    )
    assert beside == "beside it: accelerometer, 3 channels at 14.8148 Hz"
    assert last.endswith("recordings/one: 0.1 s: rest 0.1 s, fist 0.1 s; 15 samples are missing in 1 gap")
    assert names(tmp_path) == ["one"]
    assert sorted(path.name for path in (tmp_path / "instance" / "recordings").iterdir()) == ["one"]


def test_files_become_one_npz_and_no_recording_with_out(tmp_path: Path, run: Run, file: Path) -> None:
    out = tmp_path / "both.npz"
    done = run(file, file.parent / "one.npz", "--out", out, "--json", "--subject", "S9", "--units", "mV")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["recording"], report["samples"], report["subject"]) == (str(out), 20, "S9")
    assert report["labelled_seconds"] == {"rest": 0.05, "fist": 0.05}
    assert load(out).units == "mV"
    assert names(tmp_path) == []
    again = run(file, "--out", out)
    assert again.exit_code == 1
    assert again.stderr.splitlines()[-1].endswith("choose another name, or replace it with --force")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("{nowhere}",), "no such file"),
        (("{damaged}",), "is of no format that is read here"),
        (("{file}", "--name", "../x"), "is no name of a recording"),
        (("{file}", "--name", "one", "--out", "{nowhere}.npz"), "with --out there is none"),
        (("{file}", "--subject", "Anna B"), "--subject must be 1 to 32 letters"),
        (("{file}", "--out", "x.txt"), "must end in .npz, .zip (BDF+ with the side files of BIDS) or .xdf"),
        (("{file}", "--out", "x.npz", "--format", "xdf"), "--out x.npz must end in .xdf"),
        (("{file}", "--format", "xdf"), "--format is of the file that --out names"),
        (("{file}", "--out", "{nowhere}/x.npz"), "is not a folder"),
        (
            ("{file}", "--units", "banana"),
            "--units must be V, mV, uV, nV, counts for the numbers of a converter",
        ),
        (("{file}", "--units", "uA"), "or unknown; got 'uA'"),
        (("{flat}",), "every value of its 2 channels is 0"),
    ],
)
def test_what_fails_says_why_in_one_line_and_leaves_nothing(
    tmp_path: Path, run: Run, file: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and nothing more")
    flat = np.zeros((9, 2), np.float32)
    np.savez(tmp_path / "flat.npz", emg=flat, fs=100.0, sample_index=np.arange(9))
    paths = {name: tmp_path / f"{name}.npz" for name in ("damaged", "flat")}
    done = run(*(word.format(**paths, file=file, nowhere=tmp_path / "nowhere") for word in words))
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert names(tmp_path) == []
    held = tmp_path / "instance" / "recordings"
    assert not held.exists() or list(held.iterdir()) == []


@pytest.mark.parametrize(("ending", "begin"), [(".xdf", b"XDF:"), (".zip", b"PK"), (".npz", b"PK")])
def test_what_out_ends_in_is_what_it_becomes(
    tmp_path: Path, run: Run, file: Path, ending: str, begin: bytes
) -> None:
    out = tmp_path / f"out{ending}"
    assert run(file, "--out", out).exit_code == 0
    assert out.read_bytes().startswith(begin)
    assert zipfile.is_zipfile(out) == (ending != ".xdf")


def test_a_chosen_name_that_is_taken_is_not_written_over(tmp_path: Path, run: Run, file: Path) -> None:
    assert run(file, "--name", "mine").exit_code == 0
    done = run(file, "--name", "mine")
    assert (done.exit_code, names(tmp_path)) == (1, ["mine"])
    assert done.stderr == "error: there is a recording mine already; choose another name or delete it\n"
