"""Gestures as events: what is told where one begins, is held and ends, and the rules for that."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from app.errors import ArtefactError

Phase = Literal["onset", "hold", "release"]
Variant = Literal["single", "double", "long"]
Reason = Literal["gesture", "rest", "stalled", "gap", "quality", "model", "completed", "shutdown"]

MOST_S = 3600.0  # of every time in the rules
EARLY_S = 1.0  # an onset so long before its label is that gesture's, if it is held into it: people act before the cue


@dataclass(frozen=True, slots=True, kw_only=True)
class GestureEvent:
    """A gesture began, is held, or ended.

    Samples are the source's, counted since it began. `index` is `class` in JSON, a word that Python keeps for itself.
    """

    gesture: str  # name of the class
    phase: Phase
    id: int  # the same from onset to release; counts up
    variant: Variant
    index: int  # number of the class
    sample_index: int  # at which it was decided: the window ends before it
    began_at: int  # at which the muscle began
    refined_by: int  # samples from `began_at` to the end of the first window that showed the gesture
    strength: float  # 0..1
    confidence: float  # 0..1, probability of the class
    held_s: float  # since the onset, in s of the source's samples
    reason: Reason | None = None  # of a release
    timestamp: float  # Unix s, when it was decided

    @property
    def fields(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "gesture": self.gesture,
            "phase": self.phase,
            "id": self.id,
            "variant": self.variant,
            "class": self.index,
            "sample_index": self.sample_index,
            "began_at": self.began_at,
            "refined_by": self.refined_by,
            "strength": round(self.strength, 3),
            "confidence": round(self.confidence, 4),
            "held_s": round(self.held_s, 4),
            **({"reason": self.reason} if self.reason is not None else {}),
            "timestamp": round(self.timestamp, 6),
        }

    def released(self, reason: Reason, timestamp: float) -> GestureEvent:
        """Return the release of it where nothing newer is known than this event."""
        return replace(self, phase="release", reason=reason, timestamp=timestamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class GestureRules:
    """When a gesture begins, is told again, and ends. All times are of the source's samples, not of the clock.

    Raises:
        ArtefactError: a value is out of range; the message names the field.
    """

    enter: float = 0.8  # a gesture may begin while its smoothed probability is at least this
    leave: float = 0.4  # and ends once it is below this
    smooth_s: float = 0.4  # time constant of that probability; 0: each frame's own
    rise: float = 0.25  # it may be lower by so much for each nat by which the odds against rest rose lately
    shortest_s: float = 0.1  # it begins only after it was likely for so long
    evidence_s: float = (
        0.2  # and once what it is above `enter`, summed over time, is this; not of frames by themselves
    )
    refractory_s: float = 0.15  # none begins within so long after a release
    hold_s: float = 0.5  # told again after each such time; 0: never
    double_s: float = 0.0  # the same gesture again within so long after its release is a double one; 0: never
    long_s: float = 0.0  # held for so long it is a long one; 0: never

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "rise"):
            value = getattr(self, name)
            if not 0 <= value <= 1:  # also where it is no number
                raise ArtefactError(f"gesture_rules.{name} must be from 0 to 1, got {value:g}")
        if not self.leave <= self.enter:
            raise ArtefactError(
                f"gesture_rules.leave must be at most gesture_rules.enter, {self.enter:g}, got {self.leave:g}"
            )
        for name in ("smooth_s", "shortest_s", "evidence_s", "refractory_s", "hold_s", "double_s", "long_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= MOST_S):
                raise ArtefactError(f"gesture_rules.{name} must be from 0 to {MOST_S:g} s, got {value:g}")
        if 0 < self.double_s <= self.refractory_s:
            raise ArtefactError(
                f"gesture_rules.double_s must be 0 or above gesture_rules.refractory_s, {self.refractory_s:g}, "
                f"got {self.double_s:g}: no second one begins sooner"
            )


RULES = tuple(field.name for field in fields(GestureRules))
SHARED = "smooth_s"  # the rule that no class has of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class GestureRuleSet:
    """The rules, and those of the classes that have some of their own; may be a key of a dict."""

    rules: GestureRules = GestureRules()
    classes: tuple[tuple[str, GestureRules], ...] = ()

    @property
    def overrides(self) -> dict[str, GestureRules]:
        """Return the rules of those classes by their names."""
        return dict(self.classes)

    def of(self, classes: Collection[str]) -> GestureRuleSet:
        """Return the same without rules of other classes."""
        return replace(self, classes=tuple(one for one in self.classes if one[0] in classes))

    @property
    def fields(self) -> dict[str, Any]:
        """Return it as JSON has it: `rule_set` makes the same of that."""
        shared = asdict(self.rules)
        own = {
            name: {key: value for key, value in asdict(rules).items() if value != shared[key]}
            for name, rules in self.classes
        }
        return {**shared, **({"classes": own} if own else {})}


def rule_set(said: Mapping[str, Any]) -> GestureRuleSet:
    """Return the rules of a JSON object; what it does not say is as usual, and in a class as in the others.

    Raises:
        ArtefactError: there is no such rule, or its value is not allowed.
    """
    own = said.get("classes", {})
    if not isinstance(own, Mapping):
        raise ArtefactError(
            "gesture_rules.classes must be an object with the rules of each class by its name"
        )
    shared = _rules({name: value for name, value in said.items() if name != "classes"}, "", GestureRules())
    classes = []
    for name, values in sorted(own.items()):
        where = f"classes.{name[:40]}"
        if not isinstance(values, Mapping):
            raise ArtefactError(f"gesture_rules.{where} must be an object with any of {', '.join(RULES)}")
        classes.append((name, _rules(values, f"{where}.", shared)))
    return GestureRuleSet(rules=shared, classes=tuple(classes))


def _rules(said: Mapping[str, Any], where: str, usual: GestureRules) -> GestureRules:
    for name, value in said.items():
        if name not in RULES:
            also = "" if where else ", and classes"
            raise ArtefactError(f"gesture_rules has {where}{name[:40]!r}; it takes {', '.join(RULES)}{also}")
        if where and name == SHARED:
            raise ArtefactError(
                f"gesture_rules.{where}{name} must be left out: it is the same for all classes, gesture_rules.{name}"
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ArtefactError(f"gesture_rules.{where}{name} must be a number, got {value!r:.80}")
    try:
        return replace(usual, **{name: float(value) for name, value in said.items()})
    except ArtefactError as error:
        raise ArtefactError(str(error).replace("gesture_rules.", f"gesture_rules.{where}", 1)) from None
