"""Bodies and answers of `/emg/recordings`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length, OneOf

from app.api.schemas.fields import Number, Whole, about
from app.api.schemas.params import PromptJob, RecordingJob
from app.emg.recording.folder import ALLOWED, NAME, SUBJECT, SUBJECT_ALLOWED
from app.emg.recording.prompts import label_plan, trajectory
from app.emg.recording.prompts.course import ACTIONS, DONE, MAX_ACTIONS, REDONE, SKIPPED
from app.emg.recording.prompts.prompt_log import VERDICTS
from app.errors import DataError
from app.serving.recordings.exports import FORMATS

MAX_REPETITION = label_plan.MAX_STEPS + 2 * MAX_ACTIONS  # entries that there can be


def matches(pattern: re.Pattern[str], allowed: str) -> Callable[[str], None]:
    """Return a validator of whole texts.

    marshmallow's own Regexp looks at the beginning only, and `$` lets a line's end through.
    """

    def validate(text: str) -> None:
        if pattern.fullmatch(text) is None:
            raise ValidationError(allowed)

    return validate


class PlanSchema(Schema):
    """What the person is asked to do: each gesture in turn, with rest between."""

    error_messages = {"unknown": f"unknown field; there are {', '.join(label_plan.KEYS)}"}  # noqa: RUF012  marshmallow declares it of the instance, and reads it from the class

    gestures = fields.List(
        fields.String(),
        required=True,
        validate=Length(1, label_plan.MAX_GESTURES),
        **about("Names of the model's classes, or new ones", example=["rest", "fist"]),
    )
    repetitions = Whole(
        1, label_plan.MAX_REPETITIONS, **about("Of all gestures", default=label_plan.REPETITIONS)
    )
    seconds = Number(**about("Of each gesture", default=label_plan.SECONDS))
    rest_seconds = Number(
        **about("Of the pause between two gestures; 0 for none", default=label_plan.REST_SECONDS)
    )
    countdown_seconds = Number(**about("Before the first", default=label_plan.COUNTDOWN_SECONDS))


class FollowSchema(Schema):
    """A cursor that the person follows with the hand: each movement alone, at two levels, then all at once."""

    values = fields.List(
        fields.String(),
        required=True,
        validate=Length(1, trajectory.MOST_VALUES),
        **about("What moves, each from -1 to 1", example=["wrist", "rotation", "hand"]),
    )
    one_way = fields.List(
        fields.String(), load_default=list, **about("Those of `values` that go from 0 to 1", example=["hand"])
    )
    seconds = Number(load_default=trajectory.SECONDS, **about("Of all of it", default=trajectory.SECONDS))
    seed = Whole(0, 2**31 - 1, load_default=0, **about("Another one draws other movements", default=0))

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> trajectory.Trajectory:
        names, one_way = tuple(values["values"]), frozenset(values["one_way"])
        if not one_way <= set(names):
            unknown = sorted(one_way - set(names))[0]
            raise ValidationError({"one_way": [f"{unknown!r} is none of the values"]})
        try:
            return trajectory.Trajectory(names, values["seconds"], values["seed"], one_way)
        except DataError as error:
            raise ValidationError(str(error)) from None


class RecordingStartSchema(Schema):
    """A recording to begin. With a plan it ends by itself, else when you stop it."""

    name = fields.String(
        allow_none=True,
        load_default=None,
        validate=matches(NAME, ALLOWED),
        **about(
            "Of the recording; by default time and source", example="anna-1", pattern=f"^{NAME.pattern}$"
        ),
    )
    source = fields.String(
        allow_none=True, load_default=None, validate=Length(1, 64), **about("The default one where unnamed")
    )
    subject = fields.String(
        allow_none=True,
        load_default=None,
        validate=matches(SUBJECT, SUBJECT_ALLOWED),
        **about("Who is recorded: a code, not a name", example="S01", pattern=f"^{SUBJECT.pattern}$"),
    )
    plan = fields.Nested(PlanSchema, allow_none=True, load_default=None, **about("None: nothing is prompted"))
    follow = fields.Nested(
        FollowSchema,
        allow_none=True,
        load_default=None,
        **about("In place of a plan: a cursor that is followed"),
    )

    @validates_schema
    def expect_one(self, values: dict[str, Any], **_: Any) -> None:
        if values.get("plan") is not None and values.get("follow") is not None:
            raise ValidationError("goes in place of a plan; leave one of them out", "follow")

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> RecordingJob:
        """Pauses are called as the model calls rest, which the job's `plan` is told when it is made."""
        given = values.pop("plan")
        job = RecordingJob(plan=given, **values)
        try:
            job.plan_with("rest")
        except DataError as error:
            raise ValidationError({"plan": [str(error)]}) from None
        return job


