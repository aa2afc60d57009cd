"""Gesture events as POST requests, signed as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import secrets
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import JSON, Template
from app.serving.outputs.delivery import UndeliveredError
from app.serving.outputs.public_address import NotPublicError, expect_public, is_address, resolve
from app.serving.process.native_thread import native
from app.webhook_address import WebhookAddress

ANSWER_S = 5.0  # for each step of an exchange
MOST_ANSWER = 64 * 1024  # bytes that are read of one
MOST_AFTER_S = 60.0  # of Retry-After
_JSON = re.compile(r"\[|\{\s*[\"}]|\{json\}")  # braces around a bare name are a placeholder
TRY_AGAIN = (408, 425, 429)  # and all from 500 on: proxies have their own for a receiver that is away


@dataclass(frozen=True, slots=True)
class Post:
    """A body, and what tells it from others, also when it is sent again."""

    body: str
    content_type: str
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")


@dataclass(frozen=True, slots=True)
class PostAction:
    """A body with places in it."""

    body: Template
    content_type: str

    def fill(self, fields: Mapping[str, Any]) -> Post:
        return Post(self.body.fill(fields), self.content_type)


def parse_post(asked: Asked) -> PostAction:
    """Return what a row for the webhook says: a body; the event as JSON where there is none.

    Raises:
        ConfigError: it has a place that there is not, or is for values.
    """
    if asked.pattern.of_values:
        raise ConfigError("a webhook is not sent for every frame; allowed: rows of gestures")
    body = asked.text or f"{{{JSON}}}"
    kind = "application/json" if _JSON.match(body) else "text/plain; charset=utf-8"
    return PostAction(Template.parse(body, asked.places), kind)


def of_event(event: GestureEvent) -> Post:
    """Return the default form: `type` and `data`, as Standard Webhooks advises."""
    body = {"type": f"gesture.{event.phase}", "timestamp": event.timestamp, "data": event.fields}
    return Post(json.dumps(body), "application/json")


def sign(key: bytes, post: Post, timestamp: int) -> dict[str, str]:
    """Return the headers that say who has sent it, and when (Unix s)."""
    signed = f"{post.id}.{timestamp}.{post.body}".encode()
    code = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": post.id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{code}"}


class WebhookReceiver:
    """Posts to one address, by one connection that is kept. Redirects are not followed, proxies not asked.

    A connection goes to an address that was checked just before, so that a name cannot lead elsewhere meanwhile.

    Raises:
        ConfigError: the address is none that webhooks may go to.
    """

    def __init__(
        self,
        address: WebhookAddress,
        key: bytes,
        *,
        private: bool,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`private`: any address will do, and no TLS is needed. `tls`: None: the system's authorities."""
        self._address, self._key, self._private, self._clock = address, key, private, clock
        expect_allowed(address, private=private)
        self._tls = (tls or ssl.create_default_context()) if address.tls else None
        self._connection: http.client.HTTPConnection | None = None

    def send(self, post: Post) -> None:
        """Post it.

        Raises:
            UndeliveredError: nobody has taken it; says whether another try may help.
        """
        try:
            status, after = self._exchange(post)
        except NotPublicError as error:
            raise UndeliveredError(str(error)) from None  # names may lead elsewhere by and by
        except (OSError, http.client.HTTPException) as error:
            asked = self._connection is not None  # and may have heard it: only the answer is missing
            self.close()
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UndeliveredError(f"{self._address.shown}: {why}", maybe=asked) from None
        if 200 <= status < 300:
            return
        again = status in TRY_AGAIN or status >= 500
        what = "redirects are not followed" if 300 <= status < 400 else "the receiver refuses it"
        raise UndeliveredError(
            f"{self._address.shown} answers {status}{'' if again else f': {what}'}",
            again=again,
            after_s=after,
        )

    def close(self) -> None:
        """Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, post: Post) -> tuple[int, float]:
        """Return the answer's status, and the seconds after which it wants to be asked again."""
        connection = self._connection = self._kept() or self._connect()
        headers = {
            "Content-Type": post.content_type,
            "User-Agent": "myostream",
            **sign(self._key, post, int(self._clock())),
        }
        connection.request("POST", self._address.target, post.body.encode(), headers)
        answer = connection.getresponse()
        rest = answer.read(MOST_ANSWER + 1)
        if len(rest) > MOST_ANSWER or answer.will_close:
            self.close()
        return answer.status, _seconds(answer.headers.get("Retry-After"))

    def _kept(self) -> http.client.HTTPConnection | None:
        """Return the connection of the exchange before, unless its receiver has closed it since: many do after 5 s."""
        if self._connection is not None:
            ended: Any = native("select", "poll")()  # gevent's would begin a turn of its loop
            ended.register(self._connection.sock, select.POLLIN)
            if ended.poll(0):  # nothing is to be read where nothing was asked
                self.close()
        return self._connection

    def _connect(self) -> http.client.HTTPConnection:
        where = self._address
        connection = http.client.HTTPConnection(where.host, where.port, timeout=ANSWER_S)
        connection.auto_open = 0  # it would look the name up by itself, and ask whoever that leads to
        connection.default_port = 443 if where.tls else 80  # what the Host header leaves out
        connection.sock = self._opened()
        return connection

    def _opened(self) -> socket.socket:
        """Return a connection to the first of the host's addresses that answers."""
        failed: OSError = OSError("the host has no address")
        for address in resolve(self._address.host, self._address.port, private=self._private):
            try:
                opened = socket.create_connection(address[:2], timeout=ANSWER_S)
            except OSError as error:
                failed = error
                continue
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                return opened
            try:
                return self._tls.wrap_socket(opened, server_hostname=self._address.host)
            except OSError:
                opened.close()
                raise
        raise failed


def expect_allowed(address: WebhookAddress, *, private: bool) -> None:
    """See what can be seen of an address before anybody is asked for it.

    Raises:
        ConfigError: webhooks may not go there.
    """
    if private:
        return
    if not address.tls:
        raise ConfigError(
            f"EMG_WEBHOOK={address.shown}/... would be readable by everybody on the way: use https, or "
            "EMG_WEBHOOK_PRIVATE=1 for a receiver in your own network"
        )
    if is_address(address.host):
        try:
            expect_public(address.host, [address.host])
        except NotPublicError as error:
            raise ConfigError(f"EMG_WEBHOOK: {error}") from None


def _seconds(said: str | None) -> float:
    try:
        return min(max(float(said or 0), 0.0), MOST_AFTER_S)
    except ValueError:  # a date
        return 0.0
