"""Answers of `/v2`, the Open Inference Protocol: for the description of the API; the codec reads and writes them."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields

from app.api.schemas.fields import about


class _Asked(Schema):
    class Meta:
        """The protocol lets clients say more than a server knows."""

        unknown = INCLUDE


class OipErrorSchema(Schema):
    """What went wrong, as the protocol says it."""

    error = fields.String(required=True, **about("What was wrong, and what is right"))


class OipLiveSchema(Schema):
    """Whether the server is alive and ready; the status says the same."""

    live = fields.Boolean(required=True)
    ready = fields.Boolean(required=True)


class OipServerSchema(Schema):
    """What the server is."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    extensions = fields.List(fields.String(), required=True)


class OipTensorSchema(Schema):
    """A tensor that a model takes or gives; -1: of any size."""

    name = fields.String(required=True)
    datatype = fields.String(required=True, **about("FP32, INT64, BYTES, ..."))
    shape = fields.List(fields.Integer(), required=True, **about("-1: of any size"))
    parameters = fields.Dict(keys=fields.String(), allow_none=True)


class OipModelSchema(Schema):
    """What a model takes and gives."""

    name = fields.String(required=True)
    versions = fields.List(fields.String(), required=True)
    platform = fields.String(required=True)
    inputs = fields.List(fields.Nested(OipTensorSchema), required=True)
    outputs = fields.List(fields.Nested(OipTensorSchema), required=True)


class OipModelReadySchema(Schema):
    """Whether a model can be asked."""

    name = fields.String(required=True)
    ready = fields.Boolean(required=True)


class OipConfigTensorSchema(Schema):
    """A tensor as Triton's configuration has it: without the batch."""

    name = fields.String(required=True)
    data_type = fields.String(required=True, **about("TYPE_ and the datatype"))
    dims = fields.List(fields.Integer(), required=True)


class OipConfigSchema(Schema):
    """A model's configuration, as far as clients ask for it."""

    name = fields.String(required=True)
    platform = fields.String(required=True)
    backend = fields.String(required=True)
    max_batch_size = fields.Integer(required=True)
    input = fields.List(fields.Nested(OipConfigTensorSchema), required=True)
    output = fields.List(fields.Nested(OipConfigTensorSchema), required=True)


class OipAskedTensorSchema(OipTensorSchema, _Asked):
    """An input: its numbers as `data`, or behind the JSON with `parameters.binary_data_size`."""

    data = fields.List(fields.Raw(), **about("Numbers, in a row or nested"))


class OipAskedOutputSchema(_Asked):
    """An output that is wanted."""

    name = fields.String(required=True)
    parameters = fields.Dict(
        keys=fields.String(), allow_none=True, **about("`binary_data`, `classification`")
    )


class OipAskSchema(_Asked):
    """Windows to predict. Without `outputs` all there are."""

    id = fields.String(allow_none=True)
    inputs = fields.List(fields.Nested(OipAskedTensorSchema), required=True)
    outputs = fields.List(fields.Nested(OipAskedOutputSchema), allow_none=True)
    parameters = fields.Dict(
        keys=fields.String(), allow_none=True, **about("`binary_data_output`, `preprocess`")
    )


class OipAnswerSchema(Schema):
    """What came of it."""

    model_name = fields.String(required=True)
    model_version = fields.String(required=True)
    id = fields.String()
    parameters = fields.Dict(keys=fields.String(), **about("`backend`, `latency_ms`"))
    outputs = fields.List(fields.Nested(OipAskedTensorSchema), required=True)


class OipIndexAskSchema(_Asked):
    """Which models are to be told of."""

    ready = fields.Boolean(
        load_default=False, truthy={True}, falsy={False}, **about("Only such as can be asked")
    )


class OipIndexedSchema(Schema):
    """A model of the repository."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    state = fields.String(required=True, **about("READY, or UNAVAILABLE where it is damaged"))
    reason = fields.String(required=True)
