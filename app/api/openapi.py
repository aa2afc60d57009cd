"""How routes describe themselves in `/openapi.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema

from app.api.codec.decoding import JSON, NPY, RAW
from app.api.errors import PROBLEM, ProblemSchema

OIP = "/v2"  # whose errors are of another shape
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds", "required": True}}

View = TypeVar("View", bound=Callable[..., Any])

_ERRORS = {
    400: "The body is not JSON",
    401: "There is no key in X-API-Key",
    403: "The key is wrong, or not for this",
    404: "There is no such thing",
    408: "64 KiB of the body took longer than EMG_BODY_TIMEOUT",
    409: "One runs already, or what is there contradicts what is asked",
    413: "The body is larger than EMG_MAX_BODY",
    415: "The body is of another media type",
    422: "The body or query fails validation; `errors` has it by field",
    426: "It is a WebSocket, and was asked without one",
    429: "Too much in too short a time; Retry-After says when to go on",
    501: "This process has no WebSockets: `flask run`",
    503: "Not ready, or the backend is not available: the reason, and what to do",
}


def described(*decorators: Callable[[Any], Any]) -> Callable[[View], View]:
    """Describe a view with flask-smorest's decorators without running through them at each request.

    For views that make their own Response, for which the decorators do nothing but take 3 us each.
    """

    def decorate(view: View) -> View:
        wrapped: Any = view
        for decorator in reversed(decorators):
            wrapped = decorator(wrapped)
        view._apidoc = wrapped._apidoc  # type: ignore[attr-defined]  # where flask-smorest keeps it
        return view

    return decorate


def body(
    schema: type[Schema], *, binary: bool = False, raw: bool = False, required: bool = False
) -> dict[str, Any]:
    """Return a request's JSON body; with `binary` also windows as .npy or bytes, with `raw` as bytes."""
    content: dict[str, Any] = {JSON: {"schema": schema}}
    for kind in (NPY, RAW) if binary else (RAW,) if raw else ():
        content[kind] = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    return {"content": content, "required": required}


def query(schema: type[Schema]) -> list[dict[str, Any]]:
    """Return a request's query; apispec makes one parameter of each field."""
    return [{"in": "query", "schema": schema}]


def named(pattern: str) -> list[dict[str, Any]]:
    """Return the `<name>` of a path, with what a name may be."""
    return [{"in": "path", "name": "name", "schema": {"type": "string", "pattern": f"^{pattern}$"}}]


def fails(bp: Blueprint, *statuses: int) -> Callable[[View], View]:
    """Return the errors that a route answers with, all of one shape."""

    def decorate(view: View) -> View:
        for status in statuses if 413 not in statuses else (*statuses, 408):  # both for whoever reads a body
            view = bp.alt_response(
                status,
                schema=ProblemSchema,
                content_type=PROBLEM,
                description=_ERRORS[status],
                headers=RETRY_AFTER if status in (429, 503) else None,
            )(view)
        return view

    return decorate
