"""What `/openapi.json` says of keys and limits: those of this server, as its settings are."""

from __future__ import annotations

from typing import Any

from apispec import BasePlugin
from flask import Flask
from werkzeug.routing import Rule

from app.api.access.access import API_KEY_HEADER, OPEN, scope_of
from app.api.codec.decoding import JSON
from app.api.errors import PROBLEM, Api
from app.api.openapi import OIP, RETRY_AFTER
from app.api.schemas.gestures import GestureEventSchema
from app.config import Settings

_SCHEME = "apiKey"


class Guarded(BasePlugin):
    """Adds to every operation the scope it needs and the refusals that this server can answer with."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app, self._settings = app, settings

    def operation_helper(
        self,
        path: str | None = None,
        operations: dict[str, Any] | None = None,
        rule: Rule | None = None,
        **_: Any,
    ) -> None:
        scope = scope_of(self._app, rule.endpoint) if rule is not None else None
        for operation in (operations or {}).values():
            operation["x-scope"] = scope
            refusals: dict[int, str] = {}
            if self._settings.asks_for_keys and scope != OPEN:
                operation["security"] = [{_SCHEME: []}]
                refusals |= {401: f"There is no key in {API_KEY_HEADER}"}
                refusals |= {403: "The key is wrong or not for this, or a page of another origin asked"}
            limited = self._settings.rate_limit or (
                self._settings.max_streams_per_key and "stream" in (path or "")
            )
            if limited and scope != OPEN:
                refusals |= {429: "More than one key or address may do: Retry-After says when to go on"}
            for status, text in refusals.items():
                operation["responses"].setdefault(str(status), _problem(text, retry=status == 429))
            if path == OIP or (path or "").startswith(f"{OIP}/"):
                _by_protocol(operation["responses"])


def describe(api: Api, settings: Settings) -> None:
    """Return the limits, where a key goes, and that every answer beside those named is a problem."""
    api.ma_plugin.converter.add_attribute_function(_reference_first)
    default = api.spec.components.responses_lazy[api.DEFAULT_ERROR_RESPONSE_NAME]
    default["content"] = {PROBLEM: default["content"].pop(JSON)}
    default["description"] = "Any other error, such as 414 for a request line of over 4094 bytes"
    api.spec.components.schema("GestureEvent", schema=GestureEventSchema)  # of a stream, beside its frames
    api.spec.options.setdefault("info", {})["x-limits"] = limits_of(settings)
    if settings.asks_for_keys:
        scheme = {"type": "apiKey", "in": "header", "name": API_KEY_HEADER}
        api.spec.components.security_scheme(_SCHEME, scheme)


def limits_of(settings: Settings) -> dict[str, Any]:
    """By name; null where there is none."""
    return {
        "rate_per_key_or_address": settings.rate_limit,
        "streams": settings.max_streams,
        "streams_per_key_or_address": settings.max_streams_per_key,
        "stream_seconds": settings.max_duration_s,
        "frames_a_second": settings.max_fps,
        "groups_of_streams": settings.max_groups,
        "body_bytes": settings.max_body,
        "mib_of_all_bodies": settings.body_budget,
        "batch_windows": settings.max_batch,
        "seconds_for_the_header": 5,  # these are gunicorn.conf.py's
        "header_bytes": 4096,
        "headers": 64,
        "request_line_bytes": 4094,
        "seconds_for_each_64_kib_of_body": settings.body_timeout_s,
        "seconds_for_each_64_kib_of_an_answer": settings.send_timeout_s,
        "downloads": settings.max_exports,
        "downloads_per_key_or_address": settings.max_exports_per_key,
    }


def _reference_first(_: Any, __: Any, ret: dict[str, Any]) -> dict[str, Any]:
    """Name what may be null before null: generated clients take the first that fits, and apispec's null fits all."""
    choices = ret.get("anyOf", [])
    return {"anyOf": sorted(choices, key=lambda choice: "$ref" not in choice)} if choices else {}


def _by_protocol(responses: dict[str, Any]) -> None:
    """Have what is documented as a problem be so as the Open Inference Protocol says it."""
    error = {JSON: {"schema": {"$ref": "#/components/schemas/OipError"}}}
    for status, answer in responses.items():
        if status == "default":  # a reference to that of all others
            responses[status] = {"description": "Any other error", "content": error}
        elif PROBLEM in answer.get("content", {}):
            answer["content"] = error


def _problem(text: str, retry: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": text,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if retry:
        answer["headers"] = RETRY_AFTER
    return answer
