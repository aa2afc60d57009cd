"""A model of several values at once, from a followed cursor; judged by what the muscles really did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.files.loading import load_path
from app.emg.recording.prompts.trajectory import Trajectory
from app.emg.signal.filters import design, filter_all
from app.emg.simulated.follower import Follower
from app.errors import DataError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.history import with_history
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import checked
from app.inference.pytorch.backend import TorchBackend
from app.inference.values import within
from app.learning.values.making import MadeValues, learn_values, new_values
from app.learning.values.windows import amplitudes, ridge
from tests.learning.values.makers import NAMES, RATE, SECONDS, UV, cursor, followed, recording

FIRST = {
    "aux_trajectory": cursor(20.0).at(np.arange(0, 10.01, 0.02)).astype(np.float32),
    "aux_trajectory_at": np.arange(0, 10.01, 0.02) * RATE,
}
LATE_S = (0.2, 0.325)  # the simulated person reacts after 0.2 s, and their muscles after some 0.06 s more


@pytest.fixture(scope="module")
def person() -> Follower:
    return Follower(8, RATE, 3, 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, person: Follower) -> MadeValues:
    folder = tmp_path_factory.mktemp("values")
    return new_values([recording(folder / "followed.npz", person=person)], folder / "mine", person="S01")


@pytest.fixture(scope="module")
def backend(made: MadeValues) -> OnnxBackend:
    return checked(OnnxBackend.open(made.artefact), made.artefact)


def told(
    model: Artefact, backend: OnnxBackend, emg: np.ndarray, hop: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Return ends of windows, and the values that a stream would say of each: filtered and cut as it does."""
    manifest = model.manifest
    signal = filter_all(design(manifest.filters, RATE, 50.0), (emg * UV).astype(np.float32))
    ends = np.arange(manifest.reads, len(signal) + 1, hop)
    windows = np.stack([with_history(signal[:end], manifest.reads) for end in ends]) / manifest.std
    return ends, within(backend.infer(windows.astype(np.float32)).logits, manifest.outputs.values).values


def test_it_is_an_artefact_that_every_check_takes(made: MadeValues) -> None:
    manifest = artefact.load(made.artefact.path).manifest

    assert manifest.gives_values
    assert manifest.columns == NAMES
    assert [(one.low, one.high, one.neutral) for one in manifest.outputs.values] == [(-1, 1, 0)] * 3
    assert (manifest.classes, manifest.channels, manifest.units) == ((), 8, "uV")
    assert manifest.training["person"] == "S01"
    card = (made.artefact.path / "README.md").read_text()
    for name in (*NAMES, "followed.npz", "linear regression"):
        assert name in card
    checked(TorchBackend.open(made.artefact, device="cpu"), made.artefact).close()


def test_it_finds_out_how_late_the_person_follows(made: MadeValues) -> None:
    assert LATE_S[0] <= made.artefact.manifest.metrics["values"]["lag_s"] <= LATE_S[1]


def test_held_out_movements_are_those_that_the_muscles_made(
    made: MadeValues, backend: OnnxBackend, person: Follower
) -> None:
    """Levels that were never held, one value alone and several at once; the truth is the muscles' own activation.

    A linear regression of amplitudes, taught by the same windows, is what the kernel has to be better than.
    """
    chance, rate = np.random.default_rng(9), round(RATE)
    held = [level * np.eye(3)[k] for k in range(3) for level in (0.35, -0.35, 0.75, -0.75)]
    held += [chance.choice([-0.8, -0.4, 0.0, 0.4, 0.8], 3) for _ in range(12)]
    steps = np.repeat(np.stack([part for one in held for part in (one, np.zeros(3))]), rate, axis=0)
    smooth = np.stack(
        [np.convolve(column, np.hanning(rate) / np.hanning(rate).sum(), "same") for column in steps.T], 1
    )
    done = person.follow(smooth)

    ends, values = told(made.artefact, backend, done.emg)
    length = made.artefact.manifest.length
    truth = np.stack([done.activation[end - length : end].mean(axis=0) for end in ends])
    windows = made.learned.windows
    weights = ridge(amplitudes(windows.power), windows.target, 1e-3)
    signal = filter_all(design(made.artefact.manifest.filters, RATE, 50.0), done.emg * np.float32(UV))
    power = np.stack([np.square(signal[end - length : end].astype(float)).mean(axis=0) for end in ends])
    linear = np.clip(amplitudes(power) @ weights, -1, 1)

    def r2(found: np.ndarray, rows: Any = slice(None)) -> float:
        left = np.square(truth - found)[rows].sum(axis=0)
        return float((1 - left / np.square(truth - truth.mean(axis=0))[rows].sum(axis=0)).mean())

    together = (np.abs(truth) > 0.2).sum(axis=1) > 1
    assert together.sum() > 30
    assert r2(values) > 0.75
    assert r2(values) > r2(linear) + 0.02
    assert r2(values, together) > 0.6
    assert np.abs(values - truth).mean() < 0.09


def test_its_own_figures_are_those_of_stretches_left_out(made: MadeValues) -> None:
    figures = made.artefact.manifest.metrics["values"]

    assert 0.75 < figures["r2"] < 0.97
    assert figures["r2"] > figures["beside"]["linear"]["r2"] > 0.5
    assert abs(figures["beside"]["mean"]["r2"]) < 0.2
    assert figures["mae"] < figures["beside"]["linear"]["mae"] < figures["beside"]["mean"]["mae"]
    assert figures["between"]["windows"] > 100
    assert figures["combined"]["windows"] > 100


