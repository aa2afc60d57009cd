"""What a person is to be asked to do while recording: gestures in order (course.py has when)."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.emg.recording.json_fields import list_of, real_of, text_of, whole_of
from app.emg.recording.plain_text import is_plain
from app.errors import DataError

REST = "rest"
SECONDS, REST_SECONDS, COUNTDOWN_SECONDS, REPETITIONS = 3.0, 2.0, 3.0, 3
MAX_GESTURES, MAX_REPETITIONS = 64, 1000
MAX_STEPS = 10_000  # of one a second and a half, four hours
MAX_STEP_S, MAX_PLAN_S = 3600.0, 4 * 3600.0
MAX_LABEL = 64  # characters

_TEXT = "`rest:3,fist:3 x 3`: gestures with their seconds, and how many times"
KEYS = ("gestures", "repetitions", "seconds", "rest_seconds", "countdown_seconds")


@dataclass(frozen=True, slots=True)
class Step:
    """One prompt. A rest carries the repetition of the gesture that follows it."""

    label: str
    seconds: float
    repetition: int


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """A countdown, then one prompt after the other.

    Raises:
        DataError: no step, one of no sensible length, a name that cannot be one, or hours of them.
    """

    steps: tuple[Step, ...]
    countdown_s: float = COUNTDOWN_SECONDS
    rest: str = REST

    def __post_init__(self) -> None:
        if not self.steps:
            raise DataError("a plan needs at least one gesture")
        for step in self.steps:
            _expect_label(step.label)
            _expect_seconds(f"the seconds of {step.label}", step.seconds, least=0.1)
        _expect_seconds("countdown_seconds", self.countdown_s, least=0.0)
        if len(self.gesture_names) > MAX_GESTURES:
            raise DataError(f"a plan has up to {MAX_GESTURES} gestures, got {len(self.gesture_names)}")
        if self.seconds > MAX_PLAN_S:
            raise DataError(
                f"a plan lasts up to {MAX_PLAN_S / 3600:g} h, this one {self.seconds / 3600:.1f} h"
            )

    @property
    def seconds(self) -> float:
        return self.countdown_s + sum(step.seconds for step in self.steps)

    @property
    def gesture_names(self) -> tuple[str, ...]:
        """Rest first where the plan has it, then the gestures as they come up; a label is an index into it."""
        names = dict.fromkeys(step.label for step in self.steps)
        return ((self.rest,) if self.rest in names else ()) + tuple(n for n in names if n != self.rest)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        steps = [[step.label, step.seconds, step.repetition] for step in self.steps]
        return {"steps": steps, "countdown_seconds": self.countdown_s, "rest": self.rest}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LabelPlan:
        """Return the plan of a recording's own header."""
        try:
            steps = tuple(_step(values) for values in list_of(values, "steps"))
            return cls(steps, real_of(values, "countdown_seconds"), text_of(values, "rest"))
        except ValueError as error:
            raise DataError(f"the plan of the recording is damaged ({error})") from None


def _step(values: Any) -> Step:
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError("a step must be a list of label, seconds and repetition")
    named = dict(zip(("label", "seconds", "repetition"), values, strict=True))
    repetition = whole_of(named, "repetition", 0, MAX_REPETITIONS)
    return Step(text_of(named, "label"), real_of(named, "seconds"), repetition)


def plan_of(
    gestures: Sequence[str],
    repetitions: int = REPETITIONS,
    seconds: float = SECONDS,
    rest_seconds: float = REST_SECONDS,
    countdown_seconds: float = COUNTDOWN_SECONDS,
    rest: str = REST,
) -> LabelPlan:
    """Each gesture in turn, `repetitions` times, with a pause of rest between two that are not rest themselves."""
    if not 1 <= repetitions <= MAX_REPETITIONS:
        raise DataError(f"repetitions must be from 1 to {MAX_REPETITIONS}, got {repetitions}")
    if len(gestures) > MAX_GESTURES:
        raise DataError(f"a plan has up to {MAX_GESTURES} gestures, got {len(gestures)}")
    if len(set(gestures)) != len(gestures):
        raise DataError(f"gestures must differ from each other, got {', '.join(map(str, gestures))}")
    _expect_seconds("seconds", seconds, least=0.1)
    _expect_seconds("rest_seconds", rest_seconds, least=0.0)
    _expect_steps(len(gestures) * repetitions)  # before they are made, and with the pauses once more
    pause = rest_seconds > 0
    steps: list[Step] = []
    for repetition in range(1, repetitions + 1):
        for gesture in gestures:
            if pause and steps and rest not in (gesture, steps[-1].label):
                steps.append(Step(rest, rest_seconds, repetition))
            steps.append(Step(gesture, seconds, repetition))
    _expect_steps(len(steps))
    return LabelPlan(tuple(steps), countdown_seconds, rest)


