"""A recording with a cursor that is followed: the cursor lies beside the signal, sample by sample, and ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.files.loading import load_path
from app.emg.recording import folder as folders
from app.emg.recording.prompts.trajectory import RATE_HZ, Trajectory
from app.emg.simulated.simulator import Simulator
from app.emg.simulated_person import MOST_JOINTS, Wish, gesture_of
from app.errors import DataError
from app.learning.values.followed import follow
from app.serving.recordings.cursor import AHEAD_S, FollowedCursor
from app.serving.recordings.service import RecordingService
from tests.serving.recorded import RATE, HandFeed, recorder_in
from tests.serving.station import until

PLAN = Trajectory(("wrist", "hand"), 20.0, 3, frozenset({"hand"}))


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


def exported(recorder: RecordingService, name: str, path: Path) -> Path:
    file, _ = recorder.export(name, "npz")
    with file:
        path.write_bytes(file.read())
    return path


def test_the_cursor_lies_beside_the_samples_that_it_was_shown_with(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    feed.give(30)  # before: not part of it
    recorder.start(feed, "one", follow=PLAN)
    for _ in range(90):
        feed.give(20)
    feed.give(20, gap=400)  # two seconds are lost; the cursor went on
    for _ in range(90):
        feed.give(20)
    assert recorder.stop("one").state == "complete"

    [found] = load_path(exported(recorder, "one", tmp_path / "one.npz"), labelled=False)
    known = follow([found])

    index = np.concatenate([np.arange(30, 1830), np.arange(2230, 4050)])
    expected = PLAN.at((index - 30) / RATE)
    inside = np.isfinite(known.target).all(axis=1)
    assert [(value.name, value.low, value.high) for value in known.values] == [
        ("wrist", -1, 1),
        ("hand", 0, 1),
    ]
    assert inside.mean() > 0.97
    np.testing.assert_allclose(known.target[inside], expected[inside], atol=0.06)
    assert np.abs(known.target[inside] - expected[inside]).mean() < 0.005


def test_it_ends_with_the_cursor_and_says_where_that_is_until_then(
    feed: HandFeed, recorder: RecordingService
) -> None:
    assert recorder.start(feed, "one", follow=PLAN).cursor is None  # before the first sample
    for _ in range(30):
        feed.give(20)
    now = recorder.state("one").cursor
    assert now is not None
    assert (now.position_seconds, now.seconds) == (3.0, 20.0)
    times = 3.0 + np.arange(len(now.ahead["wrist"])) * now.step_seconds
    assert times[-1] == pytest.approx(3.0 + AHEAD_S)
    np.testing.assert_allclose(
        np.stack([now.ahead[name] for name in PLAN.names], 1), PLAN.at(times), atol=1e-3
    )
    for _ in range(171):
        feed.give(20)
    until(lambda: recorder.state("one").over)
    assert recorder.state("one").cursor is None
    assert recorder.state("one").samples >= 20 * RATE


def test_chunks_of_any_size_give_the_same_cursor() -> None:
    def written(size: int) -> np.ndarray:
        cursor = FollowedCursor(PLAN, 200.0, 0)
        parts = [cursor.due(7, position) for position in range(size, 5000, size)]
        found = [part for part in parts if part is not None]
        places = np.concatenate([part.at + 4 * np.arange(len(part.samples)) for part in found])
        assert (places == 7 + 4 * np.arange(len(places))).all()
        return np.concatenate([part.samples for part in found])

    np.testing.assert_array_equal(written(1), written(300)[: len(written(1))])
    assert len(written(1)) == round(20 * RATE_HZ)


def test_a_source_slower_than_the_cursor_has_one_of_it_for_each_sample() -> None:
    cursor = FollowedCursor(PLAN, 20.0, 0)
    found = cursor.due(0, 100)
    assert found is not None
    assert len(found.samples) == 100


def test_a_source_with_a_stream_of_that_name_is_refused(feed: HandFeed, recorder: RecordingService) -> None:
    stream = AuxStream(name="trajectory", channel_names=("x",), units="1", sampling_rate=50.0)
    feed.source.aux_streams = (stream,)  # type: ignore[attr-defined]  # as a source has that brings some
    with pytest.raises(DataError, match="has a stream trajectory of its own"):
        recorder.start(feed, "one", follow=PLAN)
    assert folders.names(recorder.root) == []


def test_what_a_device_brings_stands_before_it(
    tmp_path: Path, feed: HandFeed, recorder: RecordingService
) -> None:
    stream = AuxStream(name="battery", channel_names=("level",), units="V", sampling_rate=20.0)
    feed.source.aux_streams = (stream,)  # type: ignore[attr-defined]  # as a source has that brings some
    recorder.start(feed, "one", follow=PLAN)
    for at in range(0, 6000, 20):
        feed.give(20, aux=(AuxChunk(stream=0, at=float(at), samples=np.full((2, 1), 3.7, np.float32)),))
    recorder.stop("one")
    [found] = load_path(exported(recorder, "one", tmp_path / "one.npz"), labelled=False)
    battery, trajectory = sorted(found.aux, key=lambda one: one.stream.name)
    assert (battery.samples == np.float32(3.7)).all()
    assert trajectory.stream.channel_names == PLAN.names


@pytest.mark.parametrize("levels", [(), (0.5,), (-1.0, 1.0, 0.0), tuple(np.linspace(-1, 1, MOST_JOINTS))])
def test_levels_are_told_to_a_simulated_person_in_one_number(levels: tuple[float, ...]) -> None:
    number = gesture_of(levels)
    assert number < 0
    assert float(number) == number  # what workers share is a double
    assert int(float(number)) == number
    assert Wish(1, int(float(number))).levels == pytest.approx(levels, abs=0.5 / 127)
    assert Wish(1, 3).levels is None


def test_a_simulated_person_moves_as_far_as_they_are_shown_and_then_does_what_they_like() -> None:
    source = Simulator(8, 200.0, ("rest", "fist", "point"), seed=2, speed=None)

    def level(levels: tuple[float, ...]) -> np.ndarray:
        powers = []
        for _ in range(30):
            source.person.follow(levels, 0.5)
            samples, labels = source.generate(50)
            powers.append(np.square(samples).mean(axis=0))
        assert not labels.any(), "no gesture meanwhile"
        return np.mean(powers[8:], axis=0)

    still, half, full, other = (level(one) for one in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, -1.0)))
    assert still.mean() < 0.02 * full.mean()
    assert np.sqrt((half - still).mean() / (full - still).mean()) == pytest.approx(0.5, abs=0.1)
    assert np.corrcoef(full, other)[0, 1] < 0.6, "other muscles"
    assert source.generate(6000)[1].any(), "gestures again"
