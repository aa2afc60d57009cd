"""Recordings of running sources: what goes in comes out, and trouble with a disk stays with the recording."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.recordings import load
from app.emg.recording import folder as folders
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.source import UNLABELLED, Chunk
from app.errors import BusyError, DataError, NotReadyError, RecordingNameError, SourceError
from app.serving.recordings import session as take
from app.serving.recordings.service import RecordingService
from tests.serving.recorded import RATE, TINY, HandFeed, hand_model, open_model, recorder_in
from tests.serving.station import until


@pytest.fixture
def feed() -> Iterator[HandFeed]:
    feed = HandFeed()
    yield feed
    feed.close()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[RecordingService]:
    recorder = recorder_in(tmp_path / "recordings")
    yield recorder
    recorder.close()


def exported(recorder: RecordingService, name: str, folder: Path) -> dict[str, np.ndarray]:
    file, size = recorder.export(name, "npz")
    with file:
        content = file.read()
    assert len(content) == size
    (folder / "out.npz").write_bytes(content)
    with np.load(folder / "out.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def test_what_the_source_delivers_is_what_is_recorded(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    feed.give(30)  # before: not part of it
    recorder.start(feed, "one", "S01")
    feed.give(10)
    feed.broadcast.publish(40)
    feed.give(10, gap=5)
    feed.give(10, restart=True)
    state = recorder.stop("one")
    assert (state.state, state.samples, state.gaps, state.lost_samples) == ("complete", 30, 1, 5)
    assert (state.predictions, state.seconds, state.error) == (1, 0.15, None)
    found = exported(recorder, "one", tmp_path)
    assert found["sample_index"].tolist() == [*range(30, 40), *range(45, 65)]
    assert np.array_equal(found["emg"][:, 0], found["sample_index"].astype(np.float32))
    assert found["restarts"].tolist() == [55]
    assert found["prediction_sample_index"].tolist() == [40]
    assert found["prediction"].tolist() == [1]
    assert str(found["model_sha256"]) == TINY.sha256
    assert load(tmp_path / "out.npz").subject == "S01"


def test_samples_are_on_the_disk_within_a_second_of_their_arrival(
    feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one")
    feed.give(10)
    until(lambda: recorder.state("one").samples == 10, 1.0)
    with folders.open_file(recorder.root, "one", folders.LOG) as file:
        assert os.fstat(file.fileno()).st_size == recorder.state("one").bytes > 40


def test_a_chunk_is_kept_as_it_was_when_it_came(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    """A source may fill the same buffer again before the disk has taken what was in it."""
    recorder.start(feed, "one")
    one = Chunk(index=0, samples=np.ones((5, 1), np.float32), labels=np.zeros(5, np.int16))
    for tap in feed.acquisition.taps:
        tap(one, 0.0)
    one.samples[:] = 7
    assert one.labels is not None
    one.labels[:] = 7
    recorder.stop("one")
    found = exported(recorder, "one", tmp_path)
    assert found["emg"].tolist() == [[1.0]] * 5
    assert found["source_label"].tolist() == [UNLABELLED] * 5  # this source has no names for its labels


def test_a_plan_prompts_labels_and_ends_the_recording(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    plan = LabelPlan((Step("rest", 0.1, 1), Step("fist", 0.2, 1)), countdown_s=0.05)
    feed.give(7)
    state = recorder.start(feed, "one", plan=plan)
    assert state.prompt is not None
    assert (state.prompt.label, state.prompt.next_label, state.prompt.steps) == (None, "rest", 2)
    feed.give(15)
    prompt = recorder.state("one").prompt
    assert prompt is not None
    assert (prompt.label, prompt.next_label, prompt.step) == ("rest", "fist", 1)
    assert prompt.seconds_left == pytest.approx(0.075)
    feed.give(10, gap=20)  # lost samples take their time too
    prompt = recorder.state("one").prompt
    assert prompt is not None
    assert (prompt.label, prompt.next_label) == ("fist", None)
    feed.give(30)
    until(lambda: recorder.state("one").state == "complete")
    assert recorder.state("one").prompt is None
    found = exported(recorder, "one", tmp_path)
    at = found["sample_index"] - 7
    assert found["label"][at < 10].tolist() == [UNLABELLED] * 10
    assert set(found["label"][(at >= 10) & (at < 30)]) == {0}
    assert set(found["label"][(at >= 30) & (at < 70)]) == {1}
    assert set(found["label"][at >= 70]) == {UNLABELLED}


def test_one_source_is_recorded_once_at_a_time_and_two_sources_together(recorder: RecordingService) -> None:
    one, two = HandFeed("a"), HandFeed("b")
    recorder.start(one, "first")
    with pytest.raises(BusyError, match="the source a is being recorded as first; stop that first"):
        recorder.start(one, "second")
    recorder.start(two, "second")
    one.give(10)
    two.give(20)
    assert (recorder.stop("first").samples, recorder.stop("second").samples) == (10, 20)
    recorder.start(one, "third")
    recorder.stop("third")
    one.close()
    two.close()


def test_a_name_that_is_taken_is_refused_and_a_chosen_one_never_is(
    feed: HandFeed, recorder: RecordingService
) -> None:
    names = set()
    for _ in range(3):  # within the same second
        names.add(recorder.start(feed).name)
        for name in names:
            recorder.stop(name)
    assert len(names) == 3
    assert min(names) == "20251009-085320-hand"
    with pytest.raises(BusyError, match="choose another name or delete it"):
        recorder.start(feed, min(names))
    assert [state.name for state in recorder.states()] == sorted(names, reverse=True)


def test_a_refused_start_leaves_nothing_behind(feed: HandFeed, recorder: RecordingService) -> None:
    for name in ("../x", "a/b", "", ".x"):
        with pytest.raises(DataError, match="a name has"):
            recorder.start(feed, name)
    assert feed.acquisition.taps == []
    assert feed.broadcast.readers == []
    assert not recorder.root.exists()


def test_stopping_leaves_the_source_and_the_group(feed: HandFeed, recorder: RecordingService) -> None:
    recorder.start(feed, "one")
    assert feed.broadcast.options[0].fps == 30.0
    recorder.stop("one")
    assert recorder.stop("one").state == "complete"
    assert feed.acquisition.taps == []
    assert [reader.closed for reader in feed.broadcast.readers] == [1]


def test_a_source_that_ends_completes_its_recording(feed: HandFeed, recorder: RecordingService) -> None:
    recorder.start(feed, "one")
    feed.give(10)
    feed.source.give(None)
    until(lambda: recorder.state("one").state == "complete")
    assert recorder.state("one").samples == 10
    with pytest.raises(NotReadyError, match="the source hand has ended"):
        recorder.start(feed, "two")


def test_a_source_that_comes_back_goes_on_in_the_same_recording(
    feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one")
    feed.give(10)
    feed.source.give(SourceError("unplugged"))
    until(lambda: feed.acquisition.state == "disconnected")
    feed.give(10, restart=True)
    assert recorder.stop("one").samples == 20


def test_closing_the_recorder_finishes_every_recording(tmp_path: Path, feed: HandFeed) -> None:
    recorder = recorder_in(tmp_path)
    recorder.start(feed, "one")
    feed.give(10)
    recorder.close()
    recorder.close()
    end = folders.read_end(tmp_path, "one")
    assert end is not None
    assert (end.state, end.samples) == ("complete", 10)


def written(root: Path, name: str) -> int:
    """The samples that are on the disk."""
    end = folders.read_end(root, name)
    return 0 if end is None else end.samples


def test_what_a_killed_server_left_is_found_at_the_next_start(
    tmp_path: Path, feed: HandFeed, caplog: pytest.LogCaptureFixture
) -> None:
    killed = recorder_in(tmp_path)
    killed.start(feed, "one")
    feed.give(10)
    until(
        lambda: written(tmp_path, "one") == 10
    )  # and not in an fsync, which would keep the lock beyond close
    running = recorder_in(tmp_path)  # of another process: it must leave alone what is being written
    running.open()
    assert running.state("one").state == "recording"
    killed._sessions["one"].writer._file.close()  # what the kernel does
    with caplog.at_level(logging.WARNING):
        running.open()
    assert "left behind by a killed server: 10 samples" in caplog.text
    state = running.state("one")
    assert (state.state, state.recovered, state.samples, state.source) == ("complete", True, 10, "hand")
    running.close()


def test_another_worker_sees_prompts_and_stops_a_recording(tmp_path: Path, feed: HandFeed) -> None:
    """All that workers know of each other's recordings is on the disk; the lock of one keeps the other away."""
    one, other = recorder_in(tmp_path), recorder_in(tmp_path)
    other.open()
    one.start(feed, "one", plan=LabelPlan((Step("fist", 5.0, 1),), countdown_s=0.05))
    feed.give(5)
    feed.give(10, gap=5)
    until(lambda: other.state("one").samples == 15)
    state = other.state("one")
    assert (state.state, state.gaps, state.lost_samples, state.source) == ("recording", 1, 5, "hand")
    assert state.prompt is not None
    assert (state.prompt.label, state.prompt.seconds_left) == ("fist", pytest.approx(5.05 - 20 / RATE))
    with pytest.raises(BusyError, match="the source hand is being recorded as one"):
        other.start(feed, "two")
    for refused in (other.remove, lambda name: other.export(name, "npz")):
        with pytest.raises(BusyError, match="still being written"):
            refused("one")
    stopped = other.stop("one")
    assert (stopped.state, stopped.samples, stopped.prompt) == ("complete", 15, None)
    assert one.state("one").state == "complete"
    assert feed.acquisition.taps == []
    other.start(feed, "two")
    other.close()
    one.close()


