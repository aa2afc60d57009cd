"""What to make of more than 16 channels: directions and powers, bands and neighbours, or everything.

    OMP_NUM_THREADS=1 python -m benchmarks.many_channels [--channels 32 64] [--people 8]

No shared recording has so many, so people are simulated, with a ring of so many electrodes, at 1 kHz. Each is taught by
one repetition, or two, and judged on the fourth and later ones of the same session: linear discriminant, mean over
people of the balanced accuracy. Levels, floor and directions are of the windows that teach.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.emg.files.recordings import Recording
from app.inference.covariance.moments import Moments
from app.learning import lda, recipes
from app.learning.covariance.head import Doubles, Ids, fit_head
from app.learning.metrics import confusion
from app.learning.own.joined import join
from app.learning.own.signal_plan import EDGES_FAST_HZ, bands_for, choose, filtered
from app.learning.own.windows import OwnWindows, Scale, cut, scale_of

RATE, SECONDS, FIRST_SEED, JUDGED = 1000.0, 190.0, 7000, 4
PIECE_S = 20  # running sums of all products of 64 channels take 16 kB a sample
TAUGHT = (1, 2)
WHOLE = 32  # channels, up to which all of the matrix is tried: 4160 features of 64 take a minute a head


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--people", type=int, default=8)
    asked = parser.parse_args()
    for channels in asked.channels:
        found: dict[tuple[str, int], list[list[float]]] = {}
        for seed in range(FIRST_SEED, FIRST_SEED + asked.people):
            windows = _windows(_person(channels, seed))
            for name, size, scores in _judged(windows):
                found.setdefault((name, size), []).append(scores)
        print(f"{channels} channels, {asked.people} people, chance {1 / len(windows.joined.classes):.3f}")
        print("| features | number | one repetition | two |\n| --- | --- | --- | --- |")
        for (name, size), each in found.items():
            one, two = np.mean(each, axis=0)
            print(f"| {name} | {size} | {one:.3f} | {two:.3f} |", flush=True)


def _person(channels: int, seed: int) -> Recording:
    draft = replace(
        recipes.SYNTHETIC.draft(),
        channels=channels,
        sampling_rate=RATE,
        mean=np.zeros(channels, np.float32),
        std=np.ones(channels, np.float32),
    )
    (one,) = recipes.simulate(draft, [seed], SECONDS)
    pieces = np.arange(len(one.emg)) // round(PIECE_S * RATE)
    return replace(one, recording=pieces.astype(np.int16))


def _windows(recording: Recording) -> OwnWindows:
    """Return the windows with moments and bands of every channel."""
    joined = join([recording])
    plan = choose(joined, None)
    plan = replace(plan, parameters=replace(plan.parameters, bands_hz=bands_for(RATE), projected=0))
    return cut(joined, filtered(joined, plan, None), plan)


def _judged(windows: OwnWindows) -> Iterator[tuple[str, int, list[float]]]:
    """Yield each choice of features, how many there are, and its figures after one repetition and after two."""
    channels, bands = windows.joined.channels, len(EDGES_FAST_HZ) - 1
    for directions in (8, 16, 24):
        size = directions * (directions + 1)
        own = _each(windows, lambda rows, p=directions: _directions(windows, rows, p))
        yield f"{directions} directions, and each channel's power", size + 2 * channels, own
        if directions == 16:
            own = _each(windows, lambda rows, n=size: _directions(windows, rows, 16)[:, :n])
            yield "16 directions alone", size, own
    yield "each channel's power alone", 2 * channels, _each(windows, lambda rows: _levels(windows, rows)[0])
    for near in (1, 2):
        own = _each(windows, lambda rows, k=near: _neighbours(windows, rows, k))
        yield (
            f"power, {bands} bands, correlation with {near} neighbours",
            (2 + bands + 2 * near) * channels,
            own,
        )
    if channels <= WHOLE:
        own = _each(windows, lambda rows: _directions(windows, rows, 0))
        yield "the whole matrix", channels * (channels + 1), own
    yield "LDA on Hudgins' features", 4 * channels, _classic(windows)


def _each(windows: OwnWindows, features_by: Callable[[Ids], Doubles]) -> list[float]:
    figures = []
    for repetitions in TAUGHT:
        rows, test = _rows(windows, repetitions)
        features = features_by(rows)
        head = fit_head(features[rows], windows.label[rows], len(windows.joined.classes))
        figures.append(_balanced(windows, test, head.predict(features[test])))
    return figures


def _rows(windows: OwnWindows, repetitions: int) -> tuple[Ids, Ids]:
    number = windows.repetition
    return np.flatnonzero((number >= 1) & (number <= repetitions)), np.flatnonzero(number >= JUDGED)


def _balanced(windows: OwnWindows, test: Ids, predicted: Ids) -> float:
    counts = confusion(windows.label[test], predicted, len(windows.joined.classes))
    return float(np.mean(np.diag(counts) / counts.sum(1)))


def _scale(windows: OwnWindows, rows: Ids, projected: int) -> tuple[Scale, Moments]:
    parameters = replace(windows.plan.parameters, bands_hz=(), projected=projected)
    moments = replace(windows.moments, bands=windows.moments.bands[:, :0])
    plain = replace(windows, plan=replace(windows.plan, parameters=parameters), moments=moments)
    return scale_of(plain, rows), moments


def _directions(windows: OwnWindows, rows: Ids, projected: int) -> Doubles:
    scale, moments = _scale(windows, rows, projected)
    return scale.features(moments)


def _levels(windows: OwnWindows, rows: Ids) -> tuple[Doubles, list[Doubles], Scale]:
    """Return log powers in window and context, (n, 2 channels), and both matrices with floor, scaled."""
    scale, moments = _scale(windows, rows, 0)
    floor = scale.parameters.floor * np.eye(windows.joined.channels)
    matrices = [each / np.outer(scale.std, scale.std) + floor for each in (moments.window, moments.context)]
    return np.log(np.concatenate([_diagonal(each) for each in matrices], 1)), matrices, scale


def _neighbours(windows: OwnWindows, rows: Ids, near: int) -> Doubles:
    """Return log powers, log band powers and correlations with the next channels of the ring."""
    levels, matrices, scale = _levels(windows, rows)
    bands = np.log(windows.moments.bands / np.square(scale.std) + scale.parameters.floor)
    parts = [levels, bands.reshape(len(bands), -1)]
    for matrix in matrices:
        own = _diagonal(matrix)
        for step in range(1, near + 1):
            next_ones = np.roll(np.arange(own.shape[1]), -step)
            across = matrix[:, np.arange(own.shape[1]), next_ones]
            parts.append(np.arctanh(0.999 * across / np.sqrt(own * own[:, next_ones])))
    return np.concatenate(parts, 1)


def _diagonal(matrices: npt.NDArray[np.float64]) -> Doubles:
    return np.diagonal(matrices, axis1=1, axis2=2)


def _classic(windows: OwnWindows) -> list[float]:
    features = lda.hudgins(windows.recent(np.arange(len(windows))))
    figures = []
    for repetitions in TAUGHT:
        rows, test = _rows(windows, repetitions)
        predicted = lda.fit(features[rows], windows.label[rows]).predict(features[test])
        figures.append(_balanced(windows, test, predicted))
    return figures


if __name__ == "__main__":
    main()