def parse_plan(text: str, rest: str = REST) -> LabelPlan:
    """Return a plan in its short form, `rest:3,fist:3 x 3`, or as the JSON object that HTTP takes.

    Raises:
        DataError: says which part is wrong.
    """
    if text.lstrip().startswith("{"):
        return _from_object(text, rest)
    found = re.fullmatch(r"(?s)\s*(.+?)(?:\s+[x×*]\s*(\S+))?\s*", text)
    if found is None:
        raise DataError(f"the plan is empty; it is {_TEXT}")
    times = _times(found[2] or "1")
    pairs = list(_pairs(found[1]))
    _expect_steps(len(pairs) * times)
    steps = tuple(Step(name, seconds, k) for k in range(1, times + 1) for name, seconds in pairs)
    return LabelPlan(steps, rest=rest)


def read_plan(plan: str, rest: str = REST) -> LabelPlan:
    """Return the plan in a file of that name, or else the plan that the text itself is.

    Raises:
        DataError: neither; says what is wrong with it.
    """
    if os.path.isfile(plan):  # noqa: PTH113  Path.is_file raises where the text is longer than a name may be
        try:
            return parse_plan(Path(plan).read_text(encoding="utf-8"), rest)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the plan {plan} cannot be read: {error}") from None
    if ":" not in plan and not plan.lstrip().startswith("{"):
        raise DataError(f"no file {plan}, and a plan written out is {_TEXT}")
    return parse_plan(plan, rest)


def _pairs(text: str) -> Iterator[tuple[str, float]]:
    for part in text.split(","):
        name, colon, seconds = part.strip().rpartition(":")
        try:
            yield name.strip(), float(seconds)
        except ValueError:
            colon = ""
        if not colon:
            raise DataError(f"{part.strip()!r} is not `gesture:seconds`; a plan is {_TEXT}")


def _times(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_REPETITIONS:
        raise DataError(f"a plan is done 1 to {MAX_REPETITIONS} times, got `x {text}`; it is {_TEXT}")
    return int(text)


def _from_object(text: str, rest: str) -> LabelPlan:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DataError(f"the plan is not JSON: {error}") from None
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise DataError(f"the plan has an unknown {unknown[0]!r}; there are {', '.join(KEYS)}")
    gestures = values.get("gestures")
    if not isinstance(gestures, list) or not gestures or not all(isinstance(g, str) for g in gestures):
        raise DataError('the plan needs "gestures", a list of names such as ["rest", "fist"]')
    numbers = {key: _number(key, value) for key, value in values.items() if key != "gestures"}
    return plan_of(gestures, rest=rest, **numbers)


def _number(key: str, value: Any) -> Any:
    whole = key == "repetitions"
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or abs(value) > 1e9:
        raise DataError(f"{key} must be a {'whole ' if whole else ''}number, got {str(value)[:40]!r}")
    return value


def _expect_label(label: str) -> None:
    if not 0 < len(label) <= MAX_LABEL or not is_plain(label) or label.strip() != label:
        raise DataError(
            f"a gesture's name is a printable text of 1 to {MAX_LABEL} characters, got {label[:80]!r}"
        )


def _expect_steps(count: int) -> None:
    if count > MAX_STEPS:
        raise DataError(f"a plan has up to {MAX_STEPS} steps, pauses included; this one has {count} or more")


def _expect_seconds(what: str, value: float, least: float) -> None:
    if not math.isfinite(value) or not least <= value <= MAX_STEP_S:
        raise DataError(f"{what} must be from {least:g} to {MAX_STEP_S:g} s, got {value:g}")