def test_a_queue_that_is_full_makes_a_gap_and_not_a_crash(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer: the native thread is held, and the queue is as small as one chunk."""
    monkeypatch.setattr(take, "MAX_WAITING", 40)
    recorder.start(feed, "one")
    held = threading.Event()
    waiting = threading.Thread(target=lambda: recorder._writing.do(held.wait))
    waiting.start()
    for _ in range(5):
        feed.give(10)
    held.set()
    waiting.join()
    until(lambda: recorder.state("one").samples >= 10)
    feed.give(10)
    state = recorder.stop("one")
    assert 20 <= state.samples < 60
    assert state.samples + state.lost_samples == 60
    assert state.state == "complete"


def test_the_size_of_a_recording_has_a_limit(
    feed: HandFeed, recorder: RecordingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "MAX_BYTES", 200)
    recorder.start(feed, "one")
    feed.give(100)
    until(lambda: recorder.state("one").state == "complete")


def test_a_recording_that_runs_is_neither_exported_nor_deleted(
    feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one")
    with pytest.raises(BusyError, match="still being written"):
        recorder.export("one", "npz")
    with pytest.raises(BusyError, match="still being written"):
        recorder.remove("one")
    recorder.stop("one")
    recorder.remove("one")
    assert recorder.states() == []
    for look in (recorder.state, recorder.stop, recorder.remove, lambda name: recorder.export(name, "bdf")):
        with pytest.raises(RecordingNameError, match="there is no recording one"):
            look("one")
    recorder.start(feed, "one")
    assert recorder.stop("one").samples == 0


def test_an_export_leaves_no_file_behind(tmp_path: Path, feed: HandFeed, recorder: RecordingService) -> None:
    recorder.start(feed, "one")
    feed.give(10)
    recorder.stop("one")
    before = sorted(recorder.root.rglob("*"))
    for form in ("npz", "bdf"):
        recorder.export("one", form)[0].close()
    assert sorted(recorder.root.rglob("*")) == before


def test_one_damaged_recording_hides_no_other(feed: HandFeed, recorder: RecordingService) -> None:
    for name in ("one", "two"):
        recorder.start(feed, name)
        recorder.stop(name)
    again = recorder_in(recorder.root)
    (recorder.root / "one" / folders.HEADER).write_text("{")
    again.open()
    states = {state.name: state for state in again.states()}
    assert states["two"].state == "complete"
    assert states["one"].state == "damaged"
    assert "is damaged" in (states["one"].error or "")
    again.remove("one")
    assert [state.name for state in again.states()] == ["two"]
    again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_fails_the_recording_and_nothing_else(
    small_disk: Path, feed: HandFeed, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = recorder_in(small_disk)
    recorder.start(feed, "one")
    for wanted in range(1000, 41_000, 1000):
        feed.give(1000)
        until(lambda: recorder.state("one").samples >= wanted or recorder.state("one").state == "failed")  # noqa: B023
        if recorder.state("one").state == "failed":
            break
    until(lambda: recorder.state("one").state == "failed")
    reason = os.strerror(errno.ENOSPC)
    assert recorder.state("one").error == f"the recording cannot be written: {reason}"
    assert reason in caplog.text
    assert feed.acquisition.taps == []
    feed.give(10)
    assert feed.acquisition.state == "running"
    recorder.close()
    later = recorder_in(small_disk)  # the reason was written although nothing else could be
    later.open()
    state = later.state("one")
    assert (state.state, state.error) == ("failed", f"the recording cannot be written: {reason}")
    assert state.samples > 0
    assert len(exported_elsewhere(later, small_disk)) == state.samples
    later.remove("one")
    later.close()


def exported_elsewhere(recorder: RecordingService, disk: Path) -> np.ndarray:
    """What is whole in a log on a full disk, read without writing."""
    from app.emg.recording.contents import opened

    with pytest.raises(NotReadyError, match="cannot be exported"):
        recorder.export("one", "npz")
    with opened(disk, "one") as held:
        return np.concatenate([rows.sample_index for rows in held.rows()])


def test_a_disk_that_is_full_from_the_beginning_refuses_the_start(small_disk: Path, feed: HandFeed) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(2**20))
    recorder = recorder_in(small_disk / "recordings")
    with pytest.raises(NotReadyError, match="the recording cannot be written: No space left"):
        recorder.start(feed, "one")
    assert feed.acquisition.taps == []
    assert recorder.states() == []
    recorder.close()


def test_a_folder_that_may_not_be_written_refuses_the_start(tmp_path: Path, feed: HandFeed) -> None:
    (tmp_path / "recordings").write_text("a file where the folder should be")
    recorder = recorder_in(tmp_path / "recordings")
    with pytest.raises(NotReadyError, match=r"the recording cannot be written: .* is not a folder"):
        recorder.start(feed, "one")
    recorder.close()


def test_a_source_that_no_model_reads_is_recorded_with_gestures_of_ones_own(
    tmp_path: Path, feed: HandFeed
) -> None:
    recorder = recorder_in(tmp_path / "recordings")
    feed.use.model = None
    try:
        plan = LabelPlan((Step("手を握る", 0.1, 1), Step("open (50 %)", 0.1, 1)), countdown_s=0.0)
        state = recorder.start(feed, "one", plan=plan)
        assert state.model is None
        feed.give(40)
        until(lambda: recorder.state("one").over)
        found = exported(recorder, "one", tmp_path)
        assert found["gesture_names"].tolist() == ["手を握る", "open (50 %)"]
        assert found["label"].tolist() == [0] * 20 + [1] * 20
        assert (str(found["model"]), found["prediction"].tolist()) == ("", [])
    finally:
        recorder.close()


OTHER = hand_model("other", "rest", "point", "fist")


def test_a_change_of_the_model_is_kept_and_each_prediction_means_what_its_model_said(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    """The frames are all of class 1: fist to the first model, point to the other."""
    recorder.start(feed, "one")
    feed.give(40)
    feed.broadcast.publish(20, TINY)
    feed.broadcast.change(25, OTHER)
    feed.broadcast.publish(30, OTHER)
    feed.broadcast.change(35, None)
    state = recorder.stop("one")
    assert state.model is not None
    assert (state.model.name, state.model_changes, state.predictions) == ("tiny", 2, 2)
    found = exported(recorder, "one", tmp_path)
    names = found["model_classes"]
    assert names.tolist() == ["rest", "fist", "point"]
    assert names[found["prediction"]].tolist() == names[found["decision"]].tolist() == ["fist", "point"]
    assert found["models"].tolist() == ["tiny", "other"]
    assert found["models_sha256"].tolist() == [TINY.sha256, OTHER.sha256]
    assert found["prediction_model"].tolist() == [0, 1]
    assert found["model_changes"].tolist() == [[25, 1], [35, -1]]


def test_a_recording_without_a_model_hears_the_predictions_of_one_that_is_chosen_later(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    feed.use.model = None
    assert recorder.start(feed, "one").model is None
    feed.give(20)
    feed.broadcast.change(10, OTHER)
    feed.broadcast.publish(15, OTHER)
    state = recorder.stop("one")
    assert (state.predictions, state.model_changes) == (1, 1)
    found = exported(recorder, "one", tmp_path)
    assert (str(found["model"]), found["model_changes"].tolist()) == ("other", [[10, 0]])
    assert found["model_classes"][found["prediction"]].tolist() == ["point"]


def test_a_group_that_is_behind_or_ahead_as_the_recording_begins_says_itself_whose_its_frames_are(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    """The header is of the model of the newest sample; the group's next window may end before that change."""
    feed.use.model = open_model(OTHER)
    recorder.start(feed, "one")
    feed.give(20)
    feed.broadcast.publish(5, TINY)
    feed.broadcast.change(10, OTHER)
    feed.broadcast.publish(15, OTHER)
    recorder.stop("one")
    found = exported(recorder, "one", tmp_path)
    assert found["model_classes"][found["prediction"]].tolist() == ["fist", "point"]


def test_a_queue_that_is_full_loses_predictions_but_never_whose_they_are(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.start(feed, "one")
    feed.give(20)
    with monkeypatch.context() as full:
        full.setattr(take, "MAX_WAITING", 0)
        feed.broadcast.publish(5, TINY)
        feed.broadcast.change(10, OTHER)
    feed.broadcast.publish(15, OTHER)
    assert recorder.stop("one").predictions == 1
    found = exported(recorder, "one", tmp_path)
    assert found["model_classes"][found["prediction"]].tolist() == ["point"]


def test_what_a_source_delivers_beside_emg_is_recorded_with_it(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    """A chunk may come before the EMG it belongs to, and its buffer may be used again."""
    motion = AuxStream(name="motion", channel_names=("x", "y"), units="g", sampling_rate=50.0)
    feed.source.aux_streams, feed.source.channel_names = (motion,), ("biceps",)  # type: ignore[attr-defined]  # few have them
    recorder.start(feed, "one")
    values = np.array([[1, 2], [3, 4]], np.float32)
    feed.give(10, aux=(AuxChunk(stream=0, at=-1.5, samples=values),))
    values[:] = 9
    recorder.stop("one")
    found = exported(recorder, "one", tmp_path)
    assert found["aux_motion"].tolist() == [[1, 2], [3, 4]]
    assert found["aux_motion_at"].tolist() == [-1.5, 2.5]
    assert found["channel_names"].tolist() == ["biceps"]
