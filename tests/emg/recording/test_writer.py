"""A recording's folder: written as it goes, found again whatever happened, and nothing outside touched."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import ROOT
from app.emg.recording import folder as folders
from app.emg.recording.contents import opened
from app.emg.recording.folder import END, END_BYTES, HEADER, LOG, RecordingProgress
from app.emg.recording.log_format import RecordedModel, RecordedPrediction, read
from app.emg.recording.prompts.label_plan import MAX_GESTURES, MAX_LABEL, MAX_STEPS, LabelPlan, Step, plan_of
from app.emg.recording.writer import RecordingWriter, expect_over, is_being_written, recover
from app.errors import BusyError, DataError
from tests.emg.written import CHANNELS, chunk, written
from tests.emg.written import HEADER as ABOUT

BAD_NAMES = [
    *(
        "",
        ".",
        "..",
        "../one",
        "one/../two",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "one\0",
        "\0",
        "-rf",
        ".hidden",
        "_x",
    ),
    *("ünicode", "一", "a b", "a\nb", "x" * 65, "x" * 5000, "a:b", "a*", "%2e%2e", "~root"),
]


def test_a_recording_is_on_the_disk_while_it_runs(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path, ABOUT)
    writer.write([chunk(0), chunk(10), RecordedPrediction(20, 1, 0.9, 1)])
    assert folders.names(tmp_path) == ["one"]
    assert folders.read_header(tmp_path, "one") == ABOUT
    goes = RecordingProgress(state="recording", samples=20, predictions=1, position=20)
    assert folders.read_end(tmp_path, "one") == goes
    assert is_being_written(tmp_path, "one")
    with pytest.raises(BusyError, match="stop it first"):
        expect_over(tmp_path, "one")
    with folders.open_file(tmp_path, "one", LOG) as file:
        assert len(list(read(file, CHANNELS))) == 2  # the chunks are one record
    ending = writer.finish("complete")
    assert ending == RecordingProgress(state="complete", samples=20, predictions=1, position=20)
    assert folders.read_end(tmp_path, "one") == ending
    assert not is_being_written(tmp_path, "one")


def test_gaps_and_restarts_are_counted(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path, ABOUT)
    writer.write([chunk(5), chunk(18), chunk(28, restart=True), chunk(100, restart=True)])
    ending = writer.finish("complete")
    assert (ending.gaps, ending.lost_samples, ending.restarts, ending.samples) == (2, 3 + 62, 2, 40)


def test_a_header_comes_back_with_its_plan(tmp_path: Path) -> None:
    plan = plan_of(["fist", "Öffnen"])
    written(tmp_path, [chunk(0)], plan=plan, model=None, subject=None, mains_hz=None)
    found = folders.read_header(tmp_path, "one")
    assert (found.plan, found.model, found.subject) == (plan, None, None)


def test_the_longest_plan_there_may_be_comes_back(tmp_path: Path) -> None:
    """Its header was larger than was read again: the recording was complete, and its download a 422."""
    names = [chr(0x1F600 + k) * MAX_LABEL for k in range(MAX_GESTURES)]  # of four bytes a character
    steps = tuple(Step(names[k % MAX_GESTURES], 1.1, 1000) for k in range(MAX_STEPS))
    plan = LabelPlan(steps)
    written(tmp_path, [chunk(0)], plan=plan)
    assert folders.read_header(tmp_path, "one").plan == plan


@pytest.mark.parametrize(
    "changes",
    [{"gesture_names": ("x" * 10**6,) * 5}, {"channels": 5000}, {"sampling_rate": 1e9}, {"units": 3}],
    ids=["length", "channels", "rate", "type"],
)
def test_a_header_that_could_not_be_read_again_is_not_written(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="cannot keep what is to be said of it"):
        RecordingWriter(tmp_path, replace(ABOUT, **changes))
    assert list(tmp_path.iterdir()) == []


def test_it_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Started by hand it was 0644 in 0755, for all who have an account: a person's muscle signals."""
    before = os.umask(0)
    try:
        folder = written(tmp_path / "instance" / "recordings", [chunk(0)])
        folders.ask_to_stop(folder.parent, "one")
    finally:
        os.umask(before)
    made = [tmp_path / "instance", *(tmp_path / "instance").rglob("*")]
    modes = {path.name: path.stat().st_mode & 0o777 for path in made}
    assert modes == {
        **dict.fromkeys(("instance", "recordings", "one"), 0o700),
        **dict.fromkeys((HEADER, LOG, END, "stop"), 0o600),
    }


