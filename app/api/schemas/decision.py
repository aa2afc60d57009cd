"""How predictions become decisions, in bodies and answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, post_load, validates_schema
from marshmallow.validate import Range

from app.api.schemas.fields import Number, Whole, about
from app.inference.decision_rule import MAX_VOTES, DecisionRule

_SHARE = Range(0, 1, error="must be from 0 to 1")


class DecisionSchema(Schema):
    """How predictions become decisions; what is not said is as in a stream that says something else of it."""

    votes = Whole(
        1,
        MAX_VOTES,
        load_default=1,
        **about("The decision is the majority of so many predictions", default=1),
    )
    min_confidence = Number(
        load_default=0.0, validate=_SHARE, **about("A prediction below this confidence is no vote")
    )
    enter = Number(
        allow_none=True,
        load_default=None,
        validate=_SHARE,
        **about("A gesture begins at this probability; null: at any"),
    )
    leave = Number(
        allow_none=True,
        load_default=None,
        validate=_SHARE,
        **about("It lasts until its own probability is below this one, which is below `enter`"),
    )
    change = Number(
        allow_none=True,
        load_default=None,
        validate=_SHARE,
        **about("Then another gesture follows at this probability, else rest; null: as `enter`"),
    )

    @validates_schema
    def check_thresholds(self, values: dict[str, Any], **_: Any) -> None:
        enter, leave = values.get("enter"), values.get("leave")
        if enter is not None and leave is not None and not leave < enter:
            raise ValidationError(f"must be below enter, {enter:g}, got {leave:g}", "leave")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> DecisionRule:
        return DecisionRule(**values)