class PromptActionSchema(Schema):
    """What is to be done about the prompts."""

    action = fields.String(
        required=True,
        validate=OneOf(ACTIONS, error="must be one of {choices}"),
        **about(
            "pause: at once; resume: after a short get-ready, and what was under way begins anew. redo: the gesture "
            "under way is asked again, or while one rests the one before. skip: what is under way, or else comes next, "
            "is left out",
            example="pause",
        ),
    )
    index = Whole(
        0,
        MAX_REPETITION,
        allow_none=True,
        load_default=None,
        **about("With redo: which of `repetitions`, counted from 0, is to be done again"),
    )

    @validates_schema
    def expect_redo(self, values: dict[str, Any], **_: Any) -> None:
        """Only what is done again has an index."""
        if values.get("index") is not None and values.get("action") != "redo":
            raise ValidationError({"index": ["only redo takes an index"]})

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> PromptJob:
        return PromptJob(**values)


class PromptSchema(Schema):
    """What the person is to do now."""

    label = fields.String(
        required=True,
        allow_none=True,
        **about("Null while one gets ready, while it is paused, and at the end"),
    )
    next_label = fields.String(required=True, allow_none=True, **about("Null with the last step"))
    seconds_left = fields.Float(required=True, **about("0 while it is paused"))
    seconds = fields.Float(required=True, **about("Of this step, or of the get-ready, from its begin"))
    step = fields.Integer(required=True, **about("From 1; 0 during the countdown"))
    steps = fields.Integer(required=True)
    repetition = fields.Integer(required=True, **about("Of this step, or of the one to come"))
    repetitions = fields.Integer(required=True)
    paused = fields.Boolean(required=True)
    total_seconds_left = fields.Float(
        required=True, **about("Of the whole plan; from a resume on, while paused")
    )


class CursorSchema(Schema):
    """Where the cursor is that is followed, and where it goes, so that it moves between two looks."""

    position_seconds = fields.Float(
        required=True, **about("Of the trajectory, by the samples that have come")
    )
    seconds = fields.Float(required=True, **about("Of the whole trajectory"))
    step_seconds = fields.Float(required=True, **about("Between two of `ahead`"))
    ahead = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Float()),
        required=True,
        **about("Of each value from now on: -1 to 1, or 0 to 1"),
    )


class RepetitionSchema(Schema):
    """A step that was asked, a gesture or rest, and how it went."""

    label = fields.String(required=True)
    repetition = fields.Integer(required=True)
    first_sample = fields.Integer(required=True, **about("Sample index of the source"))
    end_sample = fields.Integer(
        required=True, **about("Before which it ended; the same: skipped before it began")
    )
    state = fields.String(
        required=True,
        metadata={
            "enum": [DONE, REDONE, SKIPPED],
            "description": "Nothing is learned from what is redone (cut short, or asked again) or skipped",
        },
    )
    verdict = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "enum": [*VERDICTS, None],
            "description": "nothing: as quiet as rest. other: unlike its first repetition. restless: rest that is "
            "none. bad_signal: an electrode was off. Null: not judged",
        },
    )
    advice = fields.String(required=True, allow_none=True, **about("One sentence for the person"))


class RecordedModelSchema(Schema):
    """The model that predicted when it began."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    sha256 = fields.String(required=True, **about("Of its manifest.json, which names that of its weights"))
    backend = fields.String(required=True)
    fps = fields.Float(required=True)


class RecordingSchema(Schema):
    """The state of a recording."""

    name = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["recording", "complete", "failed", "damaged"]})
    source = fields.String(required=True)
    subject = fields.String(required=True, allow_none=True)
    started_at = fields.Float(required=True, **about("Unix s"))
    samples = fields.Integer(required=True, **about("On the disk"))
    seconds = fields.Float(required=True, **about("Of signal, without gaps"))
    gaps = fields.Integer(required=True)
    lost_samples = fields.Integer(required=True)
    predictions = fields.Integer(required=True)
    bytes = fields.Integer(required=True)
    model = fields.Nested(
        RecordedModelSchema, required=True, allow_none=True, **about("That read the source when it began")
    )
    model_changes = fields.Integer(
        required=True, **about("Times that another model took its place; the download says which, from where")
    )
    error = fields.String(required=True, allow_none=True, **about("Why it failed, or cannot be read"))
    recovered = fields.Boolean(required=True, **about("The server was killed; this is what was on the disk"))
    prompt = fields.Nested(
        PromptSchema, required=True, allow_none=True, **about("With a plan, while it runs")
    )
    cursor = fields.Nested(
        CursorSchema,
        required=True,
        allow_none=True,
        **about("With `follow`, while it runs; null where another worker of the server records it"),
    )
    repetitions = fields.List(
        fields.Nested(RepetitionSchema),
        required=True,
        allow_none=True,
        **about("What was asked so far and is over, in its order; null in the list of all recordings"),
    )


class RecordingsSchema(Schema):
    """All recordings, the newest first."""

    recordings = fields.List(fields.Nested(RecordingSchema), required=True)


class DownloadSchema(Schema):
    """In which form."""

    format = fields.String(
        load_default="npz",
        validate=OneOf(tuple(FORMATS), error="must be one of {choices}"),
        **about(
            "npz: for `flask model train`. bdf: BDF+ with the side files of BIDS-EMG, as .zip. xdf: for pyxdf, EEGLAB "
            "and SigViewer"
        ),
    )

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> str:
        form: str = values["format"]
        return form
