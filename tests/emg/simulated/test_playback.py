from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.emg.files.recordings import Recording, load
from app.emg.signal.filters import design
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid, cut
from app.emg.simulated.playback import Playback, require
from app.emg.source import Chunk
from app.errors import DataError
from tests.emg.fakes import Time
from tests.emg.recording_makers import SHARED, recording, write_mat

SOS = design(({"kind": "highpass", "order": 2, "low_hz": 5},), 200, None)


@pytest.fixture
def one(tmp_path: Path) -> Recording:
    """100 samples in pieces of 40, 40 and 20."""
    return recording(tmp_path / "one.npz")


def play(recordings: list[Recording], **options) -> list[Chunk]:
    source = Playback(recordings, speed=None, loop=False, **options)
    return list(iter(source.read, None))


def test_a_recording_comes_whole_with_its_labels(one: Recording) -> None:
    chunks = play([one])
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), one.emg)
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), one.label)
    assert [chunk.index for chunk in chunks] == list(range(0, 100, 2))  # 10 ms at 200 Hz


@pytest.mark.parametrize("chunk", [1, 3, 7, 40, 1000])
def test_every_piece_restarts_and_no_chunk_spans_two(one: Recording, chunk: int) -> None:
    chunks = play([one], chunk=chunk)
    assert [c.index for c in chunks if c.restart] == [0, 40, 80]
    assert max(len(c.samples) for c in chunks) <= chunk
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), one.emg)


def test_every_file_restarts_and_the_index_counts_on(one: Recording, tmp_path: Path) -> None:
    two = recording(tmp_path / "two.npz", recording=None)
    chunks = play([one, two])
    assert [c.index for c in chunks if c.restart] == [0, 40, 80, 100]
    assert chunks[-1].index + len(chunks[-1].samples) == 200


def test_a_loop_restarts_with_every_turn_and_never_ends(one: Recording) -> None:
    source = Playback([one], speed=None, loop=True, chunk=100)
    chunks = [source.read() for _ in range(9)]
    assert [c.index for c in chunks] == [0, 40, 80, 100, 140, 180, 200, 240, 280]
    assert all(c.restart for c in chunks)
    np.testing.assert_array_equal(chunks[3].samples, chunks[0].samples)


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 0.49), (4.0, 0.1225), (0.5, 0.98)])
def test_it_plays_at_the_recordings_pace_times_the_speed(
    one: Recording, speed: float, seconds: float
) -> None:
    time = Time()
    source = Playback([one], speed=speed, loop=False, chunk=2, clock=time.clock, sleep=time.sleep)
    while source.read() is not None:
        pass
    assert time.now - 1000 == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("speed", "samples"),
    [
        pytest.param(None, 2, id="as fast as possible"),
        pytest.param(1.0, 2, id="real time"),
        pytest.param(5.0, 10, id="five times"),
        pytest.param(1000.0, 20, id="never more than a tenth of a second of signal"),
        pytest.param(0.1, 1, id="slow motion"),
    ],
)
def test_a_chunk_has_what_is_due_in_10_ms_at_any_speed(
    tmp_path: Path, speed: float | None, samples: int
) -> None:
    time = Time()
    long = recording(tmp_path / "long.npz", recording=None)
    source = Playback([long], speed=speed, loop=False, clock=time.clock, sleep=time.sleep)
    assert len(source.read().samples) == samples


def test_a_speed_at_which_the_source_would_seem_to_stall_is_refused(one: Recording) -> None:
    Playback([one], speed=0.025)
    with pytest.raises(DataError, match=r"at a speed of 0\.02 only 4 .*must be 0\.025 at least"):
        Playback([one], speed=0.02)


def test_it_ends_when_closed_and_closing_twice_is_safe(one: Recording) -> None:
    source = Playback([one], speed=None)
    source.read()
    source.close()
    source.close()
    assert source.read() is None


