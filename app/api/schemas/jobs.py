"""Bodies and answers of `/trainings` and `/jobs`."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length

from app.api.schemas.fields import Choice, Said, about
from app.api.schemas.model_field import model_field
from app.api.schemas.recordings import matches
from app.emg.recording.folder import ALLOWED, NAME
from app.serving.jobs.job import IF_BETTER, STATES, USES, WHO, TrainingRequest
from app.serving.profiles.profile import MAX_PERSON

MOST_RECORDINGS, MOST_GESTURES, MAX_GESTURE = 100, 256, 64
_GESTURE = Length(1, MAX_GESTURE)


class TrainingSchema(Schema):
    """A model to be learned from recordings that lie here."""

    recordings = fields.List(
        fields.String(validate=matches(NAME, ALLOWED), metadata={"pattern": f"^{NAME.pattern}$"}),
        required=True,
        validate=Length(1, MOST_RECORDINGS),
        **about("Of one person and one device, with labels", example=["anna-1"]),
    )
    name = model_field("Of the model that is made", required=True)
    base = model_field(
        "A covariance model that is made this person's own; null: a model from nothing",
        load_default=None,
        allow_none=True,
    )
    person = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, MAX_PERSON),
        **about("Whose model it is", example="S01"),
    )
    classes = fields.Dict(
        keys=fields.String(validate=_GESTURE),
        values=fields.String(validate=_GESTURE),
        load_default=dict,
        validate=Length(0, MOST_GESTURES),
        **about(
            "Gestures that are called otherwise from now on: the name of now, and the new one", default={}
        ),
    )
    use = Choice(
        *USES,
        load_default=IF_BETTER,
        **about(
            "Whether the source uses the model then. if-better: where, on repetitions left out, the lower end of its "
            "interval is above the base's accuracy, or without a base that of the model in use"
        ),
    )
    source = fields.String(
        allow_none=True, load_default=None, validate=Length(1, 64), **about("The default one where unnamed")
    )

    unlabelled = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        **about(
            "Look at no label: the base is brought to how the electrodes are worn now by the signal alone, at least "
            "10 s in which most gestures and rest are made, in any order"
        ),
    )

    values = fields.String(
        allow_none=True,
        load_default=None,
        validate=Length(1, MAX_GESTURE),
        **about(
            "Learn values in place of gestures: what the recordings have beside their EMG under that name, such as the "
            "`trajectory` of a followed cursor, joint angles or forces",
            example="trajectory",
        ),
    )

    @validates_schema
    def check_once(self, values: dict[str, Any], **_: Any) -> None:
        names = values.get("recordings", [])
        if len(set(names)) < len(names):
            raise ValidationError("must name each recording once", "recordings")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> TrainingRequest:
        return TrainingRequest(**{**values, "recordings": tuple(values["recordings"])})


class ComparisonSchema(Schema):
    """The model before, on the repetitions by which the new one was judged."""

    model = fields.String(required=True)
    balanced_accuracy = fields.Float(
        required=True,
        allow_none=True,
        **about("A gesture that it does not know counts as 0; null: not comparable"),
    )
    why = fields.String(required=True, allow_none=True, **about("It cannot be compared"))


class BesideSchema(Schema):
    """The new model, or another one, on the repetitions by which the new one was judged."""

    who = fields.String(
        required=True,
        metadata={
            "enum": list(WHO),
            "description": "in_use: the model that reads the source; parent: the base, where that is another one",
        },
    )
    model = fields.String(required=True, allow_none=True)
    accuracy = fields.Float(
        required=True,
        allow_none=True,
        **about("Balanced; a gesture that it does not know counts as never found. null: it cannot be told"),
    )
    interval = fields.List(
        fields.Float(), required=True, allow_none=True, **about("In which that lies by 95 %, its ends")
    )
    ahead = fields.List(
        fields.Float(),
        required=True,
        allow_none=True,
        **about("Between what the new model is better than this one on later repetitions, by 95 %"),
    )
    recall = fields.Dict(
        keys=fields.String(),
        values=fields.Float(allow_none=True),
        required=True,
        allow_none=True,
        **about("Of each gesture, from 0 to 1; null: it was not tested"),
    )
    why = fields.String(required=True, allow_none=True, **about("It cannot be told"))


class GestureCountSchema(Schema):
    """By how much one gesture was judged."""

    windows = fields.Integer(required=True)
    repetitions = fields.Integer(required=True)


class TestedSchema(Schema):
    """By how much all of them were judged."""

    windows = fields.Integer(required=True)
    repetitions = fields.Integer(required=True, **about("Of the gesture that has fewest"))
    gestures = fields.Dict(keys=fields.String(), values=fields.Nested(GestureCountSchema), required=True)


class JobProofSchema(Schema):
    """How it is known that the finished model answers as its weights say."""

    by = fields.String(required=True)
    windows = fields.Integer(required=True)
    difference = fields.Float(required=True, allow_none=True)


class ConfusionSchema(Schema):
    """How often each gesture was taken for each, in windows."""

    classes = fields.List(fields.String(), required=True)
    windows = fields.List(
        fields.List(fields.Integer()),
        required=True,
        **about("A row a gesture that was made, a column what was told"),
    )


class AlikeSchema(Schema):
    """The two gestures that are most mistaken for each other."""

    gestures = fields.List(fields.String(), required=True)
    share = fields.Float(required=True, **about("Of their windows, the mean of both"))


class HintSchema(Schema):
    """The same for programs: a page says it in its reader's language."""

    code = fields.String(required=True, **about("One of those in docs/api.md", example="mistaken"))
    values = fields.Dict(
        keys=fields.String(),
        required=True,
        **about("By their names", example={"gestures": ["fist", "grasp"]}),
    )
    text = Said(required=True)


