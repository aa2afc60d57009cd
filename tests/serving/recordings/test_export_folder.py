"""Exports are written where no other worker, and nobody else, gets in their way."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import NotReadyError, RecordingNameError
from app.serving.recordings import exports
from app.serving.recordings.export_folder import PREFIX, clear_exports
from app.serving.recordings.service import RecordingService
from tests.emg.written import chunk, written
from tests.serving.recorded import recorder_in

Write = Callable[[Path, str, Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With one recording, `one`."""
    written(tmp_path / "recordings", [chunk(0), chunk(10)])
    return tmp_path / "recordings"


@pytest.fixture
def workers(root: Path) -> Iterator[list[RecordingService]]:
    found = [recorder_in(root), recorder_in(root)]
    yield found
    for worker in found:
        worker.close()


def everything(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def watch(monkeypatch: pytest.MonkeyPatch, form: str, seen: Callable[[Path], object]) -> None:
    """Have `seen` called with each export's path once it is written, and before it is opened."""
    suffix, write = exports.FORMATS[form]

    def watched(root: Path, name: str, target: Path) -> object:
        held = write(root, name, target)
        seen(target)
        return held

    monkeypatch.setitem(exports.FORMATS, form, (suffix, watched))


@pytest.mark.parametrize("form", ["npz", "bdf"])
def test_two_workers_may_export_one_recording_at_the_same_time(
    root: Path, workers: list[RecordingService], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wrote `export.npz` in the recording's folder: the first deleted it before the second had opened it."""
    before, sizes, failed = everything(root), list[int](), list[Exception]()
    both_wrote = threading.Barrier(2)
    watch(monkeypatch, form, lambda _: both_wrote.wait(timeout=20))

    def export(worker: RecordingService) -> None:
        try:
            file, size = worker.export("one", form)
            with file:
                assert len(file.read()) == size
            sizes.append(size)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=export, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sizes[0] == sizes[1] > 0
    assert everything(root) == before


@pytest.mark.parametrize("form", ["npz", "bdf"])
def test_an_export_writes_through_no_link_that_was_planted(
    root: Path, workers: list[RecordingService], form: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    suffix = exports.FORMATS[form][0]
    for name in (
        f"export.{suffix}",
        f".export.{suffix}.{os.getpid()}.part",
        f".export.{suffix}.{os.getpid()}.bdf",
    ):
        (root / "one" / name).symlink_to(outside)
    workers[0].export("one", form)[0].close()
    assert outside.read_text() == "mine"


def test_only_this_user_may_enter_an_exports_folder_and_nobody_can_guess_its_name(
    root: Path, workers: list[RecordingService], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, int]] = []
    watch(monkeypatch, "npz", lambda at: seen.append((at.parent, stat.S_IMODE(at.parent.stat().st_mode))))
    for _ in range(3):
        workers[0].export("one", "npz")[0].close()
    assert [mode for _, mode in seen] == [0o700] * 3
    assert len({folder for folder, _ in seen}) == 3
    assert {folder.parent for folder, _ in seen} == {root}


def test_an_export_that_fails_leaves_nothing(
    root: Path, workers: list[RecordingService], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = everything(root)
    watch(monkeypatch, "npz", full)
    with pytest.raises(NotReadyError, match="one cannot be exported: No space left"):
        workers[0].export("one", "npz")
    assert everything(root) == before


def test_what_is_not_there_is_not_exported_and_makes_no_folder(tmp_path: Path) -> None:
    worker = recorder_in(tmp_path / "recordings")
    with pytest.raises(RecordingNameError):
        worker.export("one", "npz")
    worker.close()
    assert not (tmp_path / "recordings").exists()


def test_what_a_killed_export_left_is_deleted_at_the_next_start(root: Path) -> None:
    before = everything(root)
    exporting = (
        "import sys, time\nfrom pathlib import Path\n"
        "from app.serving.recordings.export_folder import export_folder\n"
        "with export_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half')\n    print('there', flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", exporting, str(root)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "there\n"
        worker = recorder_in(root)
        worker.open()  # while another worker still writes
        assert len(list(root.glob(f"{PREFIX}*/half"))) == 1
        child.send_signal(signal.SIGKILL)
        child.wait()
    worker.open()
    worker.close()
    assert everything(root) == before


def test_clearing_follows_no_link_and_touches_no_recording(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("mine")
    (root / f"{PREFIX}link").symlink_to(tmp_path / "outside")
    (root / f"{PREFIX}left").mkdir()
    (root / f"{PREFIX}left" / "link").symlink_to(tmp_path / "outside")
    clear_exports(root)
    assert (tmp_path / "outside" / "file").read_text() == "mine"
    assert sorted(entry.name for entry in root.iterdir()) == [f"{PREFIX}link", "one"]
    clear_exports(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
