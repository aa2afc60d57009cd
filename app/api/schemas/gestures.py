"""The rules of gestures in bodies, queries and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields

from app.api.schemas.fields import about
from app.errors import ArtefactError
from app.inference.gestures.events import (
    MOST_S,
    SHARED,
    GestureRules,
    GestureRuleSet,
    Phase,
    Reason,
    Variant,
    rule_set,
)

_USUAL = GestureRules()
_SAID = {
    "enter": "A gesture may begin while its smoothed probability is at least this",
    "leave": "It ends once its probability is below this one, which is at most `enter`",
    "smooth_s": "Time constant of that probability, the same for all classes; 0: each frame's own",
    "rise": "It may be lower by so much for each nat by which the odds against rest rose lately",
    "shortest_s": "It begins after it was likely for so long",
    "evidence_s": "And once what it is above `enter`, summed over time, is this; not where each frame counts by itself",
    "refractory_s": "None begins within so long after a release",
    "hold_s": "It is told again after each such time; 0: never",
    "double_s": "The same again within so long after its release is a double one; 0: never, else above refractory_s",
    "long_s": "Held for so long it is a long one; 0: never",
}
_RULES = {
    name: {
        "type": "number",
        "minimum": 0,
        "maximum": 1 if name in ("enter", "leave", "rise") else MOST_S,
        "default": getattr(_USUAL, name),
        "description": text,
    }
    for name, text in _SAID.items()
}
_OWN = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: rule for name, rule in _RULES.items() if name != SHARED},
}
_OBJECT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **_RULES,
        "classes": {
            "type": "object",
            "description": "Rules of single classes, by name; what is not said there is as above",
            "additionalProperties": _OWN,
        },
    },
}


class RulesOfGestures(fields.Field[GestureRuleSet]):
    """When gestures begin and end, as an object."""

    def __init__(self, text: str, *, in_query: bool = False, **more: Any) -> None:
        """`in_query`: described as a text with the JSON of the object."""
        kind = {"type": "string"} if in_query else _OBJECT
        super().__init__(**more, **about(text, **kind))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> GestureRuleSet:
        if not isinstance(value, Mapping):
            also = ", which is no JSON" if isinstance(value, str) else ""
            raise ValidationError(
                f"must be an object with any of {', '.join(_SAID)}, classes, got {value!r:.60}{also}"
            )
        try:
            return rule_set(value)
        except ArtefactError as error:
            raise ValidationError(
                str(error).removeprefix("gesture_rules.").removeprefix("gesture_rules ")
            ) from None


class GestureEventSchema(Schema):
    """A gesture that began, is held or ended: the `data` of an unnamed event, on `events`."""

    gesture = fields.String(required=True, **about("Name of the class"))
    phase = fields.String(required=True, **about("", enum=list(get_args(Phase))))
    id = fields.Integer(required=True, **about("The same from onset to release; counts up"))
    variant = fields.String(required=True, **about("", enum=list(get_args(Variant))))
    index = fields.Integer(required=True, data_key="class", **about("Number of the class"))
    sample_index = fields.Integer(required=True, **about("At which it was decided"))
    began_at = fields.Integer(required=True, **about("At which the muscle began, found backwards"))
    refined_by = fields.Integer(
        required=True, **about("Samples from `began_at` to the end of the first window that showed it")
    )
    strength = fields.Float(required=True, **about("0 to 1"))
    confidence = fields.Float(required=True, **about("Probability of the class"))
    held_s = fields.Float(required=True, **about("Since the onset, s of samples"))
    reason = fields.String(**about("Of a release", enum=list(get_args(Reason))))
    timestamp = fields.Float(required=True, **about("Unix s"))
    frame = fields.Integer(required=True, **about("Frames sent to this client before"))
    dropped = fields.Integer(required=True)