class FailureReasonSchema(Schema):
    """Why a training failed, for programs."""

    code = fields.String(required=True, **about("One of those in docs/api.md", example="too_short"))
    values = fields.Dict(
        keys=fields.String(),
        required=True,
        **about("By their names", example={"gestures": ["fist"], "seconds": 1.0}),
    )


class CurvePointSchema(Schema):
    """How good a model is that so many repetitions teach."""

    repetitions = fields.Integer(required=True, **about("Of each gesture, learned from"))
    accuracy = fields.Float(required=True, **about("Balanced"))
    estimated = fields.Boolean(required=True, **about("Else it was measured on repetitions left out"))


class TrainedModelSchema(Schema):
    """The model that was made."""

    model = fields.String(required=True)
    sha256 = fields.String(required=True)
    classes = fields.List(fields.String(), required=True)
    told = fields.String(required=True, **about("How good it is, in words"))
    accuracy = fields.Float(
        required=True, allow_none=True, **about("Balanced, on repetitions left out; null: it was not judged")
    )
    interval = fields.List(
        fields.Float(), required=True, allow_none=True, **about("In which that lies by 95 %, its ends")
    )
    confusion = fields.Nested(ConfusionSchema, required=True, allow_none=True)
    alike = fields.Nested(AlikeSchema, required=True, allow_none=True, **about("null: no two are"))
    more_repetitions = fields.List(
        fields.Nested(CurvePointSchema),
        required=True,
        **about(
            "What was measured, then two estimates: of this model, which all repetitions taught, and with another one"
        ),
    )
    metrics = fields.Dict(
        keys=fields.String(), required=True, **about("On repetitions left out, as in the model's manifest")
    )
    advice = fields.List(Said(), required=True, **about("What would make it better, a sentence each"))
    advised = fields.List(
        fields.Nested(HintSchema), required=True, **about("`advice` in the same order, with codes and values")
    )
    comparison = fields.Nested(ComparisonSchema, required=True, allow_none=True)
    beside = fields.List(
        fields.Nested(BesideSchema),
        required=True,
        **about("The new model, the others, classic LDA and guessing; empty where it was not judged"),
    )
    tested = fields.Nested(TestedSchema, required=True, allow_none=True, **about("null: it was not judged"))
    proof = fields.Nested(JobProofSchema, required=True)
    used = fields.Boolean(required=True, **about("Whether the source uses it now"))
    why_not_used = Said(required=True, allow_none=True)
    source = fields.String(required=True, allow_none=True, **about("That uses it"))
    previous = fields.String(required=True, allow_none=True, **about("The model that it used before"))
    from_sample = fields.Integer(required=True, allow_none=True, **about("Its first with the model"))


class JobSchema(Schema):
    """How it stands with a training."""

    id = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": list(STATES)})
    stage = fields.String(required=True, allow_none=True, **about("While it runs, what is done now"))
    text = fields.String(
        required=True, **about("The same for people", example="finding where each gesture begins")
    )
    progress = fields.Float(required=True, **about("Roughly, from 0 to 1"))
    name = fields.String(required=True, **about("Of the model"))
    recordings = fields.List(fields.String(), required=True)
    base = fields.String(required=True, allow_none=True)
    person = fields.String(required=True, allow_none=True)
    use = fields.String(required=True, metadata={"enum": list(USES)})
    source = fields.String(required=True, allow_none=True)
    unlabelled = fields.Boolean(required=True)
    values = fields.String(required=True, allow_none=True, **about("What is learned in place of gestures"))
    created_at = fields.Float(required=True, **about("Unix s"))
    started_at = fields.Float(required=True, allow_none=True)
    ended_at = fields.Float(required=True, allow_none=True)
    error = Said(required=True, allow_none=True, **about("Why it failed"))
    failure = fields.Nested(
        FailureReasonSchema,
        required=True,
        allow_none=True,
        **about("`error` for programs; null where it has no code"),
    )
    result = fields.Nested(TrainedModelSchema, required=True, allow_none=True)


class JobElsewhereSchema(Schema):
    """A job of another machine, which alone tells more of it and can cancel it."""

    machine = fields.String(required=True)
    id = fields.String(required=True)
    name = fields.String(required=True, **about("Of the model"))
    state = fields.String(required=True)
    progress = fields.Float(required=True)
    created_at = fields.Float(required=True, **about("Unix s"))


class JobsSchema(Schema):
    """All jobs, the newest first; of those that are over, the last 100."""

    jobs = fields.List(fields.Nested(JobSchema), required=True)
    elsewhere = fields.List(fields.Nested(JobElsewhereSchema), required=True)