def test_a_second_recording_of_that_name_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    written(tmp_path, [chunk(0)])
    with pytest.raises(FileExistsError):
        RecordingWriter(tmp_path, ABOUT)
    assert folders.read_end(tmp_path, "one") == RecordingProgress(state="complete", samples=10, position=10)


def test_a_killed_writer_leaves_what_it_had_written(tmp_path: Path) -> None:
    """The real thing: a process that is killed by SIGKILL while it writes."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from app.emg.recording.writer import RecordingWriter
from tests.emg.written import HEADER, chunk
writer = RecordingWriter(Path({str(tmp_path)!r}), HEADER)
for k in range(1000000):
    writer.write([chunk(10 * k)])
    print(k, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 50:
            break
    assert recover(tmp_path, "one") is None  # it is still being written: leave it alone
    process.send_signal(signal.SIGKILL)
    process.wait()
    said = 50 + len(process.stdout.readlines())
    process.stdout.close()
    ending = recover(tmp_path, "one")
    assert ending is not None
    assert (ending.state, ending.recovered) == ("complete", True)
    assert ending.samples >= 10 * said
    assert recover(tmp_path, "one") == folders.read_end(tmp_path, "one") == ending


def test_a_killed_writer_leaves_which_model_it_was_that_predicted(tmp_path: Path) -> None:
    other = RecordedModel(10, "other", "c" * 64, ("rest", "point"))
    entries = [RecordedPrediction(9, 1, 0.5, 1), other, RecordedPrediction(12, 1, 0.5, 1), chunk(0, 20)]
    folder = written(tmp_path, entries, end=None)
    with (folder / LOG).open("ab") as file:
        file.write(b"\x04\x00")  # another change, torn
    found = recover(tmp_path, "one")
    assert found is not None
    assert (found.model_changes, found.predictions, found.samples) == (1, 2, 20)
    with opened(tmp_path, "one") as held:
        (rows,) = held.predictions.pieces()
        assert [held.models.classes[one] for one in rows["prediction"]] == ["fist", "point"]


def test_how_a_recording_of_an_older_version_ended_is_read(tmp_path: Path) -> None:
    """It said nothing of models, and its whole log would be gone through instead."""
    folder = written(tmp_path, [chunk(0)])
    text = (folder / END).read_text()
    (folder / END).write_text(text.replace('"model_changes": 0, ', ""))
    assert "model_changes" in text
    found = folders.read_end(tmp_path, "one")
    assert found is not None
    assert (found.samples, found.model_changes) == (10, 0)


def test_a_torn_record_is_cut_off(tmp_path: Path) -> None:
    folder = written(tmp_path, [chunk(0)], end=None)
    with (folder / LOG).open("ab") as file:
        file.write(b"\x01\x00\x00\x00torn")
    before = (folder / LOG).stat().st_size
    ending = recover(tmp_path, "one")
    assert ending is not None
    assert ending.samples == 10
    assert (folder / LOG).stat().st_size == before - 8


def test_a_writer_killed_before_its_first_sample_leaves_an_empty_recording(tmp_path: Path) -> None:
    written(tmp_path, [], end=None)
    ending = recover(tmp_path, "one")
    assert ending is not None
    assert (ending.state, ending.samples) == ("complete", 0)


def test_the_reason_of_a_failure_fits_into_the_space_set_aside(tmp_path: Path) -> None:
    for k, error in enumerate(["x" * 5000, "磁盘已满" * 500, '"\\\n\t' * 300]):
        writer = RecordingWriter(tmp_path, folders.RecordingHeader(**{**_fields(), "name": f"r{k}"}))
        writer.finish("failed", error)
        assert (tmp_path / f"r{k}" / END).stat().st_size == END_BYTES
        found = folders.read_end(tmp_path, f"r{k}")
        assert found is not None
        assert found.error


def _fields() -> dict[str, object]:
    return {name: getattr(ABOUT, name) for name in ABOUT.__dataclass_fields__}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_mean_another_place_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "recordings"
    (tmp_path / "one").mkdir()
    for attempt in (folders.read_header, folders.read_end, folders.remove, recover, folders.make):
        with pytest.raises(DataError, match="a name has 1 to 64 letters"):
            attempt(root, name)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "one"]


def test_a_folder_that_is_a_link_is_no_recording(tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", [chunk(0)])
    root = tmp_path / "recordings"
    root.mkdir()
    (root / "two").symlink_to(outside)
    assert folders.names(root) == []
    for attempt in (folders.read_header, folders.read_end, folders.remove, recover):
        with pytest.raises(DataError, match="there is no recording two"):
            attempt(root, "two")
    assert (outside / LOG).is_file()


@pytest.mark.parametrize("file", [HEADER, LOG, END])
def test_a_file_that_is_a_link_is_not_followed(tmp_path: Path, file: str) -> None:
    folder = written(tmp_path / "recordings", [chunk(0)], end=None)
    secret = tmp_path / "secret"
    secret.write_bytes((folder / file).read_bytes())
    kept = secret.read_bytes()
    (folder / file).unlink()
    (folder / file).symlink_to(secret)
    with pytest.raises(DataError, match="there is no recording one"):
        recover(tmp_path / "recordings", "one")
    assert secret.read_bytes() == kept


def test_a_fifo_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    folder = written(tmp_path, [chunk(0)])
    (folder / HEADER).unlink()
    os.mkfifo(folder / HEADER)
    with pytest.raises(DataError, match="there is no recording one"):
        folders.read_header(tmp_path, "one")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", '{"format": 2}', "null", '{"format": 1, "model": 3, "plan": 4}']
)
def test_a_damaged_header_says_so(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path, [chunk(0)])
    (folder / HEADER).write_text(text)
    with pytest.raises(DataError, match="the header of the recording one is damaged"):
        folders.read_header(tmp_path, "one")


def test_removing_takes_links_away_and_not_what_they_point_to(tmp_path: Path) -> None:
    folder = written(tmp_path / "recordings", [chunk(0)])
    kept = tmp_path / "kept"
    kept.write_text("still here")
    (folder / "link").symlink_to(kept)
    folders.remove(tmp_path / "recordings", "one")
    assert kept.read_text() == "still here"
    assert folders.names(tmp_path / "recordings") == []


def test_what_is_no_recording_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, [chunk(0)])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    assert folders.names(tmp_path) == ["one"]
    assert folders.names(tmp_path / "nowhere") == []


LIMITED = """
import json, resource, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from app.emg.recording.writer import RecordingWriter
from tests.emg.written import HEADER, chunk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with EFBIG instead
writer = RecordingWriter(Path({folder!r}), HEADER)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
written = 0
try:
    while True:
        writer.write([chunk(10 * written)])
        written += 1
except OSError as error:
    writer.finish("failed", error.strerror)
    print(json.dumps([written, error.errno]))
"""


def test_a_file_that_may_not_grow_fails_cleanly_and_keeps_what_is_whole(tmp_path: Path) -> None:
    """A limit of the system, really reached: the record that did not fit is cut off."""
    code = LIMITED.format(root=str(ROOT), folder=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, number = json.loads(run.stdout)
    assert number == errno.EFBIG
    ending = folders.read_end(tmp_path, "one")
    assert ending is not None
    assert (ending.state, ending.samples) == ("failed", 10 * count)
    assert ending.error == os.strerror(errno.EFBIG)
    with folders.open_file(tmp_path, "one", LOG) as file:
        assert sum(len(entry.samples) for entry in read(file, CHANNELS)) == 10 * count  # type: ignore[union-attr]  # all chunks
        assert file.read() == b""
    assert count > 50
