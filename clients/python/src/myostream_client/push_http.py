"""Samples by HTTP: a POST for each chunk, which every server and every proxy takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from typing import Any
from urllib.parse import quote

from .chunked_upload import ChunkedUpload
from .errors import ClientError, RefusedError
from .live.messages import INT16, INT24, KEPT_S, AuxBlock, Samples, values_of
from .patience import Patience
from .receipt import Receipt
from .server_http import Caller, Server
from .transport import HTTP


class HttpPush:
    """One connection that is kept open. Not for several threads at once."""

    transport = HTTP

    def __init__(
        self,
        server: Server,
        name: str,
        declaration: Mapping[str, Any],
        scale: float,
        give_up_s: float,
        sleep: Callable[[float], object],
    ) -> None:
        self._declaration, self._scale, self._give_up_s, self._sleep = declaration, scale, give_up_s, sleep
        self._path = f"/emg/sources/{quote(name, safe='')}"
        self._server, self._caller = server, Caller(server, timeout_s=10.0)
        self._receipt: Receipt | None = None
        self._next = 0

    def declare(self) -> int | None:
        """Return the sample that the server waits for; None: it has none yet."""
        said = self._caller.call("POST", self._path, body=self._declaration)
        waits_for: int | None = said.get("next_sample")
        self._next = waits_for or self._next
        return waits_for

    def send(self, first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock]) -> None:
        """Send one chunk, and wait for its receipt.

        Raises:
            ClientError: the server said no, or was away for too long; what comes beside needs a WebSocket.
        """
        if aux:
            raise ClientError("what comes beside the EMG goes by WebSocket, which this server has not")
        call, patience = self._call(first_sample, samples, form), Patience(self._give_up_s)
        forgotten = declared = False
        while True:
            try:
                if forgotten and not declared:
                    self.declare()
                    declared = True
                said = self._caller.call("POST", f"{self._path}/samples", **call)
                self._receipt = Receipt(**{field.name: said[field.name] for field in fields(Receipt)})
                self._next = self._receipt.next_sample
                return
            except ClientError as error:
                if isinstance(error, RefusedError) and error.status == 404 and not forgotten:
                    forgotten = True  # the server has been restarted, or took the source for gone
                else:
                    self._sleep(patience.delay_after(error))

    def send_all(self, messages: Iterator[tuple[int, bytes]], next_sample: int) -> Receipt:
        """Send messages of the live socket, each with the index after its last sample, in one long request.

        Raises:
            ClientError: the server said no, or was away for too long.
        """
        upload = ChunkedUpload(
            self._server,
            self._path,
            self._scale,
            round(KEPT_S * self._declaration["sampling_rate_hz"]),
            self.declare,
            Patience(self._give_up_s),
            self._sleep,
        )
        for first in messages:  # a body of nothing is refused
            return upload.run(chain([first], messages), next_sample)
        return Receipt(accepted=0, duplicates=0, lost_samples=0, next_sample=self._next)

    def flush(self) -> None:
        """Return: each chunk has been waited for."""

    def receipt(self) -> Receipt:
        """Return that of the last chunk, once."""
        none = Receipt(accepted=0, duplicates=0, lost_samples=0, next_sample=self._next)
        receipt, self._receipt = self._receipt, None
        return receipt or none

    def withdraw(self) -> None:
        """Have the server forget the source."""
        self._caller.call("DELETE", self._path)

    def close(self) -> None:
        self._caller.close()

    def _call(self, first: int, samples: Samples, form: int) -> dict[str, Any]:
        """Return what `Caller.call` takes."""
        if form == INT24:  # as values: there is no such body
            samples = _scaled(samples, self._scale)
        elif form == INT16:
            query = {"first_sample": first, "dtype": "int16", "scale": self._scale}
            return {
                "query": query,
                "body": values_of(samples, INT16),
                "content_type": "application/octet-stream",
            }
        if isinstance(samples, list):
            rows = [list(map(float, row)) for row in samples]
            return {"body": {"first_sample": first, "samples": rows}}
        body = samples.astype("<f4", copy=False).tobytes()  # C order, whatever it was
        query = {"first_sample": first, "dtype": "float32"}
        return {"query": query, "body": body, "content_type": "application/octet-stream"}


def _scaled(samples: Samples, scale: float) -> Samples:
    if isinstance(samples, list):
        return [[value * scale for value in row] for row in samples]
    return samples.astype("f4") * scale