@pytest.mark.parametrize("k", range(3))
@pytest.mark.parametrize("way", [-1, 1])
def test_a_value_rises_with_effort_and_stays_up_where_one_squeezes_harder_than_was_taught(
    made: MadeValues, backend: OnnxBackend, person: Follower, k: int, way: int
) -> None:
    found = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        activation = np.zeros((round(8 * RATE), 3))
        activation[:, k] = way * level
        found.append(way * told(made.artefact, backend, person.do(activation).emg)[1][:, k].mean())

    assert (np.diff(found[:5]) > 0.05).all()
    assert abs(found[0]) < 0.05
    assert found[4] > 0.65
    assert min(found[5:]) > 0.65


@pytest.mark.parametrize("level", [0.0, 1.0, 5.0, 20.0], ids=["silent", "hum", "loud hum", "railing hum"])
def test_a_strip_that_comes_off_moves_nothing(
    made: MadeValues, backend: OnnxBackend, person: Follower, level: float
) -> None:
    """What all channels pick up alike, over a hand at rest; in fractions of MVC, which is some 300 uV."""
    at = np.arange(round(4 * RATE)) / RATE
    hum = level * np.sin(2 * np.pi * 50 * at)[:, np.newaxis]

    values = told(made.artefact, backend, hum + (level > 0) * person.do(np.zeros((len(at), 3))).emg)[1]

    assert np.abs(values[10:]).max() < 0.3


def test_joint_angles_and_any_name_will_do(tmp_path: Path) -> None:
    """What a goniometer measured: one value in degrees, whose range is what was seen."""
    plan = Trajectory(("Ellenbogen",), 60.0, 1)
    at = np.arange(0, 60 * RATE, 4)
    angles = (60 + 50 * plan.at(at / RATE)).astype(np.float32)
    path, _ = followed(
        tmp_path / "a.npz",
        trajectory=plan,
        stream="goniometer",
        aux_goniometer=angles,
        aux_goniometer_units=np.array("deg"),
    )

    made = new_values(load_path(path, labelled=False), tmp_path / "angle", stream="goniometer")

    [value] = made.artefact.manifest.outputs.values
    assert (value.name, value.units) == ("Ellenbogen", "deg")
    assert value.low == pytest.approx(angles.min(), abs=0.01)
    assert value.high == pytest.approx(angles.max(), abs=0.01)
    assert made.artefact.manifest.metrics["values"]["r2"] > 0.7


def test_several_recordings_of_one_device_teach_one_model_and_no_window_spans_two(tmp_path: Path) -> None:
    parts = [
        recording(tmp_path / f"{seed}.npz", trajectory=cursor(40.0, seed), person=Follower(8, RATE, 3, 5))
        for seed in (1, 2)
    ]

    learned, signal = learn_values(parts)

    windows, border = learned.windows, round(40 * RATE)
    assert len(signal) == 2 * border
    inside = (windows.end <= border) | (windows.end - learned.plan.length >= border)
    assert inside.all()
    assert {0, border} == set(np.unique(windows.first).tolist())


def test_where_the_cursor_is_not_known_nothing_is_taught(tmp_path: Path) -> None:
    """A stream that stopped for five seconds: what is between its samples is not a straight line."""
    plan = cursor(60.0)
    at = np.arange(0, 60 * RATE, 4)
    kept = (at < 20 * RATE) | (at > 25 * RATE)
    one = recording(
        tmp_path / "a.npz",
        trajectory=plan,
        aux_trajectory=plan.at(at / RATE).astype(np.float32)[kept],
        aux_trajectory_at=at[kept],
    )

    learned, _ = learn_values([one])

    begin, end = 20 * RATE, 25 * RATE
    ends = learned.windows.end
    lag = round(learned.windows.lag_s * RATE)
    assert not ((ends - lag > begin + 8) & (ends - lag - learned.plan.length < end)).any()
    assert np.isfinite(learned.windows.target).all()


@pytest.mark.parametrize(
    ("changes", "stream", "message"),
    [
        ({}, "goniometer", "there is no goniometer beside the EMG, which has trajectory"),
        ({"aux_trajectory": None}, None, "there is no trajectory beside the EMG, which has nothing"),
        ({"trajectory": cursor(20.0), **FIRST}, None, r"was followed for 10\.0 s; a model needs 15 s"),
    ],
    ids=["another name", "none", "short"],
)
def test_what_cannot_teach_values_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], stream: str | None, message: str
) -> None:
    one = recording(tmp_path / "a.npz", **changes)

    with pytest.raises(DataError, match=message) as caught:
        new_values([one], tmp_path / "mine", stream=stream)

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mine").exists()


def test_a_signal_that_follows_nothing_makes_no_model(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(round(SECONDS * RATE), 8)).astype(np.float32)
    one = recording(tmp_path / "a.npz", emg=noise)

    with pytest.raises(DataError, match="next to nothing, so nothing was written"):
        new_values([one], tmp_path / "mine")

    assert new_values([one], tmp_path / "mine", even_if_worse=True).artefact.manifest.gives_values


def test_recordings_of_two_devices_are_refused(tmp_path: Path) -> None:
    one, other = (recording(tmp_path / f"{n}.npz", channels=n, trajectory=cursor(30.0)) for n in (8, 6))
    with pytest.raises(
        DataError, match=r"6 channels at 200 Hz, .* 8 at 200 Hz; one model takes recordings of one"
    ):
        learn_values([one, other])
    with pytest.raises(DataError, match="up to 16"):
        learn_values([replace(one, emg=np.tile(one.emg, (1, 3)))])