def test_it_says_what_it_plays(one: Recording) -> None:
    source = Playback([one])
    assert (source.name, source.channels, source.sampling_rate, source.units) == ("recording", 4, 200.0, "uV")
    assert source.gesture_names == ("rest", "fist", "point")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"channels": 3}, "channels is 4 and 3", id="channels"),
        pytest.param({"fs": np.int32(100)}, "fs is 200.0 and 100.0", id="rate"),
        pytest.param({"units": np.array("V")}, "units is uV and V", id="units"),
        pytest.param({"gesture_names": np.array(["a", "b", "c"])}, "gesture_names is", id="names"),
    ],
)
def test_recordings_that_differ_cannot_be_played_as_one(
    one: Recording, tmp_path: Path, changes: dict, complaint: str
) -> None:
    with pytest.raises(DataError, match=rf"one\.npz and two\.npz cannot be played as one: {complaint}"):
        Playback([one, recording(tmp_path / "two.npz", **changes)])


def test_a_mat_that_does_not_say_its_units_plays_beside_an_npz(one: Recording, tmp_path: Path) -> None:
    mat = load(write_mat(tmp_path / "a.mat", frequency=200.0), gesture_names=one.gesture_names)
    assert len(play([one, mat], chunk=100)) == 4


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(DataError, match="no recording"):
        Playback([])


def test_a_model_that_fits_is_accepted(one: Recording) -> None:
    require(one, channels=4, rate=200)


@pytest.mark.parametrize(("channels", "rate"), [(16, 200), (4, 2000), (16, 2000)])
def test_a_model_that_does_not_fit_is_named_with_both_values(
    one: Recording, channels: int, rate: float
) -> None:
    with pytest.raises(DataError) as caught:
        require(one, channels, rate, [("small", 4, 200.0), ("big", 16, 2000)])
    wants = f"the model takes {channels} channels at {rate} Hz"
    assert str(caught.value) == f"one.npz: has 4 channels at 200 Hz; {wants}; small would fit"


def test_no_fitting_model_is_said_too(one: Recording) -> None:
    with pytest.raises(DataError, match="no model here fits"):
        require(one, 16, 2000, [("big", 16, 2000)])


def values(chunk: Chunk | None) -> list[float]:
    assert chunk is not None
    return chunk.samples[:, 0].tolist()


def test_ordered_elsewhere_it_goes_on_there_and_the_index_counts_on(one: Recording) -> None:
    source = Playback([one], speed=None, loop=False, chunk=10)
    assert source.replay.position.position_seconds == 0
    played = [source.read() for _ in range(2)]
    number = source.replay.order(65 / 200, None)
    assert not source.replay.obeyed(number)
    there = source.read()
    assert source.replay.obeyed(number)
    assert there is not None
    assert (there.index, there.restart) == (20, True)  # never back, and no window spans the two places
    assert values(there) == one.emg[65:75, 0].tolist()
    assert there.labels is not None
    assert there.labels.tolist() == one.label[65:75].tolist()
    rest = list(iter(source.read, None))
    assert [(chunk.index, chunk.restart) for chunk in rest] == [(30, False), (35, True), (45, False)]
    assert source.replay.position.position_seconds == source.replay.position.duration_seconds == 0.5
    assert all(chunk is not None for chunk in played)


def test_it_can_be_sent_back_to_where_it_is(one: Recording) -> None:
    source = Playback([one], speed=None, loop=True, chunk=10)
    source.read()
    source.replay.order(0.0, None)
    again = source.read()
    assert again is not None
    assert (again.index, again.restart, values(again)) == (10, True, one.emg[:10, 0].tolist())


def test_the_end_can_be_gone_to_and_says_of_which_file_it_is(one: Recording, tmp_path: Path) -> None:
    two = recording(tmp_path / "two.npz", recording=None)
    source = Playback([one, two], speed=None, loop=False, chunk=10)
    assert (source.replay.position.file, source.replay.position.duration_seconds) == ("one.npz", 1.0)
    source.replay.order(1.0, None)
    last = source.read()
    assert last is not None
    assert (len(last.samples), source.replay.position.file) == (1, "two.npz")
    assert source.read() is None


