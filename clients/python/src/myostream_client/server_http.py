"""HTTP with one server: JSON and bytes there, JSON back, over a connection that is kept open.

From the standard library alone, so that the client runs with any Python 3.10 and nothing installed.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import NotMyostreamError, ServerUnreachableError, refused
from .version import __version__

CONNECT_S = 5.0
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server is, and how to be let in."""

    url: str = "http://127.0.0.1:8000"
    api_key: str | None = None
    tls: ssl.SSLContext | None = None  # for https; None: the system's certificates

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the URL must be like http://127.0.0.1:8000, got {self.url!r}")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("an API key has only printable ASCII characters; is a line feed at its end?")

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return a new connection, open.

        Raises:
            ServerUnreachableError: nobody listens there.
        """
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = self.tls or ssl.create_default_context()
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=CONNECT_S, context=context
            )
        else:
            made = http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)
        try:
            made.connect()
        except OSError as error:
            raise ServerUnreachableError(
                f"cannot reach {self.url}: {error}; is the server running?"
            ) from error
        made.sock.settimeout(timeout_s)
        return made

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        key = {"X-API-Key": self.api_key} if self.api_key else {}
        return {"User-Agent": f"myostream-client/{__version__}", **key, **(more or {})}

    def target(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """Return the path as it stands in a request, under the URL's own."""
        asked = {k: _word(v) for k, v in (query or {}).items() if v is not None}
        return urlsplit(self.url).path.rstrip("/") + path + (f"?{urlencode(asked)}" if asked else "")


class Caller:
    """Calls a server, one at a time and over one connection. Not for several threads at once."""

    def __init__(self, server: Server, timeout_s: float = 30.0) -> None:
        self._server, self._timeout_s = server, timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Return the answer's JSON object; empty where it has no content.

        Raises:
            RefusedError: the server said no.
            ServerUnreachableError: there is no connection, or no answer within `timeout_s`.
            NotMyostreamError: the answer is no JSON object.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = self._server.headers({"Content-Type": content_type} if data is not None else None)
        answer, content = self._exchanged(
            method, self._server.target(path, query), data, headers, timeout_s or self._timeout_s
        )
        if answer.status >= 400:
            raise refused(answer.status, content, answer.getheader("Retry-After"))
        if answer.status == 204:
            return {}
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            kind = answer.getheader("Content-Type", "no content type")
            said = f"{self._server.url}{path} answered {answer.status} with {kind}"
            raise NotMyostreamError(f"{said}, not with a JSON object; is the URL right?")
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchanged(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask, and ask once more where a server has closed an idle connection, which shows only when it is used."""
        kept = self._connection is not None
        try:
            connection = self._connection = self._connection or self._server.connection(timeout_s)
            connection.sock.settimeout(timeout_s)
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except _BROKEN as error:
            self.close()
            if kept and not isinstance(error, TimeoutError):
                return self._exchanged(method, target, body, headers, timeout_s)
            raise ServerUnreachableError(
                f"{self._server.url} broke off: {reason_of(error, timeout_s)}"
            ) from error
        if answer.will_close:
            self.close()
        return answer, content


def reason_of(error: Exception, timeout_s: float) -> str:
    """In words, for those who do not know Python's exceptions."""
    if isinstance(error, TimeoutError):
        return f"no answer for {timeout_s:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was cut"
    return str(error) or type(error).__name__


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (bool, dict)) else str(value)
