"""Prompts that are paused, redone and skipped while a source is recorded: what is kept, and who may say so."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.recording import folder as folders
from app.emg.recording.prompts import prompt_log
from app.emg.recording.prompts.label_plan import LabelPlan, Step
from app.emg.source import UNLABELLED
from app.errors import BusyError, RecordingNameError
from app.serving.recordings.info import RecordingInfo
from app.serving.recordings.service import RecordingService
from tests.serving.recorded import HandFeed, recorder_in
from tests.serving.station import until

# At 200 Hz: countdown 10 samples, rest 20, fist 40, rest 20, point 40. The first sample is number 7.
PLAN = LabelPlan(
    (Step("rest", 0.1, 1), Step("fist", 0.2, 1), Step("rest", 0.1, 1), Step("point", 0.2, 1)),
    countdown_s=0.05,
)
FIRST = 7


@pytest.fixture
def feed() -> Iterator[HandFeed]:
    feed = HandFeed()
    feed.give(FIRST)
    yield feed
    feed.close()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[RecordingService]:
    recorder = recorder_in(tmp_path / "recordings")
    yield recorder
    recorder.close()


def labels(recorder: RecordingService, name: str, folder: Path) -> tuple[list[str], np.ndarray]:
    """The names, and the label at each place since the first sample."""
    file, _ = recorder.export(name, "npz")
    with file:
        (folder / "out.npz").write_bytes(file.read())
    found = load(folder / "out.npz")
    return list(found.gesture_names), np.asarray(found.label)


def asked(state: RecordingInfo) -> list[tuple[str, int, int, str]]:
    assert state.repetitions is not None
    return [(one.label, one.first_sample, one.end_sample, one.state) for one in state.repetitions]


def test_what_is_redone_is_not_labelled_and_the_recording_says_what_was_asked(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one", plan=PLAN)
    feed.give(60)
    feed.give(15, gap=5)  # place 80: ten samples into the second rest
    assert asked(recorder.state("one")) == [("rest", 17, 37, "done"), ("fist", 37, 77, "done")]
    state = recorder.prompt("one", "redo")
    assert state.prompt is not None
    assert (state.prompt.label, state.prompt.next_label, state.prompt.seconds_left) == (None, "fist", 0.05)
    feed.give(10 + 40 + 20 + 40)
    until(lambda: recorder.state("one").state == "complete")
    assert asked(recorder.state("one")) == [
        ("rest", 17, 37, "done"),
        ("fist", 37, 77, "redone"),
        ("rest", 77, 87, "redone"),
        ("fist", 97, 137, "done"),
        ("rest", 137, 157, "done"),
        ("point", 157, 197, "done"),
    ]
    names, label = labels(recorder, "one", tmp_path)
    assert names == ["rest", "fist", "point"]
    expected = [UNLABELLED] * 10 + [0] * 20 + [UNLABELLED] * 60 + [1] * 40 + [0] * 20 + [2] * 40
    assert label.tolist() == expected[:60] + expected[65:]  # five were lost


def test_a_paused_plan_does_not_end_and_the_step_begins_anew(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one", plan=PLAN)
    feed.give(50)  # half the fist
    assert recorder.prompt("one", "pause").prompt is not None
    feed.give(500)
    state = recorder.prompt("one", "resume")
    assert (state.state, state.prompt is not None) == ("recording", True)
    feed.give(10 + 40 + 20 + 40)
    until(lambda: recorder.state("one").state == "complete")
    _, label = labels(recorder, "one", tmp_path)
    assert np.flatnonzero(label == 1).tolist() == list(range(560, 600))


def test_actions_are_refused_where_they_make_no_sense(feed: HandFeed, recorder: RecordingService) -> None:
    recorder.start(feed, "one", plan=PLAN)
    for action, reason in (("resume", "not paused"), ("redo", "nothing has been asked")):
        with pytest.raises(BusyError, match=reason):
            recorder.prompt("one", action)
    recorder.stop("one")
    with pytest.raises(BusyError, match="is over"):
        recorder.prompt("one", "pause")
    recorder.start(feed, "two")
    with pytest.raises(BusyError, match="has no plan"):
        recorder.prompt("two", "pause")
    with pytest.raises(RecordingNameError):
        recorder.prompt("three", "pause")
    assert asked(recorder.state("two")) == []


def test_an_action_after_the_last_sample_is_done_or_refused_and_never_lost(
    feed: HandFeed, recorder: RecordingService
) -> None:
    """The plan's end and somebody's redo come at the same moment: either it goes on, or it is said that it is over."""
    for turn in range(5):
        recorder.start(feed, f"r{turn}", plan=PLAN)
        feed.give(130)
        try:
            recorder.prompt(f"r{turn}", "redo")
        except BusyError:
            until(lambda turn=turn: recorder.state(f"r{turn}").state == "complete")
            continue
        assert recorder.state(f"r{turn}").prompt is not None
        feed.give(50)
        until(lambda turn=turn: recorder.state(f"r{turn}").state == "complete")
        assert asked(recorder.state(f"r{turn}"))[-1][3] == "done"


def test_another_worker_pauses_and_sees_what_was_asked(tmp_path: Path, feed: HandFeed) -> None:
    """It knows of the recording by the disk alone, and asks the one that writes it."""
    one, other = recorder_in(tmp_path), recorder_in(tmp_path)
    one.start(feed, "one", plan=PLAN)
    feed.give(80)
    until(lambda: other.state("one").samples == 80)
    assert asked(other.state("one")) == [("rest", 17, 37, "done"), ("fist", 37, 77, "done")]
    state = other.prompt("one", "redo")
    assert state.prompt is not None
    assert (state.prompt.label, state.prompt.next_label) == (None, "fist")
    assert asked(state) == asked(one.state("one"))
    with pytest.raises(BusyError, match="asked again already"):
        other.prompt("one", "redo")
    assert not list((tmp_path / "one").glob("*.ask"))
    one.stop("one")
    with pytest.raises(BusyError, match="is over"):
        other.prompt("one", "pause")
    other.close()
    one.close()


def test_what_was_redone_is_known_after_a_kill(tmp_path: Path, feed: HandFeed) -> None:
    killed = recorder_in(tmp_path)
    killed.start(feed, "one", plan=PLAN)
    feed.give(80)
    killed.prompt("one", "redo")
    feed.give(30)
    until(lambda: (end := folders.read_end(tmp_path, "one")) is not None and end.samples == 110)
    killed._sessions["one"].writer._file.close()  # what the kernel does
    with (tmp_path / "one" / folders.PROMPTS).open("ab") as file:
        file.write(b'{"at": 100, "action": "red')  # torn
    later = recorder_in(tmp_path)
    later.open()
    state = later.state("one")
    assert state.recovered
    assert [one[3] for one in asked(state)] == ["done", "redone", "redone"]
    _, label = labels(later, "one", tmp_path)
    assert np.flatnonzero(label == 1).tolist() == list(range(90, 110))  # of the second fist
    later.close()


@pytest.mark.parametrize(
    "line",
    [
        '{"at": -1, "action": "pause", "index": null}',
        '{"at": 3, "action": "explode", "index": null}',
        '{"at": 3, "action": "resume", "index": null}',
        '{"entry": 0, "verdict": "fine", "advice": null}',
        "[]",
        "{" * 9999,
    ],
    ids=range(6),
)
def test_nothing_in_the_file_is_trusted(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService, line: str
) -> None:
    recorder.start(feed, "one", plan=PLAN)
    feed.give(60)
    recorder.stop("one")
    (recorder.root / "one" / folders.PROMPTS).write_text(f'{{"first": 7}}\n{line}\n{{"first": 9}}\n')
    assert asked(recorder_in(recorder.root).state("one")) == [("rest", 17, 37, "done")]


def test_a_file_that_asks_for_nothing_known_is_taken_away(feed: HandFeed, recorder: RecordingService) -> None:
    recorder.start(feed, "one", plan=PLAN)
    feed.give(20)
    folder = recorder.root / "one"
    token = "0" * 16
    (folder / f"prompt-{token}.ask").write_text('{"action": "explode"}')
    os.mkfifo(folder / f"prompt-{'1' * 16}.ask")  # must hold nobody up
    until(lambda: not list(folder.glob("*.ask")))
    assert recorder.stop("one").state == "complete"


def test_many_who_act_at_once_get_an_answer_each_and_the_file_is_what_happened(
    feed: HandFeed, recorder: RecordingService
) -> None:
    recorder.start(feed, "one", plan=PLAN)
    feed.give(40)
    done: list[Any] = []

    def act() -> None:
        for action in ("pause", "resume", "redo"):
            try:
                recorder.prompt("one", action)
                done.append(action)
            except BusyError:
                done.append(None)

    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 24
    recorder.stop("one")
    held = prompt_log.read(recorder.root, folders.read_header(recorder.root, "one"))
    assert held is not None
    assert held.course.actions == sum(one is not None for one in done)
    assert held.repetitions(40) == recorder.state("one").repetitions
