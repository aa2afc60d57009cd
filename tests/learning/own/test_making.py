"""A model from nothing but recordings: what is written, how it is judged, what is said of few or bad data."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtefactError, DataError
from app.inference import artefact
from app.inference.onnx.backend import OnnxBackend
from app.inference.parity import checked
from app.inference.strength import StrengthMeter
from app.learning.own.joined import join
from app.learning.own.judging import folds
from app.learning.own.making import Made, learn, likeliest_temperature, new
from app.learning.own.signal_plan import bands_for, choose, is_envelope
from app.learning.own.windows import scale_of
from tests.learning.own.makers import NAMES, recording


def made(folder: Path, *, even_if_worse: bool = False, **changes: Any) -> Made:
    return new([recording(folder / "a.npz", **changes)], folder / "mine", even_if_worse=even_if_worse)


def test_it_is_an_artefact_that_every_check_takes(tmp_path: Path) -> None:
    found = made(tmp_path)

    manifest = found.artefact.manifest
    assert (manifest.channels, manifest.sampling_rate, manifest.units) == (5, 500.0, "uV")
    assert manifest.classes == NAMES
    assert manifest.rest_class == "покой"
    assert manifest.length == 100  # 200 ms
    assert manifest.metrics["own"]["balanced_accuracy"] > 0.95
    backend = checked(OnnxBackend.open(found.artefact), found.artefact)
    backend.close()
    card = (found.artefact.path / "README.md").read_text()
    assert "кулак" in card
    assert "what later repetitions are likely to give (a beta distribution" in card  # no bootstrap
    assert "a.npz" in card


def test_it_knows_the_effort_at_which_each_gesture_was_made(tmp_path: Path) -> None:
    found = made(tmp_path)

    manifest, windows = found.artefact.manifest, found.learned.windows
    assert set(manifest.strength) == set(NAMES[1:])
    meter = StrengthMeter(manifest.classes, manifest.rest_class, manifest.strength)
    powers = windows.power(np.arange(len(windows))).astype(np.float32)
    strengths = np.array([meter.strengths(one, 0.0) for one in powers])
    for k in range(1, len(NAMES)):
        held, weaker = (
            np.array([meter.strengths(part * one, 0.0)[k] for one in powers[windows.label == k]])
            for part in (1.0, 0.25)
        )
        assert np.median(held) > 0.95  # at comfortable effort
        assert abs(np.median(weaker) - 0.5) < 0.1  # half the amplitude
    assert np.quantile(strengths[windows.label == 0], 0.9) == 0


@pytest.mark.parametrize(
    ("channels", "rate"), [(1, 1000.0), (3, 50.0), (20, 1000.0), (64, 200.0)], ids=lambda value: f"{value:g}"
)
def test_any_number_of_channels_and_any_rate_will_do(tmp_path: Path, channels: int, rate: float) -> None:
    """One channel tells the gestures of these muscles apart by strength alone, and poorly."""
    found = made(tmp_path, channels=channels, rate=rate, even_if_worse=True)

    checked(OnnxBackend.open(found.artefact), found.artefact).close()
    assert found.artefact.manifest.channels == channels
    judgement = found.learned.judgement
    assert judgement is not None
    assert judgement.balanced_accuracy > (0.4 if channels == 1 else 0.9)


def test_every_repetition_is_judged_by_what_was_taught_without_it(tmp_path: Path) -> None:
    windows = learn([recording(tmp_path / "a.npz", repetitions=3)]).windows

    parts = folds(windows)

    assert len(parts) == 3
    for taught, test in parts:
        for k in range(len(NAMES)):
            own = set(windows.repetition[taught][windows.label[taught] == k])
            left = set(windows.repetition[test][windows.label[test] == k])
            assert len(left) == 1
            assert not own & left
    together = np.concatenate([test for _, test in parts])
    assert len(together) == len(np.unique(together)) == len(windows)


def test_statistics_are_of_what_taught(tmp_path: Path) -> None:
    """A repetition that is a thousand times as loud must not move the scale of the model that it judges."""
    one = recording(tmp_path / "a.npz")
    loud = np.where((one.repetition == 2)[:, np.newaxis], 1000 * one.emg, one.emg)

    quiet = learn([one]).windows
    windows = learn([replace(one, emg=loud)]).windows

    for (taught, _), (same, _) in zip(folds(windows), folds(quiet), strict=True):
        if 2 not in windows.repetition[taught]:
            np.testing.assert_allclose(scale_of(windows, taught).std, scale_of(quiet, same).std, rtol=0.2)


def test_chance_and_the_classic_baseline_stand_beside_it(tmp_path: Path) -> None:
    judgement = learn([recording(tmp_path / "a.npz", repetitions=3)]).judgement

    assert judgement is not None
    low, high = judgement.interval
    assert low <= judgement.balanced_accuracy <= high
    assert judgement.lda > 0.6
    assert abs(judgement.chance - 1 / len(NAMES)) < 0.2


def test_what_is_no_better_than_guessing_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no better than guessing"):
        made(tmp_path, weak=[1, 2, 3])
    assert not (tmp_path / "mine").exists()

    assert made(tmp_path, weak=[1, 2, 3], even_if_worse=True).artefact.path.is_dir()


SAID = {
    "one repetition": ({"repetitions": 1}, "one repetition of each gesture, so nothing is left to judge"),
    "two": ({"repetitions": 2}, "with 2 repetitions the figures are rough"),
    "short": ({}, "every gesture lasts less than 4 s a repetition"),
    "weak": ({"weak": [2], "repetitions": 3}, "ладонь looks like покой: make it stronger, or drop it"),
    "alike": (
        {"same": [(2, 3)], "repetitions": 3},
        "ладонь and щепоть are mistaken for each other: record them again, or drop one",
    ),
    "missed": ({"missed": [(1, 2)], "repetitions": 3}, "кулак (1); was the gesture made?"),
}


@pytest.mark.parametrize(("changes", "sentence"), SAID.values(), ids=SAID)
def test_it_says_what_is_wrong_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    advice = learn([recording(tmp_path / "a.npz", **changes)]).advice

    assert any(sentence in line for line in advice), advice


def test_it_says_nothing_where_all_is_well(tmp_path: Path) -> None:
    assert learn([recording(tmp_path / "a.npz", repetitions=3, held_s=5.0)]).advice == ()


@pytest.mark.parametrize("level", [0.0, 512.0], ids=["zero", "offset"])
def test_a_flat_channel_is_said_and_does_no_harm(tmp_path: Path, level: float) -> None:
    one = recording(tmp_path / "a.npz")
    emg = np.array(one.emg)
    emg[:, 2] = level

    learned = learn([replace(one, emg=emg)])

    assert any("channel 3 was flat" in line for line in learned.advice)
    assert learned.judgement is not None
    assert learned.judgement.balanced_accuracy > 0.9
    alive = learned.scale_and_head.scale.std
    assert alive[2] >= 0.19 * np.median(alive)  # or it would shout once it is fastened


BAD = {
    "short": ({"held_s": 0.4, "repetitions": 1}, "кулак lasts 0.4 s"),
    "rest-only": ({"label": np.int8(0)}, "nothing but покой"),
    "unlabelled": ({"label": None}, "has no labels"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD)
def test_bad_recordings_are_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        made(tmp_path, **changes)
    assert not (tmp_path / "mine").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == "model.onnx":
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr("app.private_files.write", full)

    with pytest.raises(ArtefactError, match=r"mine cannot be written: No space left on device"):
        made(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


def test_a_full_disk_leaves_the_model_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(tmp_path).artefact
    monkeypatch.setattr(
        "app.private_files.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )

    with pytest.raises(ArtefactError):
        new([recording(tmp_path / "b.npz", seed=1)], tmp_path / "mine", replacing=True)

    assert artefact.load(tmp_path / "mine").sha256 == before.sha256


@pytest.mark.parametrize("rate", [50.0, 200.0, 500.0, 1000.0, 2000.0])
def test_window_context_and_filters_follow_the_rate(tmp_path: Path, rate: float) -> None:
    plan = choose(join([recording(tmp_path / "a.npz", rate=rate)]), 50.0)

    assert plan.length == round(0.2 * rate)
    assert plan.reads == round((1.0 if rate > 500 else 2.0) * rate)
    assert all(high < rate / 2 for _, high in bands_for(rate))
    (filtering, *_) = plan.filters
    assert filtering["kind"] == ("bandpass" if rate > 500 else "highpass")


def test_mains_is_filtered_out_where_it_is_heard(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz", rate=1000.0)
    hum = 20 * np.sin(2 * np.pi * 50 * np.arange(len(one.emg)) / 1000)[:, np.newaxis].astype(np.float32)

    kinds = [
        [entry["kind"] for entry in choose(join([each]), 50.0).filters]
        for each in (one, replace(one, emg=one.emg + hum))
    ]

    assert kinds == [["bandpass"], ["bandpass", "notch"]]


def test_an_envelope_is_not_filtered_and_an_offset_is_none(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz")
    envelope = replace(one, emg=np.abs(one.emg))

    plan = choose(join([envelope]), 50.0)

    assert plan.filters == ()
    assert "envelope" in plan.said[0]
    assert not is_envelope(one.emg + np.float32(512))


def test_the_same_recordings_make_the_same_model(tmp_path: Path) -> None:
    one = recording(tmp_path / "a.npz")

    files = [new([one], tmp_path / name).artefact.file("weights.safetensors").read_bytes() for name in "xy"]

    assert files[0] == files[1]


def test_it_is_learned_without_torch() -> None:
    """Its import takes longer than all the rest."""
    code = "import app.learning.own.making, app.cli.model_new, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_gesture_made_otherwise_does_not_set_the_temperature_of_all() -> None:
    """One in fifty windows that is sure and wrong made all others unsure."""
    chance = np.random.default_rng(0)
    label = chance.integers(0, 4, 2000)
    logits = 2 * chance.normal(size=(2000, 4))
    logits[np.arange(2000), label] += 8
    before = likeliest_temperature(logits, label)
    logits[::50] *= -40

    assert likeliest_temperature(logits, label) < 1.6 * before


def test_confidence_says_how_often_it_is_right(tmp_path: Path) -> None:
    learned = learn([recording(tmp_path / "a.npz", repetitions=3)])

    assert learned.calibration_error is not None
    assert learned.calibration_error <= 0.05
    assert learned.reject_below is not None
