"""Headers that every answer carries, and which other origins may read it."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

from flask import Flask, Response, request
from flask_cors import CORS

from app.api.access.access import API_KEY_HEADER, SCOPES_HEADER

SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),  # unless the answer says otherwise
)
# A worker has the policy that its file came with, not the page's: here the one that holds the pages' shared streams.
_WORKER = "/stream_worker.js"
_WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_EXPOSED = ["Retry-After", "WWW-Authenticate", "Content-Disposition", SCOPES_HEADER]


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """No cookie is ever used, so none is allowed from elsewhere: `*` cannot meet credentials."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Content-Type", API_KEY_HEADER, "Last-Event-ID"],
            expose_headers=_EXPOSED,
            supports_credentials=False,
            send_wildcard="*" in origins,
            max_age=600,
        )

    @app.after_request
    def secure(answer: Response) -> Response:
        if request.endpoint == "api-docs.openapi_swagger_ui":
            answer.headers.setdefault("Content-Security-Policy", docs_policy(answer.get_data(as_text=True)))
        elif request.endpoint == "static" and request.path.endswith(_WORKER):
            answer.headers.setdefault("Content-Security-Policy", _WORKER_POLICY)
        for name, value in SECURITY:
            answer.headers.setdefault(name, value)
        return answer


def docs_policy(page: str) -> str:
    """For the Swagger UI, whose page starts it by a script of its own: that one is allowed by its hash, no other."""
    hashes = [base64.b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE.findall(page)]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *(f"'sha256-{found}'" for found in hashes))),
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        )
    )
