"""A source that this program fills, and what the server says of it, on one connection."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..errors import ClientError, NotMyostreamError
from ..events import Completed, Interrupted, LiveEvent, live_event_of
from ..held_gesture import INTERRUPTED, HeldGesture
from ..receipt import Receipt
from ..server_http import Server
from ..source_samples import SourceSamples
from ..transport import Transport
from .by_http import HttpLive
from .by_socket import SocketLive
from .messages import GESTURE, AuxBlock, Record, Samples, records_of

_RECORD = "record"  # of a gesture that came in 32 bytes, where others have their fields
SENDS = ("frames", "decisions", "quality", "states")


class Way(Protocol):
    """How samples get there, and what is said comes back."""

    transport: str

    def begin(self) -> int: ...

    def send(self, first_sample: int, samples: Samples, form: int, aux: Sequence[AuxBlock]) -> None: ...

    def flush(self) -> None: ...

    def take(self, timeout_s: float | None) -> bool:
        """Wait for something to be said, at most so long; False once nothing more can come."""

    def said(self) -> Mapping[str, Any] | bytes | Interrupted | None: ...

    def receipt(self) -> Receipt: ...

    def close(self) -> None: ...


class LiveSource:
    """Send samples, and iterate to get events: frames, decisions, the quality of the signal, states.

    with client.live("armband", channels=8, sampling_rate_hz=200, send=["decisions"]) as live:
        for event in live.through(chunks):
            ...

    One thread may send while another iterates. The first connection must work. When a later one is cut, or the
    server restarts, an `Interrupted` says so; `send` keeps the newest 2 s until there is another, which gets them.

    Raises, while it is read or fed:
        RefusedError: the server said no.
        ServerUnreachableError: there is no first connection, or no other for `give_up_s`.
        NotMyostreamError: what comes is none of its messages.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        channels: int,
        sampling_rate_hz: float,
        units: str = "uV",
        model: str | None = None,
        profile: str | None = None,
        aux: Sequence[Mapping[str, Any]] | None = None,
        scale: float = 1.0,
        sample_format: str | None = None,
        send: Iterable[str] = ("frames", "states"),
        format: str = "json",
        give_up_s: float = 60.0,
        transport: str | None = None,
        known: Transport | None = None,
        **stream: Any,
    ) -> None:
        self.name, wanted = name, tuple(send)
        if unknown := [word for word in wanted if word not in SENDS]:
            raise ValueError(f"send has {', '.join(SENDS)}, got {unknown[0]!r}")
        if format not in ("json", "binary"):
            raise ValueError(f"format must be 'json' or 'binary', got {format!r}")
        declaration = _given(
            channels=channels,
            sampling_rate_hz=sampling_rate_hz,
            units=units,
            model=model,
            profile=profile,
            aux=None if aux is None else [dict(one) for one in aux],
        )
        options = _given(**stream)
        self._samples = SourceSamples(channels, aux or (), sample_format)
        about = (server, name, declaration, options, wanted, format, scale, give_up_s)
        self._way: Way = (known or Transport()).chosen(
            transport, lambda: _way(SocketLive(*about)), lambda: _way(HttpLive(*about))
        )
        self.next_sample = self._way.begin()
        self._closed, self._gesture = False, HeldGesture()

    @property
    def transport(self) -> str:
        """Which way it goes: "websocket" or "http"."""
        return self._way.transport

    def send(self, samples: Samples, aux: Mapping[str, Samples] | None = None) -> None:
        """Send the next samples, (n, channels), as `PushedSource.send` has them. Nobody waits for an answer."""
        blocks = self._samples.aux_blocks(aux)
        self._samples.expect(samples)
        if len(samples):
            self._way.send(self.next_sample, samples, self._samples.format_of(samples), blocks)
            self.next_sample += len(samples)
            self._samples.sent(blocks)

    def skip(self, samples: int, aux: Mapping[str, int] | None = None) -> None:
        """So many samples were lost before they could be sent; the server counts them as a gap."""
        self.next_sample += samples
        self._samples.skip(aux or {})

    def flush(self) -> Receipt:
        """Wait until the server has taken all that was sent, or given it up; return what it did since the last."""
        self._way.flush()
        return self._way.receipt()

    def received(self, timeout_s: float | None = 0.0) -> Iterator[LiveEvent]:
        """Yield what has come; where that is nothing, what comes first, waiting for it at most so long."""
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        waits = True
        while True:
            for event in self._events():
                waits = False
                yield event
            left = None if ends is None else max(0.0, ends - time.monotonic())
            if not waits or self._closed or not self._way.take(left):
                break
            waits = left is None or left > 0.0
        yield from self._events()

    def through(self, chunks: Iterable[Samples]) -> Iterator[LiveEvent]:
        """Send one chunk after the other, and yield what comes meanwhile; ends when all of it is taken."""
        for chunk in chunks:
            self.send(chunk)
            yield from self.received()
        self._way.flush()
        yield from self.received()

    def __iter__(self) -> Iterator[LiveEvent]:
        """Yield events as they come, until the source is over or `close` is called."""
        over = False
        while not self._closed:
            for event in self._events():
                yield event
                over = over or isinstance(event, Completed)
            if over:
                return
            over = not self._way.take(None)

    def close(self) -> None:
        """End it, and withdraw the source; whoever waits for an event gets the end. Nothing is raised."""
        self._closed = True
        with contextlib.suppress(ClientError):
            self._way.close()

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _events(self) -> Iterator[LiveEvent]:
        while (said := self._way.said()) is not None:
            if isinstance(said, Interrupted):
                yield from self._owed()
                yield said
            else:
                yield from self._typed(said)

    def _owed(self) -> Iterator[LiveEvent]:
        """Yield the release that a cut owes, in the form in which its onset came."""
        release = self._gesture.cut()
        if release is not None and _RECORD in release:
            yield replace(release[_RECORD], phase="release", reason=INTERRUPTED)
        elif release is not None and (event := live_event_of(release)) is not None:
            yield event

    def _typed(self, said: Mapping[str, Any] | bytes) -> Iterator[LiveEvent]:
        """Yield what a message says."""
        try:
            if isinstance(said, bytes):
                yield from (one for one in records_of(said) if one.kind != GESTURE or self._tells(one))
            elif self._gesture.tells(said) and (event := live_event_of(said)) is not None:
                yield event
        except (TypeError, ValueError) as error:
            raise NotMyostreamError(f"a message cannot be read: {error}") from error

    def _tells(self, gesture: Record) -> bool:
        return self._gesture.tells({"phase": gesture.phase, "id": gesture.frame, _RECORD: gesture})


def _way(way: Way) -> Way:
    return way


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
