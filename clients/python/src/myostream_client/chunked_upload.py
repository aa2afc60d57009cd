"""Samples in one long request, for a way to a server that has no WebSocket: a POST that lasts as long as they come."""

from __future__ import annotations

import http.client
import json
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .errors import ClientError, NotMyostreamError, RefusedError, ServerUnreachableError, refused
from .patience import Patience
from .receipt import Receipt
from .server_http import Server, reason_of

KIND = "application/x-myostream-samples"
ANSWER_S = 30.0
_LENGTH = struct.Struct("<I")  # of the message behind it

Message = tuple[int, bytes]  # the index after its last sample, and a message of the live socket


class ChunkedUpload:
    """One request after the other, until all messages are there; `keeps` samples are sent again after a cut."""

    def __init__(
        self,
        server: Server,
        path: str,
        scale: float,
        keeps: int,
        declare: Callable[[], int | None],
        patience: Patience,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`declare` tells the server of the source again, and returns the sample that it waits for."""
        self._server, self._keeps, self._declare = server, keeps, declare
        query = {} if scale == 1.0 else {"scale": scale}
        self._target = server.target(f"{path}/samples", query)
        self._patience, self._sleep = patience, sleep
        self._kept: deque[Message] = deque()
        self._sent = 0  # messages, over all requests

    def run(self, messages: Iterator[Message], next_sample: int) -> Receipt:
        """Send what comes, each message when it does, and return what the server did with all of it.

        Raises:
            RefusedError: the server said no.
            ServerUnreachableError: it was away for too long.
        """
        accepted = duplicates = lost = 0
        waits_for = next_sample
        while True:
            sent = self._sent
            try:
                answer = self._answered(self._body(messages, waits_for))
                return Receipt(
                    accepted=accepted + answer["accepted"],
                    duplicates=duplicates + answer["duplicates"],
                    lost_samples=lost + answer["lost_samples"],
                    next_sample=answer["next_sample"],
                )
            except ClientError as error:
                if self._sent > sent + 1:  # it went well for a while
                    self._patience.succeeded()
                before, waits_for = waits_for, self._declared_again(error, waits_for)
                accepted += max(0, waits_for - before)  # its own count was lost

    def _declared_again(self, error: ClientError, waits_for: int) -> int:
        """Return where to go on after that error, once the server is there."""
        while True:
            forgotten = isinstance(error, RefusedError) and error.status == http.client.NOT_FOUND
            self._sleep(
                self._patience.delay_after(ServerUnreachableError(str(error)) if forgotten else error)
            )
            try:
                found = self._declare()
            except ClientError as again:
                error = again
                continue
            return waits_for if found is None else found

    def _body(self, messages: Iterator[Message], waits_for: int) -> Iterator[bytes]:
        for end, message in list(self._kept):
            if end > waits_for:
                yield _LENGTH.pack(len(message)) + message
        for end, message in messages:
            self._kept.append((end, message))
            while self._kept[0][0] <= end - self._keeps:
                self._kept.popleft()
            yield _LENGTH.pack(len(message)) + message
            self._sent += 1

    def _answered(self, body: Iterator[bytes]) -> dict[str, Any]:
        connection = self._server.connection(ANSWER_S)
        try:
            headers = self._server.headers({"Content-Type": KIND, "Transfer-Encoding": "chunked"})
            try:
                connection.request("POST", self._target, body, headers, encode_chunked=True)
            except OSError as error:
                answer = _early(connection, error)
            else:
                answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            reason = reason_of(error, ANSWER_S)
            raise ServerUnreachableError(f"{self._server.url} broke off: {reason}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise refused(answer.status, content, answer.getheader("Retry-After"))
        try:
            said = json.loads(content)
            return {name: int(said[name]) for name in Receipt.__dataclass_fields__}
        except (ValueError, TypeError, KeyError) as error:
            raise NotMyostreamError(f"the answer to an upload is no receipt: {content[:80]!r}") from error


def _early(connection: http.client.HTTPConnection, error: OSError) -> http.client.HTTPResponse:
    """Return the answer of a server that has hung up before the end of the body, where it gave one.

    Raises:
        OSError: it gave none.
    """
    answer = http.client.HTTPResponse(connection.sock, method="POST")
    try:
        answer.begin()
    except (OSError, http.client.HTTPException):
        answer.close()
        raise error from None
    return answer
