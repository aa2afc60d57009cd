"""Counts every answer by method, route and status, with the time until it was there (of a stream: until it began).

The fast path counts its own. What gunicorn answers itself (400 for what is no HTTP, 414, 431) is not seen here.
"""

from __future__ import annotations

import time

from flask import Flask, Response, request

from app.serving.counters.shared_metrics import SharedMetrics

_BEGAN = "myostream.began"
RELAYED = "myostream.relayed"  # of a request that another worker has carried here, and counts
UNMATCHED = "(none)"  # a path that is no route: a client may think out any number of them


def register(app: Flask, metrics: SharedMetrics) -> None:
    """Before everything else: what is refused is counted too."""

    @app.before_request
    def begin() -> None:
        request.environ[_BEGAN] = time.perf_counter()

    @app.after_request
    def count(answer: Response) -> Response:
        if RELAYED in request.environ:
            return answer
        route = UNMATCHED if request.url_rule is None else request.url_rule.rule
        metrics.request(request.method, route, answer.status_code, took_s(time.perf_counter()))
        return answer


def took_s(now: float) -> float:
    """Since the current request reached Flask, in s."""
    return float(now - request.environ.get(_BEGAN, now))
