"""What gunicorn answers itself, said as everything else is: a problem, with the headers of every other answer.

It refuses what never becomes a request: no HTTP, a line or header that is too long. Its own answer is a page of HTML.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from werkzeug.exceptions import HTTPException

from app.api.errors import problem
from app.api.headers import SECURITY
from app.api.tracing import REQUEST_ID_HEADER, request_id
from app.errors import MyostreamError

log = logging.getLogger(__name__)

MOST_REASON = 200  # characters of what a client has sent, in answer and log

# by name: not every version of gunicorn has them all
_OWN_FAULT = ("ConfigurationProblem", "InvalidResponseHeader", "InvalidResponseHeaderName")
_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (errors.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (errors.LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (errors.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (errors.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
    (errors.ForbiddenProxyRequest, HTTPStatus.FORBIDDEN),
    (errors.ParseException, HTTPStatus.BAD_REQUEST),
)


def handle_error(_request: Any, client: Any, address: Any, error: BaseException) -> None:
    """Stand in the place of gunicorn's `Worker.handle_error`, which is called with what has ended a connection."""
    if isinstance(error, (HTTPException, MyostreamError)):
        return  # a body that nobody wanted, and that is wrong beside: its request has been answered
    status = None if type(error).__name__ in _OWN_FAULT else status_of(error)
    if status is None:
        log.error("a connection failed", exc_info=error)
        said = answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log has the reason", {})
    else:
        reason, environ = str(error)[:MOST_REASON], {"REMOTE_ADDR": address[0] if address else ""}
        said = answer(status, reason, environ)
        log.warning("refused what %s sent: %d, %r", environ["REMOTE_ADDR"] or "a client", status, reason)
    with suppress(OSError):  # it has left, or reads nothing
        util.write_nonblock(client, said)


def status_of(error: BaseException) -> HTTPStatus | None:
    """Return what the client did wrong; None where it was not the client."""
    if isinstance(error, OSError):  # of TLS: who speaks something else is told so
        return HTTPStatus.BAD_REQUEST
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def answer(status: HTTPStatus, detail: str, environ: dict[str, Any]) -> bytes:
    """Return a whole answer, after which the connection is closed."""
    said = problem(status, detail)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {util.http_date()}",
        "Connection: close",
        f"Content-Type: {said.content_type}",
        f"Content-Length: {said.content_length}",
        f"{REQUEST_ID_HEADER}: {request_id(environ)}",
        *(f"{name}: {value}" for name, value in SECURITY),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + said.get_data()
