"""Proportional control on simulated muscles, whose activations are known: strength, and several joints at once.

python -m benchmarks.proportional --strength
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from app.emg.signal.filters import design, filter_all
from app.emg.simulated.follower import Follower
from app.inference.decision import channel_powers, intensity_of
from app.inference.reference import reference_logits
from app.inference.strength import StrengthMeter, effort_of
from app.learning.lda import hudgins
from app.learning.values.making import MadeValues, new_values
from app.learning.values.windows import ridge
from tests.learning.values.makers import UV, cursor, recording

Figures = dict[str, list[float]]

LEVELS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
HELD_S, DEGREES = 10.0, 3
FILTERS = ({"kind": "highpass", "order": 2, "low_hz": 5.0},)


def powers(person: Follower, movement: int, level: float, rate: float) -> np.ndarray:
    """Return mean squares (windows of 200 ms, channels) of a movement that is held at a level."""
    cursor = np.zeros((round((HELD_S + 1) * rate), DEGREES))
    cursor[:, movement // 2] = level * (1 if movement % 2 else -1)
    signal = filter_all(design(FILTERS, rate, None), person.do(cursor).emg)[round(rate) :]
    return np.stack([channel_powers(one) for one in np.split(signal, round(HELD_S / 0.2))])


def strength(people: int, channels: int, rate: float) -> None:
    found = {level: np.zeros((0, 3)) for level in LEVELS}
    for seed in range(people):
        person = Follower(channels, rate, DEGREES, seed)
        rest = powers(person, 0, 0, rate).astype(float)
        quiet = float(np.sqrt(rest).mean())
        for movement in range(2 * DEGREES):
            full = powers(person, movement, 1, rate).astype(float)
            effort = effort_of(rest, full)
            assert effort is not None
            meter = StrengthMeter(("rest", "it"), "rest", {"it": effort})
            for level in LEVELS:
                rows = powers(person, movement, level, rate)
                said = np.array([meter.strengths(one, 0.0)[1] for one in rows])
                plain = [intensity_of(one, quiet, float(np.sqrt(full).mean())) for one in rows]
                row = [[said.mean(), said.std(), np.mean(plain)]]
                found[level] = np.concatenate([found[level], row])
    print("| effort | strength, mean | spread of windows | by RMS above rest |\n| --- | --- | --- | --- |")
    for level, rows in found.items():
        print("| " + " | ".join(f"{value:.2f}" for value in (level, *rows.mean(0))) + " |")


def held_out(rate: float, seed: int) -> np.ndarray:
    """Return a cursor at levels that no lesson holds: each movement alone, and three at once; smooth."""
    chance = np.random.default_rng(1000 + seed)
    levels = [
        way * level * np.eye(DEGREES)[k] for k in range(DEGREES) for level in (0.35, 0.75) for way in (1, -1)
    ]
    levels += list(chance.choice([-0.9, -0.7, -0.5, -0.3, 0, 0.3, 0.5, 0.7, 0.9], (16, DEGREES)))
    still = np.zeros(DEGREES)
    steps = np.repeat(np.stack([part for one in levels for part in (one, still)]), round(1.5 * rate), axis=0)
    bell = np.hanning(round(rate))
    return np.stack([np.convolve(column, bell / bell.sum(), "same") for column in steps.T], 1)


def judged(folder: Path, seed: int, channels: int, rate: float, seconds: float) -> tuple[Figures, MadeValues]:
    """Return the figures of one person, by whom: R2, and mean errors of all windows and of three kinds of them."""
    person, path = Follower(channels, rate, DEGREES, seed), folder / "a.npz"
    lesson = recording(path, trajectory=cursor(seconds, seed), person=person, rate=rate, channels=channels)
    made = new_values([lesson], folder / "model")
    manifest, windows = made.artefact.manifest, made.learned.windows
    done, length = person.follow(held_out(rate, seed)), manifest.length
    signal = filter_all(design(manifest.filters, rate, 50.0), done.emg * np.float32(UV))
    ends = np.arange(manifest.reads, len(signal) + 1, round(rate / 20))
    truth = np.stack([done.activation[end - length : end].mean(0) for end in ends])
    whole = np.stack([signal[end - manifest.reads : end] for end in ends]) / manifest.std
    parts = [reference_logits(made.artefact, part) for part in np.array_split(whole, 20)]
    taught = np.stack([made.signal[end - length : end] for end in windows.end])
    now = (whole[:, -length:] * manifest.std).astype(np.float32)
    told = {
        "this model": np.concatenate(parts),
        "linear regression of root mean squares": linear(rms(taught), windows.target, rms(now)),
        "linear regression of Hudgins' features": linear(classic(taught), windows.target, classic(now)),
        "the mean of the lesson": np.repeat(windows.target.mean(0)[None], len(truth), 0),
    }
    return {who: figures(np.clip(found, -1, 1), truth) for who, found in told.items()}, made


def figures(found: np.ndarray, truth: np.ndarray) -> list[float]:
    error, moving = np.abs(found - truth), (np.abs(truth) > 0.2).sum(1)
    r2 = 1 - np.square(found - truth).sum(0) / np.square(truth - truth.mean(0)).sum(0)
    kinds = (moving == 1, moving > 1, np.abs(truth).max(1) < 0.02)
    return [float(r2.mean()), float(error.mean()), *(float(error[rows].mean()) for rows in kinds)]


def linear(taught: np.ndarray, target: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return what ridge regression of features, each divided by its mean, says of windows."""
    scale = taught.mean(0) + 1e-9
    one, other = (np.column_stack([part / scale, np.ones(len(part))]) for part in (taught, now))
    return other @ ridge(one, target, 1e-3)


def rms(windows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(windows.astype(float)).mean(1))


def classic(windows: np.ndarray) -> np.ndarray:
    return hudgins(windows, 0.03 * UV)  # a crossing that changes less is noise: 3 % of MVC


def joints(people: int, channels: int, rate: float, seconds: float) -> None:
    """Print R2 and mean errors of three values on movements that are held out, by the muscles' own activations."""
    rows, spent, lags = [], [], []
    for seed in range(people):
        with tempfile.TemporaryDirectory() as folder:
            one, made = judged(Path(folder), seed, channels, rate, seconds)
        rows.append(one)
        spent.append(made.seconds)
        lags.append(made.artefact.manifest.metrics["values"]["lag_s"])
    print("| | R2 | mean error | one moves | several move | at rest |\n| --- | --- | --- | --- | --- | --- |")
    for who in rows[0]:
        mean = np.mean([one[who] for one in rows], axis=0)
        print(f"| {who} | " + " | ".join(f"{value:.3f}" for value in mean) + " |")
    print(
        f"lag found: {min(lags):.3f} to {max(lags):.3f} s; learned in {np.mean(spent):.1f} s of a processor"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", action="store_true", help="of one movement at a time")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--joints", action="store_true", help="three at once, after a followed lesson")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the lesson")
    options = parser.parse_args()
    if options.joints:
        joints(options.people, options.channels, options.rate, options.seconds)
    if options.strength:
        strength(options.people, options.channels, options.rate)


if __name__ == "__main__":
    main()
