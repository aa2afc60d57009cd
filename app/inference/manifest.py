"""What is known of a model: the manifest of its folder, as a value that cannot be wrong in form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError
from app.filter_specs import FilterSpecError, check_filter
from app.inference.control import ControlRule
from app.inference.decision_rule import DecisionRule
from app.inference.gestures.events import GestureRuleSet
from app.inference.outputs import LOGITS, VALUES, Outputs
from app.inference.strength import Effort

Statistics = npt.NDArray[np.float32]  # (channels,)

SCHEMA = 1
# Somebody's own ONNX graph, which only ONNX Runtime runs, and which its author's golden vectors vouch for.
FOREIGN = "onnx"
NETWORKS = ("tcn", "spiking_tcn", "power", "covariance")  # our own
ARCHITECTURES = (*NETWORKS, FOREIGN)

TIME_FIRST, CHANNELS_FIRST = "ntc", "nct"  # (windows, samples, channels), (windows, channels, samples)
LAYOUTS = (TIME_FIRST, CHANNELS_FIRST)

# Far above any armband or electrode grid; they bound what a hand-edited manifest can make us allocate.
MAX_CHANNELS, MAX_LENGTH, MAX_RATE_HZ = 1024, 100_000, 1_000_000
MAX_CLASSES, MAX_STEPS, MAX_FILTERS, MAX_FILES = 1024, 256, 32, 256

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # no `..`, no dot files, no drive letters
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Parent:
    """The artefact a calibrated one was made from; `sha256` is that of its manifest.json."""

    name: str
    sha256: str

    def __post_init__(self) -> None:
        _require(is_name(self.name), "parent.name", "a name of letters, digits, '.', '_' and '-'", self.name)
        _require(_is_sha256(self.sha256), "parent.sha256", "64 hexadecimal digits", self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Manifest:
    """What a model is and what it takes.

    Raises:
        ArtefactError: a value is out of range; the message names the field as manifest.json spells it.
    """

    name: str
    version: str
    architecture: str  # one of ARCHITECTURES
    hyper_parameters: Mapping[str, Any]
    channels: int
    length: int  # samples in a window
    context: int = 0  # samples before the window that the model reads too
    sampling_rate: float  # Hz
    units: str
    filters: tuple[Mapping[str, Any], ...] = ()  # as app/filter_specs.py has them
    layout: str = TIME_FIRST  # of the graph's input, one of LAYOUTS
    mean: Statistics  # per channel, in `units` after filtering
    std: Statistics
    classes: tuple[str, ...]  # empty where the model gives values
    rest_class: str  # empty where the model gives values
    steps: int = 1  # time steps of a spiking network
    rest_rms: float  # contraction level of rest, in `units` after filtering
    active_rms: float  # the same for a full gesture: intensity 1
    strength: Mapping[str, Effort] = field(default_factory=dict)  # of gestures, as their person makes them
    decision: DecisionRule | None = None  # for streams that ask for no rule of their own
    gesture_rules: GestureRuleSet | None = None  # for streams with events that ask for no rules of their own
    control: ControlRule | None = None  # how values become what should be acted upon
    reject_below: float | None = None  # a window whose largest logit is lower is none of the classes
    parent: Parent | None = None
    training: Mapping[str, Any] = field(default_factory=dict)  # dataset, split, seed, folds
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # relative name -> sha256
    outputs: Outputs = field(default_factory=Outputs)  # of the graph

    def __post_init__(self) -> None:
        self._check_identity()
        self._check_input()
        self._check_statistics()
        self._check_classes()
        self._check_rejection()
        self._check_strength()
        self._check_graph()
        self._check_files()

    @property
    def rule(self) -> DecisionRule:
        """How streams decide that ask for no rule of their own."""
        return self.decision or DecisionRule()

    @property
    def control_rule(self) -> ControlRule:
        """How its values become what should be acted upon."""
        return self.control or ControlRule()

    @property
    def reads(self) -> int:
        """Return how many samples the model takes: the window, and the context before it."""
        return self.context + self.length

    @property
    def gives_values(self) -> bool:
        """Whether it gives values with names and ranges, and decides between no classes."""
        return self.outputs.kind == VALUES

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what each column of the output is called: the classes, or the values."""
        return tuple(value.name for value in self.outputs.values) if self.gives_values else self.classes

    def _check_identity(self) -> None:
        _require(is_name(self.name), "name", "letters, digits, '.', '_' and '-'", self.name)
        _require(_is_label(self.version), "version", "a short printable text", self.version)
        _require(
            self.architecture in ARCHITECTURES, "architecture", _any_of(ARCHITECTURES), self.architecture
        )
        _require(1 <= self.steps <= MAX_STEPS, "steps", f"from 1 to {MAX_STEPS}", self.steps)

    def _check_input(self) -> None:
        _require(1 <= self.channels <= MAX_CHANNELS, "input.channels", f"1 to {MAX_CHANNELS}", self.channels)
        _require(1 <= self.length <= MAX_LENGTH, "input.length", f"1 to {MAX_LENGTH} samples", self.length)
        most = MAX_LENGTH - self.length
        _require(0 <= self.context <= most, "input.context", f"0 to {most} samples", self.context)
        rate = self.sampling_rate
        _require(0 < rate <= MAX_RATE_HZ, "input.sampling_rate_hz", f"above 0, up to {MAX_RATE_HZ}", rate)
        _require(_is_label(self.units), "input.units", "a short printable text", self.units)
        count = len(self.filters)
        _require(count <= MAX_FILTERS, "input.filters", f"at most {MAX_FILTERS} filters", count)
        for number, spec in enumerate(self.filters):
            _check_filter(f"input.filters[{number}]", spec, rate)

    def _check_statistics(self) -> None:
        for name, values in (("normalisation.mean", self.mean), ("normalisation.std", self.std)):
            expected = f"one number for each of the {self.channels} channels"
            _require(values.shape == (self.channels,), name, expected, values.shape)
            _require(bool(np.isfinite(values).all()), name, "finite numbers", values.tolist())
        _require(bool((self.std > 0).all()), "normalisation.std", "above 0", self.std.tolist())
        finite = math.isfinite(self.rest_rms) and math.isfinite(self.active_rms)
        levels = (self.rest_rms, self.active_rms)
        _require(finite and 0 <= levels[0] < levels[1], "intensity", "0 <= rest_rms < active_rms", levels)

    def _check_classes(self) -> None:
        if self.gives_values:
            self._check_without_classes()
            return
        _require(self.control is None, "control", f"left out unless outputs.kind is {VALUES}", self.control)
        count = len(self.classes)
        _require(2 <= count <= MAX_CLASSES, "classes", f"2 to {MAX_CLASSES} gestures", count)
        for label in self.classes:
            _require(_is_label(label), "classes", "short printable names", label)
        _require(len(set(self.classes)) == count, "classes", "names that differ", self.classes)
        _require(self.rest_class in self.classes, "rest_class", _any_of(self.classes), self.rest_class)
        for label in self.gesture_rules.overrides if self.gesture_rules else ():
            _require(
                label in self.classes, "gesture_rules.classes", f"of {', '.join(self.classes[:20])}", label
            )

    def _check_without_classes(self) -> None:
        """What decides between classes contradicts values."""
        for name, value in (
            ("classes", self.classes),
            ("rest_class", self.rest_class),
            ("decision", self.decision),
            ("gesture_rules", self.gesture_rules),
        ):
            _require(not value, name, f"left out: outputs.kind is {VALUES}", value)
        _require(
            self.reject_below is None,
            "reject_below",
            f"left out: outputs.kind is {VALUES}",
            self.reject_below,
        )

    def _check_rejection(self) -> None:
        least = self.reject_below
        _require(least is None or math.isfinite(least), "reject_below", "a finite number or null", least)

    def _check_strength(self) -> None:
        for name, effort in self.strength.items():
            gesture = name in self.classes and name != self.rest_class
            _require(gesture, "strength", "of classes other than rest_class", name)
            expected = f"one number for each of the {self.channels} channels"
            _require(
                len(effort.weights) == self.channels, f"strength.{name}.weights", expected, effort.weights
            )

    def _check_graph(self) -> None:
        _require(self.layout in LAYOUTS, "input.layout", _any_of(LAYOUTS), self.layout)
        if self.architecture == FOREIGN:
            return
        unusual = f"left out unless architecture is {FOREIGN}"
        _require(self.layout == TIME_FIRST, "input.layout", unusual, self.layout)
        _require(not self.outputs.name, "outputs.name", unusual, self.outputs.name)
        kinds = (LOGITS, VALUES) if self.architecture == "covariance" else (LOGITS,)
        _require(
            self.outputs.kind in kinds,
            f"outputs.kind of {self.architecture}",
            _any_of(kinds),
            self.outputs.kind,
        )

    def _check_files(self) -> None:
        _require(len(self.files) <= MAX_FILES, "files", f"at most {MAX_FILES} files", len(self.files))
        for name, digest in self.files.items():
            _require(is_file_name(name), "files", "names of files inside the folder", name)
            _require(_is_sha256(digest), f"files[{name}]", "a sha256 of 64 hexadecimal digits", digest)


def is_name(text: str) -> bool:
    """Whether an artefact may be called that."""
    return _NAME.fullmatch(text) is not None


def is_file_name(text: str) -> bool:
    """Whether the text can only mean a file inside the artefact's folder, other than its manifest."""
    parts = text.split("/")
    return text != "manifest.json" and len(parts) <= 3 and all(_PART.fullmatch(part) for part in parts)


def shown(value: object) -> str:
    """Return the value for an error message: on one line and never long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _require(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise ArtefactError(f"{name} must be {expected}, got {shown(value)}")


def _check_filter(where: str, spec: Mapping[str, Any], sampling_rate: float) -> None:
    try:
        check_filter(spec, sampling_rate)
    except FilterSpecError as error:
        name = f"{where}.{error.key}" if error.key else where
        raise ArtefactError(f"{name} {error.must}, got {shown(spec.get(error.key, dict(spec)))}") from None


def _is_label(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isprintable() and text.strip() == text


def _is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def _any_of(choices: tuple[str, ...]) -> str:
    return "one of " + ", ".join(choices[:20])
