"""One shape for every error: RFC 9457 `application/problem+json`."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import flask_smorest
import orjson
from flask import Flask, Response, current_app
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import WebsocketMismatch

from app.emg.files.option_words import as_parameters
from app.errors import (
    BackendUnavailableError,
    BusyError,
    DataError,
    FencedError,
    JobNameError,
    ModelNameError,
    MyostreamError,
    NoNumberError,
    NotReadyError,
    OverloadedError,
    ProfileNameError,
    RecordingNameError,
    SourceError,
    SourceNameError,
    TooFastError,
    no_descriptor,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_S = "1"
MOST_ERRORS = 10  # named in one answer; how many more there are is said
MOST_NAME, MOST_DETAIL = 64, 2000  # characters of what a client has called a field, and of all that is said
UNAVAILABLE_S = "60"  # a backend is there after a reload or a new worker, and not by itself

_STATUS: tuple[tuple[type[MyostreamError], HTTPStatus], ...] = (
    (RecordingNameError, HTTPStatus.NOT_FOUND),  # before DataError, which it is too
    (DataError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (SourceNameError, HTTPStatus.NOT_FOUND),
    (ModelNameError, HTTPStatus.NOT_FOUND),
    (ProfileNameError, HTTPStatus.NOT_FOUND),
    (JobNameError, HTTPStatus.NOT_FOUND),
    (BusyError, HTTPStatus.CONFLICT),
    (TooFastError, HTTPStatus.TOO_MANY_REQUESTS),
    (BackendUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
    (NoNumberError, HTTPStatus.SERVICE_UNAVAILABLE),
    (FencedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotReadyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (OverloadedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (SourceError, HTTPStatus.SERVICE_UNAVAILABLE),
)


class ProblemSchema(Schema):
    """What went wrong, and what would be right (RFC 9457)."""

    type = fields.String(required=True, metadata={"description": "about:blank: the status says it all"})
    title = fields.String(required=True, metadata={"example": "Unprocessable Entity"})
    status = fields.Integer(required=True, metadata={"example": 422})
    detail = fields.String(required=True, metadata={"description": "What was wrong, and what is right"})
    errors = fields.Dict(
        keys=fields.String(), metadata={"description": "By field, where the body fails validation"}
    )
    backend = fields.String(metadata={"description": "The backend that cannot be used"})
    reason = fields.String(metadata={"description": "Why it cannot"})
    cure = fields.String(metadata={"description": "What would make it available"})
    failure = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "Of a training that is refused: `code` and `values`, as a job has them that failed"
        },
    )


class InvalidBody(HTTPException):
    """A body, or a query, that is read but fails validation."""

    code = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, errors: Mapping[str, Any], failure: Mapping[str, Any] | None = None) -> None:
        """`failure` is the same with `code` and `values`, where a page says it in its reader's language."""
        self.errors, self.failure = few(errors), failure
        super().__init__("; ".join(_first(str(name), error) for name, error in self.errors.items()))


def few(errors: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the first MOST_ERRORS of `errors`, by field, and how many more there are.

    An answer in full can be twenty times as large as its question.
    """
    found = {
        name[:MOST_NAME] if isinstance(name, str) else name: few(error) if isinstance(error, dict) else error
        for name, error in islice(errors.items(), MOST_ERRORS)
    }
    if len(errors) > MOST_ERRORS:
        found["..."] = [f"and {len(errors) - MOST_ERRORS} more"]
    return found


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Return the answer that says what went wrong."""
    title = HTTPStatus(status).phrase
    said = detail if len(detail) <= MOST_DETAIL else f"{detail[:MOST_DETAIL]}..."
    body = {"type": "about:blank", "title": title, "status": status, "detail": said, **more}
    text = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)  # errors in a list go by their place in it
    return Response(text, status, dict(headers or {}), content_type=PROBLEM)


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest with our shape of errors."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        headers = {
            k: v for k, v in error.get_headers() if k.lower() not in ("content-type", "content-length")
        }
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
            return problem(status, "the server failed; its log has the reason", headers)
        if isinstance(error, RequestEntityTooLarge):
            most = current_app.config["MAX_CONTENT_LENGTH"]
            return problem(status, f"the body is larger than EMG_MAX_BODY, {most} bytes", headers)
        if isinstance(error, WebsocketMismatch):
            paths = "/emg/sources/<name>/live and /infer/live"
            return problem(status, f"there is no WebSocket here; there are {paths}", headers)
        return problem(status, error.description or HTTPStatus(status).phrase, headers, **_invalid(error))


def _invalid(error: HTTPException | MyostreamError) -> dict[str, Any]:
    if not isinstance(error, InvalidBody):
        return {}
    return {"errors": error.errors, **({} if error.failure is None else {"failure": error.failure})}


def register(app: Flask) -> None:
    """Give our own exceptions their status, and that of the system which is nobody's fault."""
    app.register_error_handler(MyostreamError, answer_of)
    app.register_error_handler(OSError, _without_descriptor)


def problem_fields(error: MyostreamError | HTTPException) -> dict[str, Any]:
    """Return what is wrong as fields of a message, where there is no answer to put it into."""
    if isinstance(error, MyostreamError):
        status, detail = _status(error) or HTTPStatus.INTERNAL_SERVER_ERROR, as_parameters(str(error))
    else:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        detail = error.description or status.phrase
    more = _invalid(error)
    return {"status": int(status), "title": status.phrase, "detail": detail[:MOST_DETAIL], **more}


def _status(error: MyostreamError) -> HTTPStatus | None:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def answer_of(error: MyostreamError) -> Response:
    """Return the answer that says what went wrong."""
    status = _status(error)
    if status is None:
        log.error("a request failed: %s", error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log has the reason")
    said = as_parameters(str(error))
    if isinstance(error, BackendUnavailableError):
        more = {"backend": error.backend, "reason": error.reason, "cure": error.cure}
        return problem(status, said, {"Retry-After": UNAVAILABLE_S}, **more)
    failure = getattr(error, "failure", None)
    coded = {} if failure is None else {"failure": failure}
    if isinstance(error, TooFastError):
        return problem(status, said, {"Retry-After": str(math.ceil(error.retry_s))}, **coded)
    waits = status is HTTPStatus.SERVICE_UNAVAILABLE
    return problem(status, said, {"Retry-After": RETRY_S} if waits else None, **coded)


def _without_descriptor(error: OSError) -> Response:
    """Whatever route it is that opens a file: what is there is not gone, and nothing has failed for good.

    Raises:
        OSError: it is about something else.
    """
    if not no_descriptor(error):
        raise error
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the server has too many files and connections open; try again",
        {"Retry-After": RETRY_S},
    )


def _first(name: str, error: Any) -> str:
    """Return the first of what is wrong with a field, and where within it."""
    while isinstance(error, (list, dict)) and error:
        if isinstance(error, list):
            error = error[0]
            continue
        inner, error = next(iter(error.items()))
        name += "" if inner in ("_schema", "...") else f".{inner}"
    return f"{name}: {error}"
