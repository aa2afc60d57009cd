"""Headers that every answer carries, and which other origins may read it."""

from __future__ import annotations

from flask import Flask, Response, request
from flask_cors import CORS

from app.api.access import HEADER

SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),  # unless the answer says otherwise
)
# the Swagger UI starts itself by a script within its page
_DOCS = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"  # noqa: E501
_EXPOSED = ["Retry-After", "WWW-Authenticate", "Content-Disposition"]


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """No cookie is ever used, so none is allowed from elsewhere: `*` cannot meet credentials."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "POST", "DELETE"],
            allow_headers=["Content-Type", HEADER, "Last-Event-ID"],
            expose_headers=_EXPOSED,
            supports_credentials=False,
            send_wildcard="*" in origins,
            max_age=600,
        )

    @app.after_request
    def secure(answer: Response) -> Response:
        if request.endpoint == "api-docs.openapi_swagger_ui":
            answer.headers.setdefault("Content-Security-Policy", _DOCS)
        for name, value in SECURITY:
            answer.headers.setdefault(name, value)
        return answer
