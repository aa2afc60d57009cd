"""Recordings of a person who follows cues late: any number of channels, any rate, names in any script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording, load

NAMES = ("покой", "кулак", "ладонь", "щепоть")
REST_S, HELD_S = 2.0, 3.0


def own(
    path: Path,
    seed: int = 0,
    *,
    channels: int = 5,
    rate: float = 500.0,
    names: Sequence[str] = NAMES,
    repetitions: int = 2,
    held_s: float = HELD_S,
    delay_s: float = 0.0,
    weak: Sequence[int] = (),
    same: Sequence[tuple[int, int]] = (),
    missed: Sequence[tuple[int, int]] = (),
    **changes: Any,
) -> Path:
    """Write a recording: rest and gesture by turns, each gesture `repetitions` times.

    Args:
        path: an .npz.
        seed: of the muscles and the noise.
        channels: number.
        rate: Hz.
        names: class 0 is rest.
        repetitions: of each gesture.
        held_s: how long a gesture lasts.
        delay_s: of what the person does, after the cue.
        weak: gestures that excite nothing.
        same: pairs (gesture, other) where the first uses the second's muscles.
        missed: (gesture, repetition from 1) that was not made.
        changes: arrays in place of these; None leaves one out.
    """
    chance = np.random.default_rng(seed)
    muscles = 2 + 18 * chance.random((len(names), channels)) ** 3
    muscles[0] = 2
    for one, other in same:
        muscles[one] = muscles[other]
    muscles[list(weak)] = 2
    cue, done, repetition = [], [], []
    rest, held = round(REST_S * rate), round(held_s * rate)
    for number in range(1, repetitions + 1):
        for k in range(1, len(names)):
            cue += [0] * rest + [k] * held
            done += [0] * rest + [0 if (k, number) in missed else k] * held
            repetition += [number] * (rest + held)
    cue += [0] * rest
    done += [0] * rest
    repetition += [repetitions] * rest
    did = np.roll(np.array(done), round(delay_s * rate))
    emg = chance.normal(size=(len(did), channels)) * muscles[did]
    arrays: dict[str, Any] = {
        "emg": emg.astype(np.float32),
        "label": np.array(cue, np.int8),
        "repetition": np.array(repetition, np.int8),
        "fs": np.float64(rate),
        "gesture_names": np.array(names),
        "units": np.array("uV"),
    }
    arrays = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    np.savez_compressed(path, **arrays)
    return path


def recording(path: Path, **changes: Any) -> Recording:
    return load(own(path, **changes), labelled=False)
