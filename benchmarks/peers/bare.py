"""Flask under our own gunicorn configuration, with a view that reads the body and nothing else: the ceiling."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)
ANSWER = b'{"latency_ms":"0.100","prediction":"1","confidence":"0.9"}' + b" " * 180


@app.post("/read")
def read() -> Response:
    request.get_data()
    return Response(ANSWER, content_type="application/json")


def wsgi(environ, start_response):  # type: ignore[no-untyped-def]  # as PEP 3333 prints it
    """The same without Flask."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


@app.get("/health/ready")
def ready() -> str:
    return "ready"
