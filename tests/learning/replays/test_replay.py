"""Replays: the windows and predictions of a live stream, and what their decisions are worth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import Recording, load
from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid
from app.emg.simulated.playback import Playback
from app.emg.source import UNLABELLED
from app.errors import DataError
from app.inference.artefact import Artefact
from app.inference.decision_rule import DecisionRule
from app.inference.prediction import normalise, predict
from app.inference.pytorch.backend import TorchBackend
from app.learning.batches import Windows
from app.learning.datasets import Dataset, read
from app.learning.replays import replay
from app.learning.replays.decision_quality import change_figures, change_quality
from app.learning.replays.splicing import spliced
from app.learning.shipping import network_of
from app.serving.sources.acquisition import Acquisition
from tests.learning import makers

BAND = ({"kind": "bandpass", "order": 2, "low_hz": 20, "high_hz": 90},)
FPS, RATE = 10.0, 200


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return load(makers.person(tmp_path / "S01.npz", repetitions=2))


@pytest.fixture(params=["tcn", "spiking_tcn", "power"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Artefact:
    return makers.artefact(tmp_path / "tiny", filters=BAND, architecture=request.param)


def replayed(recording: Recording, model: Artefact) -> replay.Replay:
    backend = TorchBackend(network_of(model), model.manifest, "cpu")
    return replay.replay(recording, model.manifest, backend, mains=None)


def windows_ending_at(data: Dataset, ends: np.ndarray) -> Dataset:
    """The dataset with windows there instead of its own."""
    start = ends - data.length
    same = {
        name: np.resize(getattr(data, name), len(ends))
        for name in ("label", "repetition", "session", "person")
    }
    return replace(data, start=start, first=start, end=ends, **same)


def test_its_predictions_equal_the_offline_ones_exactly(recording: Recording, model: Artefact) -> None:
    """Train/serve identity: what a stream says of a window is what training and evaluation say of it."""
    stream = replayed(recording, model)
    manifest = model.manifest
    offline = windows_ending_at(read([recording], manifest, mains=None), stream.end)

    expected = Windows(offline, manifest.mean, manifest.std).predict(
        network_of(model), np.arange(len(stream.end))
    )

    assert len(stream.end) > 50
    np.testing.assert_array_equal(stream.prediction, expected)


@pytest.mark.parametrize("chunk", [1, 7, 20, 4000], ids="chunks of {}".format)
def test_the_live_path_cuts_the_very_same_windows(recording: Recording, model: Artefact, chunk: int) -> None:
    """Acquisition, filter, ring and grid, one window at a time, in whatever chunks the samples come."""
    stream, manifest = replayed(recording, model), model.manifest
    path = SignalPath(Ring(len(recording.emg) + 1, recording.channels), design(BAND, recording.fs, None))
    acquisition = Acquisition(Playback([recording], speed=None, loop=False, chunk=chunk), path)
    acquisition.start()
    path.ring.wait_beyond(len(recording.emg), timeout=10)
    backend = TorchBackend(network_of(model), manifest, "cpu")
    grid = Grid(recording.fs, FPS)

    live = {}
    for k in range(grid.last_at_or_before(path.ring.newest) + 1):
        window = path.ring.window(grid.end_of(k), manifest.length)
        if window is not None:
            batch = normalise(window[np.newaxis], manifest.mean, manifest.std)
            live[grid.end_of(k)] = predict(backend.infer(batch).logits).prediction[0]
    acquisition.close()

    assert list(live) == stream.end.tolist()
    assert list(live.values()) == stream.prediction.tolist()


def test_a_window_never_spans_two_pieces(recording: Recording, model: Artefact) -> None:
    stream = replayed(recording, model)

    starts = recording.recording[stream.end - model.manifest.length]
    np.testing.assert_array_equal(starts, recording.recording[stream.end - 1])


def test_the_truth_is_the_label_of_the_windows_last_sample(recording: Recording, model: Artefact) -> None:
    stream = replayed(recording, model)

    np.testing.assert_array_equal(stream.truth, recording.label[stream.end - 1])


def test_a_recording_shorter_than_a_window_is_refused(tmp_path: Path, model: Artefact) -> None:
    columns = ("label", "repetition", "session", "recording")
    short = {"emg": np.zeros((3, 4), np.int8), **dict.fromkeys(columns, np.zeros(3, np.int8))}

    with pytest.raises(DataError, match="shorter than one window of 20 samples"):
        replayed(load(makers.person(tmp_path / "S02.npz", **short)), model)


def made_stream(truth: list[int], prediction: list[int], piece: list[int] | None = None) -> replay.Replay:
    """A window every 0.1 s."""
    n = len(truth)
    pieces = np.array(piece or [0] * n)
    new = (np.diff(truth, prepend=truth[0]) != 0) | (np.diff(pieces, prepend=pieces[0]) != 0)
    return replay.Replay(
        end=np.arange(n),
        truth=np.array(truth),
        stretch=np.cumsum(new),
        piece=pieces,
        prediction=np.array(prediction),
        confidence=np.full(n, 0.9, np.float32),
        period_s=0.1,
        length_s=0.2,
    )


def figures(stream: replay.Replay, votes: int = 1) -> dict[str, float | None]:
    return replay.figures(
        [replay.quality(stream, replay.decide(stream, DecisionRule(votes=votes), rest=0), rest=0)]
    )


def test_time_to_the_first_correct_decision_counts_from_the_gestures_first_window() -> None:
    stream = made_stream([0, 0, 1, 1, 1, 1, 0, 2, 2], [0, 0, 0, 0, 1, 1, 0, 1, 1])

    found = figures(stream)

    assert found["gestures_found"] == 0.5
    assert found["time_to_first_correct_s"] == pytest.approx(0.2)


def test_false_activations_are_counted_per_minute_of_rest() -> None:
    stream = made_stream([0] * 10, [0, 0, 1, 1, 0, 0, 2, 0, 0, 0])

    assert figures(stream)["false_activations_per_rest_minute"] == pytest.approx(2 * 60 / 1.0)


def test_a_gesture_held_too_long_is_no_false_activation() -> None:
    stream = made_stream([1, 1, 0, 0, 0], [1, 1, 1, 0, 0])

    assert figures(stream)["false_activations_per_rest_minute"] == 0


def test_stability_is_how_often_a_decision_stays_within_one_stretch() -> None:
    stream = made_stream([1, 1, 1, 1, 1], [1, 1, 2, 1, 1])

    assert figures(stream)["stability"] == pytest.approx(2 / 4)
    assert figures(stream, votes=3)["stability"] == 1.0


def test_a_new_piece_starts_from_rest() -> None:
    stream = made_stream([1, 1, 1, 1], [1, 1, 2, 2], piece=[0, 0, 1, 1])

    assert replay.decide(stream, DecisionRule(votes=5), rest=0).tolist() == [1, 1, 2, 2]


def test_what_was_not_there_is_not_measured() -> None:
    stream = made_stream([UNLABELLED] * 4, [0, 1, 1, 0])

    assert set(figures(stream).values()) == {None}


def test_the_table_has_a_row_for_each_choice_and_is_json() -> None:
    rows = replay.table([made_stream([0, 1, 1], [0, 1, 1])], rest=0)

    assert len(rows) == len(replay.VOTES) * len(replay.MIN_CONFIDENCE)
    json.dumps(rows, allow_nan=False)


def test_more_votes_wait_longer() -> None:
    stream = made_stream([0] * 9 + [1] * 20, [0] * 9 + [1] * 20)

    assert figures(stream, 1)["time_to_first_correct_s"] == 0
    assert figures(stream, 9)["time_to_first_correct_s"] == pytest.approx(0.4)


def shares_of(stream: replay.Replay, gesture: list[float]) -> replay.Replay:
    """The stream with those probabilities of class 1, the rest being class 0's."""
    probabilities = np.array([[1 - share, share, 0.0] for share in gesture], np.float32)
    return replace(
        stream,
        probabilities=probabilities,
        prediction=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
    )