def test_paused_it_waits_and_goes_on_with_the_next_sample_at_its_own_pace(one: Recording) -> None:
    """Without a burst of what would have been due meanwhile, also after a wait so short that it might catch up."""
    time = Time()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        time.sleep(seconds)
        if len(naps) == 5:
            source.replay.order(None, paused=False)

    source = Playback([one], loop=False, chunk=20, clock=time.clock, sleep=sleep)
    first = source.read()
    source.replay.order(None, paused=True)
    naps.clear()
    began = time.now
    second, waited = source.read(), time.now - began
    assert first is not None
    assert second is not None
    assert not source.replay.position.paused
    assert (second.index, second.restart) == (20, False)
    assert 0 < waited < 0.5
    third, began = source.read(), time.now
    assert third is not None
    source.read()
    assert time.now - began == pytest.approx(0.1, abs=0.001)


def test_paused_it_can_be_closed(one: Recording) -> None:
    source = Playback([one], sleep=lambda _: source.close())
    source.replay.order(None, paused=True)
    assert source.read() is None


def offline(recordings: list[Recording], **options) -> str:
    """The hash of all windows of a replay through `cut`."""
    sha = hashlib.sha256()
    source = Playback(recordings, loop=False, **options)
    for k, end, window, label in cut(iter(source.read, None), SOS, 20, Grid(200, 30)):
        sha.update(f"{k} {end} {label} ".encode() + window.tobytes())
    return sha.hexdigest()


def live(recordings: list[Recording], speed: float | None, chunk: int) -> str:
    """The same from a ring that is read after every chunk, as acquisition and stream do."""
    sha, time, grid, k = hashlib.sha256(), Time(), Grid(200, 30), 0
    source = Playback(recordings, speed=speed, loop=False, chunk=chunk, clock=time.clock, sleep=time.sleep)
    path = SignalPath(Ring(200, recordings[0].channels), SOS)
    for played in iter(source.read, None):
        path.process(played, time.now)
        while grid.end_of(k) <= path.ring.newest:
            end = grid.end_of(k)
            window = path.ring.window(end, 20)
            if window is not None:
                label = path.ring.label_at(end - 1)
                sha.update(f"{k} {end} {label} ".encode() + window.tobytes())
            k += 1
    return sha.hexdigest()


@pytest.mark.parametrize("speed", [1.0, 3.7, None], ids=["real time", "faster", "as fast as possible"])
@pytest.mark.parametrize("chunk", [1, 2, 7, 50])
def test_a_replay_at_any_speed_and_chunk_size_gives_identical_windows(
    one: Recording, tmp_path: Path, speed: float | None, chunk: int
) -> None:
    two = recording(tmp_path / "two.npz", n=333)
    assert live([one, two], speed, chunk) == offline([one, two], speed=None)


def test_the_hash_of_another_signal_differs(one: Recording, tmp_path: Path) -> None:
    other = recording(tmp_path / "other.npz", emg=one.emg[::-1])
    assert offline([one], speed=None) != offline([other], speed=None)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_the_shared_recording_replays_identically_at_any_chunk_size() -> None:
    part = cut_to(load(SHARED / "S8_E1_A1.mat"), 12_000, 22_000)  # before, a minute of rest
    assert len(set(part.label)) > 1
    hashes = {offline([part], speed=None, chunk=chunk) for chunk in (2, 37, 100_000)}
    assert hashes == {live([part], 5.0, 11)}


def cut_to(whole: Recording, first: int, end: int) -> Recording:
    arrays = ("emg", "label", "label_cue", "repetition", "session", "recording")
    return replace(whole, **{name: getattr(whole, name)[first:end] for name in arrays})
