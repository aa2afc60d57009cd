"""The source of a worker changes while it is read: streams are told and go on, a recording ends, outputs say rest."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import ROOT
from app.emg.signal.windows import Grid
from app.serving.recordings.session import RecordingSession
from app.serving.streams.group_events import GroupEvent
from tests.emg.written import HEADER
from tests.serving.station import OPTIONS, HandFed, Station, make_frame, until
from tests.serving.streams.switching import TIMED_S

Event = dict[str, Any]


@pytest.fixture(scope="module", params=["gevent", "plain"])
def got(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = str(tmp_path_factory.mktemp("switching"))
    command = [sys.executable, "-m", "tests.serving.streams.switching", request.param, folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def course(events: list[Event]) -> list[str]:
    """Each event's kind, those that follow one another as one."""
    kinds = [
        event.get("status") or event.get("error") or ("frames" if "prediction" in event else "signal")
        for event in events
    ]
    return [kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["long", "direct"])
def test_streams_hear_of_each_change_and_go_on(got: Any, stream: str) -> None:
    assert course(got[stream]) == [
        *("frames", "stalled", "recovered", "signal"),
        *("stalled", "recovered", "frames"),
        *("stalled", "recovered", "frames"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["long", "direct"])
def test_a_decision_falls_to_rest_where_there_was_one(got: Any, stream: str) -> None:
    first, without, none, back, *_ = [event for event in got[stream] if "status" in event]
    assert (first["decision"], first["decision_label"]) == (0, "rest")
    assert "decision" not in without
    assert "decision" not in none
    assert (back["decision"], back["decision_label"]) == (0, "rest")


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["long", "timed", "direct", "resumed"])
def test_the_frames_are_in_order_across_the_changes(got: Any, stream: str) -> None:
    """Window k ends when 20 of them a second do, whatever rate it is counted at."""
    frames = [event for event in got[stream] if "sample_index" in event]
    assert all(after["k"] > before["k"] for before, after in pairwise(frames))
    assert [frame["frame"] for frame in frames] == list(
        range(frames[0]["frame"], frames[0]["frame"] + len(frames))
    )
    for frame in frames:
        rate = 200 if "prediction" in frame else 1000
        assert frame["sample_index"] == round((frame["k"] + 1) * rate / 20)


@pytest.mark.slow
def test_a_stream_with_a_duration_ends_in_its_time_with_all_its_frames(got: Any) -> None:
    *events, last = got["timed"]
    assert (last["status"], "reason" in last) == ("completed", False)
    assert last["duration_seconds"] == pytest.approx(TIMED_S, abs=0.5)
    newest = [event for event in events if "sample_index" in event][-1]
    assert last["total_frames"] + newest["dropped"] == pytest.approx(20 * TIMED_S, abs=6)
    assert "stalled" in course(events)


@pytest.mark.slow
def test_a_stream_that_was_cut_before_the_change_goes_on_after_it(got: Any) -> None:
    """It came while the new source had no sample yet, and was taken for a stranger: what it missed was not counted."""
    frames = [event for event in got["resumed"] if "sample_index" in event]
    assert frames[0]["frame"] == got["left_at"]["frames"]
    missed = frames[0]["k"] - got["left_at"]["k"] - 1
    assert frames[0]["dropped"] >= missed
    assert "prediction" in frames[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["old", "next"])
def test_the_recording_of_the_source_before_is_complete_and_has_nothing_of_the_next(
    got: Any, name: str
) -> None:
    """It heard the predictions of the next source until it noticed that its own was gone."""
    recording = got["recordings"][name]
    assert recording["state"] == "complete"
    assert recording["samples"] >= 90
    assert recording["predictions"]
    assert max(recording["predictions"]) <= recording["ends"]


def test_a_recording_whose_source_is_gone_hears_no_prediction() -> None:
    """It is a quarter of a second until it notices, and meanwhile they are of the next source."""
    acquisition = SimpleNamespace(state="running", source=None)
    session = RecordingSession(SimpleNamespace(header=HEADER), acquisition, None)  # type: ignore[arg-type]  # not started
    event = GroupEvent(0, 0, 0, b"", make_frame(10))
    session.hear(event, 0)
    acquisition.state = "ended"
    session.hear(event, 0)
    assert len(session._queue) == 1


@pytest.mark.slow
def test_outputs_say_rest_while_no_model_reads_the_source(got: Any) -> None:
    assert got["outputs"][-1] == "0 0.00"
    assert got["outputs"].count("0 0.00") >= 2


@pytest.mark.slow
def test_the_worker_knows_what_it_reads(got: Any) -> None:
    assert got["without"] == {"name": "simulator", "channels": 2, "model": False}
    assert got["ready"] == []


def moved(station: Station, rate: float = 100.0) -> HandFed:
    """The next source of the station, which has delivered nothing yet."""
    after = HandFed(rate)
    station.source = after
    station.broadcast.move(after)  # type: ignore[arg-type]  # an Acquisition by what is asked of it
    return after


def test_a_group_whose_source_had_ended_reads_the_next_one() -> None:
    """It counted as ended for good: each stream of the next source got its last word at once."""
    station = Station()
    with_one = station.broadcast.join(OPTIONS)
    station.source.state = "ended"
    until(lambda: not with_one.take(0.01) and with_one.ended)
    with_one.close()
    after = moved(station)
    reader = station.broadcast.join(OPTIONS)
    assert not reader.ended
    after.window()
    until(lambda: station.frames)
    assert not reader.ended
    reader.close()


def test_what_was_reached_before_a_change_counts_until_the_next_source_begins() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    for _ in range(3):
        made = len(station.frames)
        station.source.window()
        until(lambda made=made: len(station.frames) > made)
    reached = station.broadcast.reached(OPTIONS)
    assert reached >= 2
    moved(station)
    assert station.broadcast.reached(OPTIONS) == reached
    reader.close()


def test_a_group_that_is_too_fast_for_the_next_source_gets_its_fastest_grid() -> None:
    station = Station()
    reader = station.broadcast.join(OPTIONS)
    after = moved(station, rate=5.0)  # of 10 fps
    after.feed(round(Grid(5.0, 5.0).end_of(0)) + 20)
    until(lambda: station.frames)
    assert all(end == int(end) for end in station.frames)
    reader.close()


def test_a_worker_that_is_behind_the_one_that_died_repeats_no_frame() -> None:
    """A client's last window was ahead of the next worker's, which took it for a stranger and sent it again."""
    station = Station()
    reader = station.broadcast.join(OPTIONS, after=3)
    heard: list[int] = []

    def hear(event: GroupEvent, _missed: int) -> bool:
        heard.append(event.k)
        return True

    reader.listen(hear)
    for count in range(1, 7):
        station.source.window()
        until(lambda count=count: len(station.frames) == count)
    until(lambda: heard == [4, 5])
    reader.close()