def test_decisions_of_a_replay_go_by_hysteresis_as_those_of_a_stream_do() -> None:
    stream = shares_of(made_stream([0] * 6, [0] * 6), [0.6, 0.8, 0.2, 0.05, 0.6, 0.9])

    assert replay.decide(stream, DecisionRule(enter=0.7, leave=0.1), rest=0).tolist() == [0, 1, 1, 0, 0, 1]


def test_an_unknown_window_of_a_replay_is_rest() -> None:
    stream = replace(made_stream([1, 1, 1], [1, 1, 1]), unknown=np.array([False, True, False]))

    assert replay.decide(stream, DecisionRule(), rest=0).tolist() == [1, 0, 1]


def test_the_time_back_at_rest_counts_from_the_end_of_the_gesture() -> None:
    stream = made_stream([0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1])

    found = figures(stream)

    assert found["back_at_rest_s"] == pytest.approx(0.2)
    assert found["never_back_at_rest"] == 0.5  # after the second gesture
    assert found["false_activations_per_rest_hour"] == 0


def test_an_hour_has_sixty_minutes_of_false_activations() -> None:
    found = figures(made_stream([0] * 10, [0, 0, 1, 1, 0, 0, 2, 0, 0, 0]))

    assert found["false_activations_per_rest_hour"] == pytest.approx(2 * 3600)
    assert found["rest_hours"] == pytest.approx(1 / 3600)


