from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from app.emg.signal.filters import design, filter_all
from app.emg.simulated.simulator import Simulator
from app.emg.source import UNLABELLED
from app.errors import ConfigError
from tests.emg.fakes import Time

NAMES = ("rest", "open", "close", "flexion", "extension", "pinch", "point")


def simulator(seed: int = 0, channels: int = 16, rate: float = 2000, **options) -> Simulator:
    return Simulator(channels, rate, NAMES, seed=seed, **options)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=12))
def test_the_same_seed_gives_the_same_samples_whatever_the_chunks(sizes: list[int]) -> None:
    whole, labels = simulator(seed=5).generate(sum(sizes))
    pieces = simulator(seed=5)
    parts = [pieces.generate(n) for n in sizes]
    np.testing.assert_array_equal(np.concatenate([samples for samples, _ in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), labels)


def test_read_hands_out_the_generated_signal_in_chunks_of_5_ms() -> None:
    time = Time()
    source = simulator(clock=time.clock, sleep=time.sleep)
    chunks = [source.read() for _ in range(100)]
    samples, labels = simulator().generate(1000)
    assert [chunk.index for chunk in chunks] == list(range(0, 1000, 10))
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), samples)
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), labels)
    assert time.now - 1000 == pytest.approx(0.495)  # the first chunk is there at once


def test_while_nobody_waits_its_chunks_are_longer_and_its_samples_the_same() -> None:
    time = Time()
    source = simulator(clock=time.clock, sleep=time.sleep)
    chunks = []
    for hurried in (True, False, False, True, True):
        source.hurried = hurried
        chunks.append(source.read())
    assert [(chunk.index, len(chunk.samples)) for chunk in chunks] == [
        *((0, 10), (10, 100), (110, 100)),
        *((210, 10), (220, 10)),
    ]
    samples, labels = simulator().generate(230)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), samples)
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), labels)
    assert time.now - 1000 == pytest.approx(0.11)  # each when its last sample is due


def test_the_person_does_what_is_asked_a_little_late() -> None:
    """A plan recorded from the simulator had labels that said nothing of the signal."""
    source, made = simulator(rate=200), []
    for name, seconds in ((None, 1.0), ("rest", 1.0), ("pinch", 2.0), ("wave", 1.0), ("open", 2.0)):
        source.person.ask(name, seconds)
        made.append(source.generate(round(200 * seconds)))
    labels = np.concatenate([labels for _, labels in made])

    starts = np.flatnonzero(np.diff(labels)) + 1
    shown = labels[np.concatenate([[0], starts])].tolist()
    # people are not there at once, and let go as late; a gesture of no name has no label
    assert [label for label in shown if label] == [NAMES.index("pinch"), UNLABELLED, NAMES.index("open")]
    begins = [start for start, label in zip(starts, shown[1:], strict=True) if label]
    late = np.array(begins) / 200 - [2.0, 4.0, 5.0]
    assert ((late >= 0.2) & (late <= 0.3)).all()
    still, waving = np.std(made[1][0]), np.std(made[3][0][100:])
    assert waving > 2 * still


def test_a_gesture_that_nobody_wants_any_more_is_left() -> None:
    source = simulator(rate=200)
    source.person.ask("pinch", 3600.0)
    source.generate(200 * 2)
    source.person.ask(None, 0.0)
    _, labels = source.generate(200 * 60)
    assert labels[0] == NAMES.index("pinch")
    assert (labels[70:150] == NAMES.index("rest")).all()
    assert set(labels.tolist()) == set(range(len(NAMES)))  # and what comes to their mind


def test_another_seed_is_another_day() -> None:
    assert not np.array_equal(simulator(seed=1).generate(100)[0], simulator(seed=2).generate(100)[0])


@pytest.mark.parametrize(
    ("channels", "rate"), [(1, 200), (8, 200), (8, 200.0), (4, 1000), (16, 2048), (64, 500)], ids=str
)
def test_any_channel_count_and_rate(channels: int, rate: float) -> None:
    samples, labels = simulator(channels=channels, rate=rate).generate(int(rate * 30))
    assert samples.shape == (int(rate * 30), channels)
    assert (samples.dtype, labels.dtype) == (np.float32, np.int16)
    assert np.isfinite(samples).all()
    assert len(np.unique(labels)) > 4


def test_every_class_is_shown_and_rest_fills_the_time_between() -> None:
    _, labels = simulator(rate=200).generate(200 * 120)
    assert set(np.unique(labels)) == set(range(len(NAMES)))
    changes = labels[np.flatnonzero(np.diff(labels)) + 1]
    assert (changes[1::2] == 0).all()
    assert (changes[::2] != 0).all()
    assert 0.3 < (labels == 0).mean() < 0.55


