"""Which request a line of the log belongs to: `X-Request-ID` in and out, and the trace of W3C's `traceparent`."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from app import logs
from app.api.request_metrics import UNMATCHED, took_s

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
_KEY = "myostream.request_id"
_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")  # nothing that could forge a line of a log or a header
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_numbers = itertools.count(1)


def request_id(environ: WSGIEnvironment) -> str:
    """Return the caller's own where it is sane, else a new one; the same whenever it is asked for."""
    known = environ.get(_KEY)
    if known is None:
        given = environ.get("HTTP_X_REQUEST_ID")
        known = environ[_KEY] = given if given is not None and _SANE.fullmatch(given) else _new()
    return str(known)


def trace_id(environ: WSGIEnvironment) -> str | None:
    """Return the trace that a `traceparent` (W3C Trace Context, section 3.2) names; None for none or a wrong one."""
    found = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    return found[1] if found else None


def bind(environ: WSGIEnvironment) -> None:
    """Have the request's id and trace stand in every line that is written for it."""
    trace = trace_id(environ) if "HTTP_TRACEPARENT" in environ else None
    if trace is None:
        logs.bind(request_id=request_id(environ))
    else:
        logs.bind(request_id=request_id(environ), trace_id=trace)


def _new() -> str:
    return f"{_start()}-{next(_numbers):x}"


@cache
def _start() -> str:
    """Made at the first request, and so after the fork: no two workers give the same."""
    return secrets.token_hex(6)


def register(app: Flask) -> None:
    """Name every request that reaches Flask, and with EMG_LOG_LEVEL=debug write a line for each."""

    @app.before_request
    def name() -> None:
        bind(request.environ)

    @app.after_request
    def answer(answer: Response) -> Response:
        answer.headers[REQUEST_ID_HEADER] = request_id(request.environ)
        if log.isEnabledFor(logging.DEBUG):
            route = UNMATCHED if request.url_rule is None else request.url_rule.rule
            log.debug(
                "%s %s %d in %.1f ms",
                request.method,
                route,
                answer.status_code,
                1e3 * took_s(time.perf_counter()),
            )
        return answer
