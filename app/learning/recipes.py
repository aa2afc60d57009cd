"""How the models we ship are made: everything that `model train` needs besides the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording
from app.emg.simulated.simulator import Simulator
from app.errors import DataError
from app.inference.manifest import Manifest
from app.learning.augmentation import Augmentation
from app.learning.training import Schedule

SIMULATOR = "simulator"  # in place of a folder of recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A model before it is trained."""

    name: str
    version: str
    architecture: str
    hyper_parameters: Mapping[str, Any]
    channels: int
    length: int  # samples
    context: int = 0  # samples before the window that the model reads too
    sampling_rate: float  # Hz
    units: str
    filters: tuple[Mapping[str, Any], ...]
    classes: tuple[str, ...]
    rest_class: str = "rest"
    steps: int = 1
    dataset: str = ""
    licence: str = ""
    folds: int = 0  # groups of people; weights that have not seen a group are kept for each
    apart: int = 3  # people who only stop the training
    sets: tuple[int, ...] = ()  # people of each set of recordings, where there are several
    ring: bool = False  # the electrodes sit on a ring that people put on turned by whole electrodes
    schedule: Schedule = field(default_factory=Schedule)

    def draft(self) -> Manifest:
        """Return the manifest as far as it is known before training; statistics are those of no data yet."""
        return Manifest(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            hyper_parameters=dict(self.hyper_parameters),
            channels=self.channels,
            length=self.length,
            context=self.context,
            sampling_rate=self.sampling_rate,
            units=self.units,
            filters=self.filters,
            mean=np.zeros(self.channels, np.float32),
            std=np.ones(self.channels, np.float32),
            classes=self.classes,
            rest_class=self.rest_class,
            steps=self.steps,
            rest_rms=0.0,
            active_rms=1.0,
        )


MYO = Recipe(
    name="myo-8ch-200hz",
    version="2.0.0",
    architecture="covariance",
    hyper_parameters={
        "ridge": 0.05,
        "floor": 1.0,  # count^2
        "degree": 23,
        "tau_ms": 500.0,
        "bands_hz": [[15.0, 35.0], [35.0, 60.0], [60.0, 100.0]],
        "frame_ms": 200.0,
        "placements": 16,
        "typical": 96,
    },
    channels=8,
    length=40,
    context=360,
    sampling_rate=200.0,
    units="counts",
    filters=(),  # the armband filters by itself, and what lies below 15 Hz helps; see docs/models.md
    classes=(
        "rest",
        "flexion",
        "extension",
        "radial_deviation",
        "ulnar_deviation",
        "pronation",
        "supination",
        "fist",
    ),
    dataset="myo-readings",
    licence=(
        'Contains EMG recordings from "myo-readings-dataset", Copyright (c) 2021 Aljaž '
        "(github.com/aljazfrancic/myo-readings-dataset), MIT License."
    ),
    folds=5,
    ring=True,
)

SYNTHETIC = Recipe(
    name="synthetic-16ch-2khz",
    version="2.0.0",
    architecture="covariance",
    hyper_parameters={
        "ridge": 0.05,
        "floor": 1.0,  # uV^2
        "degree": 23,
        "tau_ms": 250.0,
        "typical": 272,
    },
    channels=16,
    length=200,
    context=1300,
    sampling_rate=2000.0,
    units="uV",
    filters=(
        {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": 450},
        {"kind": "notch", "frequency_hz": "mains", "q": 30},
    ),
    classes=("rest", "fist", "open_hand", "flexion", "extension", "pronation", "supination"),
    dataset=SIMULATOR,
    licence="Trained on simulated signals only.",
    apart=6,
    # the simulator's ring turns by far less than an electrode, and its windows hold no segment's edge
    schedule=Schedule(
        epochs=8,
        windows=24_576,
        batch=256,
        augmentation=Augmentation(roll=0.3, gain=0.15, noise=0.1, drop=0.05, shift=50),
    ),
)

_POWER = {"width": 192, "stem_kernel": 11, "stem_stride": 1, "hidden": 192, "dropout": 0.2}
# The same data and schedule with networks: that of version 1.0.0, and the two temporal convolutional ones of the
# comparison in docs/models.md.
_TCN = {"width": 64, "stem_kernel": 6, "stem_stride": 2, "kernel": 3, "dilations": [1, 2], "dropout": 0.1}
_CHANGES: dict[str, dict[str, Any]] = {
    "tcn": {"architecture": "tcn", "hyper_parameters": _TCN, "context": 0},
    "spiking": {"architecture": "spiking_tcn", "hyper_parameters": _TCN, "context": 0, "steps": 4},
    "power": {"architecture": "power", "hyper_parameters": _POWER, "context": 0},
}

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (MYO, SYNTHETIC)}


def find(name: str, network: str | None = None) -> Recipe:
    """Return the recipe of that name, with another network if asked.

    Raises:
        DataError: there is no such recipe or network.
    """
    if name not in RECIPES:
        raise DataError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    if network is None:
        return RECIPES[name]
    if network not in _CHANGES:
        raise DataError(f"no network {network!r}; there are {', '.join(_CHANGES)}")
    return replace(RECIPES[name], **_CHANGES[network])


def simulated(recipe: Recipe, seeds: Sequence[int], seconds: float = 60.0) -> tuple[Recording, ...]:
    """Return a recording for each seed: another person, another day."""
    return tuple(_simulated(recipe.draft(), seed, seconds) for seed in seeds)


def simulate(manifest: Manifest, seeds: Sequence[int], seconds: float = 60.0) -> tuple[Recording, ...]:
    """Return the same in the form that a model takes."""
    return tuple(_simulated(manifest, seed, seconds) for seed in seeds)


def _simulated(manifest: Manifest, seed: int, seconds: float) -> Recording:
    names, rest = manifest.classes, manifest.rest_class
    source = Simulator(
        manifest.channels, manifest.sampling_rate, names, rest, seed, units=manifest.units, speed=None
    )
    emg, label = source.generate(round(seconds * manifest.sampling_rate))
    one = np.ones(len(label), np.int16)
    return Recording(
        path=Path(f"seed{seed}.npz"),
        emg=emg,
        label=label,
        label_cue=label,
        repetition=_repetitions(label, names.index(rest)),
        session=one,
        recording=0 * one,
        fs=manifest.sampling_rate,
        gesture_names=names,
        subject=f"seed{seed}",
        exercise=None,
        units=manifest.units,
    )


def _repetitions(label: Any, rest: int) -> Any:
    """How often each gesture was made until then; rest carries 0 and takes that of the gesture after it."""
    starts = np.flatnonzero(np.diff(label, prepend=rest) != 0)
    ends = np.append(starts[1:], len(label))
    seen: dict[int, int] = {}
    repetition = np.zeros(len(label), np.int16)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        gesture = int(label[start])
        if gesture != rest:
            seen[gesture] = seen.get(gesture, 0) + 1
            repetition[start:end] = seen[gesture]
    return repetition