def test_the_rest_class_may_stand_anywhere_in_the_list() -> None:
    _, labels = Simulator(8, 200, ("fist", "nothing", "point"), rest="nothing").generate(200 * 60)
    assert labels[0] == 1
    assert set(np.unique(labels)) == {0, 1, 2}


def test_a_class_list_of_rest_alone_never_leaves_rest() -> None:
    _, labels = Simulator(8, 200, ("rest",)).generate(200 * 60)
    assert not labels.any()


def test_the_spectrum_of_a_contraction_is_that_of_surface_emg() -> None:
    """Median frequency of the cited shaping filter: 96 Hz; energy between 20 and 450 Hz."""
    samples, labels = simulator().generate(2000 * 60)
    f, power = signal.welch(samples[labels > 0], 2000, nperseg=2048, axis=0)
    power = power.mean(axis=1)
    median = f[np.searchsorted(np.cumsum(power), power.sum() / 2)]
    assert 80 < median < 110
    assert power[(f >= 20) & (f <= 450)].sum() / power.sum() > 0.95


def test_amplitudes_are_those_of_skin_electrodes_in_microvolts() -> None:
    samples, labels = simulator().generate(2000 * 60)
    assert simulator().units == "uV"
    assert 2 < samples[labels == 0].std() < 10
    assert 20 < samples[labels > 0].std() < 150
    assert np.abs(samples).max() < 3000


def test_another_scale_scales_the_same_signal() -> None:
    np.testing.assert_allclose(
        simulator(mvc_rms=30, units="counts").generate(500)[0], simulator().generate(500)[0] / 10, rtol=1e-5
    )


def test_a_gesture_looks_the_same_under_every_seed_and_unlike_the_others() -> None:
    def patterns(seeds: range) -> np.ndarray:
        """The amplitude over the ring of every gesture, averaged over days: (gestures, channels)."""
        days = [simulator(seed=seed, rate=500).generate(500 * 120) for seed in seeds]
        positions = range(1, len(NAMES))
        return np.array([np.mean([x[y == p].std(axis=0) for x, y in days], axis=0) for p in positions])

    gestures = len(NAMES) - 1
    similarity = np.corrcoef(patterns(range(6)), patterns(range(6, 12)))[:gestures, gestures:]
    assert np.diag(similarity).min() > 0.9
    assert (similarity.argmax(axis=1) == np.arange(gestures)).all()


def test_neighbours_share_more_of_their_signal_than_opposite_electrodes() -> None:
    samples, labels = simulator().generate(2000 * 60)
    correlation = np.corrcoef(samples[labels > 0].T)
    near = np.mean([correlation[i, (i + 1) % 16] for i in range(16)])
    far = np.mean([correlation[i, (i + 8) % 16] for i in range(16)])
    assert near > 0.3
    assert abs(far) < 0.1


def test_an_unseen_seed_can_be_recognised_but_not_trivially() -> None:
    """A plain linear classifier on 200 ms log-variances: far above chance, below perfect."""
    highpass = design(({"kind": "highpass", "order": 2, "low_hz": 20},), 500, None)

    def windows(seed: int) -> tuple[np.ndarray, np.ndarray]:
        samples, labels = simulator(seed=seed, rate=500).generate(500 * 180)
        features = np.log(filter_all(highpass, samples).reshape(-1, 100, 16).var(axis=1) + 1)
        blocks = labels.reshape(-1, 100)
        pure = (blocks == blocks[:, :1]).all(axis=1)
        return features[pure], blocks[pure, 0]

    train, test = [windows(seed) for seed in (1, 2, 3, 4)], windows(50)
    x, y = np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train])
    means = np.stack([x[y == k].mean(axis=0) for k in range(len(NAMES))])
    inverse = np.linalg.inv(np.cov((x - means[y]).T))
    scores = test[0] @ inverse @ means.T - np.einsum("ki,ij,kj->k", means, inverse, means) / 2
    guess = scores.argmax(axis=1)
    recall = [np.mean(guess[test[1] == k] == k) for k in range(len(NAMES))]
    assert 0.8 < np.mean(recall) < 0.995


def test_it_ends_when_closed_and_closing_twice_is_safe() -> None:
    source = simulator(speed=None)
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.parametrize(
    ("channels", "rate", "names", "complaint"),
    [
        pytest.param(0, 2000, NAMES, "0 channels", id="no channels"),
        pytest.param(8, 0, NAMES, "at 0 Hz", id="no rate"),
        pytest.param(8, float("nan"), NAMES, "at nan Hz", id="nan rate"),
        pytest.param(8, 200, NAMES[1:], "rest class 'rest' is not one of", id="no rest"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    channels: int, rate: float, names: tuple, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Simulator(channels, rate, names)