def test_right_is_over_all_windows_and_balanced_over_classes() -> None:
    found = figures(made_stream([0] * 8 + [1] * 2, [0] * 8 + [1, 0]))

    assert found["right"] == pytest.approx(0.9)
    assert found["right_balanced"] == pytest.approx((1 + 0.5) / 2)


def test_what_is_not_judged_decides_but_does_not_count() -> None:
    stream = made_stream([1, 1, 0, 0, 1, 1], [2, 2, 2, 0, 1, 1])
    judged = replace(stream, judged=np.array([False] * 2 + [True] * 4))

    found = figures(judged)

    assert (found["gestures_found"], found["right"]) == (1.0, pytest.approx(3 / 4))
    assert found["back_at_rest_s"] == pytest.approx(0.1)


def test_windows_of_a_recording_know_how_long_ago_their_label_began(
    recording: Recording, model: Artefact
) -> None:
    stream = replayed(recording, model)

    for end, since in zip(stream.end[:200], stream.since_s[:200], strict=True):
        back = round(since * recording.fs)
        here = slice(end - back, end)
        assert back >= 1
        assert (
            len(set(zip(recording.label[here].tolist(), recording.recording[here].tolist(), strict=True)))
            == 1
        )
        first = end - back - 1
        assert first < 0 or (
            recording.label[first] != recording.label[end - 1]
            or recording.recording[first] != recording.recording[end - 1]
        )


def test_spliced_pieces_are_a_gesture_and_then_another_of_the_same_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "STRETCH", 500)  # 2.5 s
    recording = load(makers.person(tmp_path / "S03.npz", sessions=1, repetitions=2))

    found = spliced(recording, "rest")

    assert found is not None
    assert len(found.pieces) == 2 * 2  # gestures x repetitions
    for piece in found.pieces:
        labels = found.label[piece]
        assert len(np.unique(labels)) == 2
        assert np.count_nonzero(np.diff(labels)) == 1
        assert 0 not in labels
        assert len(np.unique(found.repetition[piece])) == 1
        assert len(labels) == 500 + 2 * RATE


def test_a_change_from_gesture_to_gesture_is_judged_in_its_first_second() -> None:
    truth = [1] * 5 + [2] * 15
    stream = made_stream(truth, [1] * 8 + [2] * 12)
    stream = replace(stream, since_s=np.array([0.1 * k for k in (*range(1, 6), *range(1, 16))]))

    found = change_figures([change_quality(stream, replay.decide(stream, DecisionRule(), rest=0))])

    assert found["changes"] == 1
    assert found["change_right_in_first_second"] == pytest.approx(0.7)
    assert found["change_first_correct_s"] == pytest.approx(0.4)


def test_the_tables_say_what_changes_are_worth_only_where_there_are_some() -> None:
    stream = shares_of(made_stream([0, 1, 1], [0, 1, 1]), [0.1, 0.8, 0.9])
    changes = shares_of(made_stream([1, 1, 0], [1, 1, 0]), [0.9, 0.8, 0.1])

    rows = replay.hysteresis_table([stream], 0, [changes])

    assert len(rows) == len(replay.HYSTERESIS)
    assert all("change_right_in_first_second" in row for row in rows)
    assert "changes" not in replay.hysteresis_table([stream], 0)[0]
    json.dumps(rows, allow_nan=False)


def test_a_recording_of_short_gestures_has_no_changes_to_splice(recording: Recording) -> None:
    assert spliced(recording, "rest") is None


def test_a_rest_that_is_judged_from_its_middle_on_says_nothing_of_the_way_back() -> None:
    """Repetitions change within a rest: its begin belonged to the one before, which is not judged."""
    stream = made_stream([1, 1, 0, 0, 0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1, 1, 0])
    judged = replace(stream, judged=np.array([False] * 4 + [True] * 6))

    assert figures(judged)["back_at_rest_s"] == pytest.approx(0.1)  # after the second gesture alone
