"""`/` and `/teach`: the dashboard and the page that teaches, which ask nobody but this server."""

from __future__ import annotations

from flask import Response, make_response, render_template
from flask_smorest import Blueprint

from app.api.access.access import OPEN, needs

bp = needs(OPEN)(Blueprint("dashboard", __name__, description="Pages for people"))

# No inline script or style, no eval, no other host, and in nobody's frame.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {  # beside those that every answer has
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@bp.get("/")
@bp.response(200, content_type="text/html")
def dashboard() -> Response:
    """Return the dashboard: signal, gesture, latency, accuracy and recordings in a browser."""
    return _page("dashboard.html")


@bp.get("/teach")
@bp.response(200, content_type="text/html")
def teach() -> Response:
    """Return the page on which a person teaches a model: signal, gestures, recording, learning and use in a browser."""
    return _page("teach.html")


def _page(name: str) -> Response:
    page = make_response(render_template(name))
    for header, value in HEADERS.items():
        page.headers.setdefault(header, value)
    return page
