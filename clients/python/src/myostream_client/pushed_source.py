"""Samples from this machine to a server in EMG_MODE=push: the armband here, the model there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .errors import ClientError
from .live.messages import Samples, messages_of
from .push_http import HttpPush
from .push_socket import SocketPush
from .receipt import Receipt
from .server_http import Server
from .source_samples import SourceSamples
from .transport import Transport

__all__ = ["PushedSource", "Receipt"]


class PushedSource:
    """A source that this program fills. Declared when it is made, and withdrawn when it is closed.

    `next_sample` counts the samples since the source began: the truth about time on the server. Where the server has
    a WebSocket the samples go by that, else each chunk by a POST of its own. What the server has not taken is sent
    again under the same number, which it recognises; after its restart the source is declared again. Not for several
    threads at once.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        channels: int,
        sampling_rate_hz: float,
        units: str = "uV",
        model: str | None = None,  # which reads it; None: the one it had before, or the server's own
        profile: str | None = None,  # of the person: its model, montage and decision rule
        aux: Sequence[Mapping[str, Any]]
        | None = None,  # beside it: name, channel_names, units, sampling_rate_hz
        scale: float = 1.0,  # units per count, for chunks of whole numbers
        sample_format: str
        | None = None,  # float32, int16 or int24; None: int16 arrays as they are, all else float32
        give_up_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        transport: str | None = None,  # auto, websocket or http
        known: Transport | None = None,  # what the client has found out about the server
    ) -> None:
        self.name = name
        declaration: dict[str, Any] = {
            "channels": channels,
            "sampling_rate_hz": sampling_rate_hz,
            "units": units,
        }
        more = {
            "model": model,
            "profile": profile,
            "aux": None if aux is None else [dict(one) for one in aux],
        }
        declaration |= {name: value for name, value in more.items() if value is not None}
        self._samples = SourceSamples(channels, aux or (), sample_format)
        about = (server, name, declaration, scale, give_up_s, sleep)
        self._way = (known or Transport()).chosen(
            transport, lambda: _way(SocketPush(*about)), lambda: _way(HttpPush(*about))
        )
        try:
            self.next_sample = self.declare() or 0
        except ClientError:
            self._way.close()
            raise

    @property
    def transport(self) -> str:
        """Which way the samples go: "websocket" or "http"."""
        return self._way.transport

    def declare(self) -> int | None:
        """Tell the server what will come.

        It may have been told before, by a run of this program that ended: then the number of the sample that it
        waits for.

        Raises:
            RefusedError: it takes no such source.
            ServerUnreachableError: it cannot be reached.
        """
        return self._way.declare()

    def send(self, samples: Samples, aux: Mapping[str, Samples] | None = None) -> Receipt:
        """Send the next samples, (n, channels): an int16 array in counts, any other array or lists in `units`.

        `aux` is what came beside them, by its name, (n, its channels). By POST the receipt is for this chunk; by
        WebSocket nobody waits for it, and it is for all that the server has taken since the receipt before, so that
        their sums are the same in the end (see `flush`).

        Waits while the server cannot be reached, at most `give_up_s`. A device goes on meanwhile: what it lost then
        is said by `skip`.

        Raises:
            ValueError: not of that shape.
            RefusedError: the server said no; by WebSocket to a chunk before this one, which has not been sent.
            ServerUnreachableError: it was away for too long.
        """
        blocks = self._samples.aux_blocks(aux)
        self._samples.expect(samples)
        count = len(samples)
        if count:
            self._way.send(self.next_sample, samples, self._samples.format_of(samples), blocks)
            self.next_sample += count
            self._samples.sent(blocks)
        return self._way.receipt()

    def send_all(self, chunks: Iterable[Samples]) -> Receipt:
        """Send one chunk after the other as they come, and return what the server did with all of them.

        By WebSocket as `send`. By HTTP in one long request (chunked transfer encoding), which costs far less than a
        POST for each; after a cut it goes on with the last 2 s.

        Raises:
            ValueError, RefusedError, ServerUnreachableError: as `send`.
        """
        return self._way.send_all(self._messages(chunks), self.next_sample)

    def _messages(self, chunks: Iterable[Samples]) -> Iterator[tuple[int, bytes]]:
        for samples in chunks:
            self._samples.expect(samples)
            form = self._samples.format_of(samples)
            for end, message in messages_of(self.next_sample, samples, form):
                yield end, message
                self.next_sample = end

    def flush(self) -> Receipt:
        """Wait until the server has taken all that was sent, or given it up as lost; return what it did since.

        Raises:
            RefusedError, ServerUnreachableError: as `send`.
        """
        self._way.flush()
        return self._way.receipt()

    def skip(self, samples: int, aux: Mapping[str, int] | None = None) -> None:
        """So many samples were lost before they could be sent; the server counts them as a gap."""
        self.next_sample += samples
        self._samples.skip(aux or {})

    def close(self) -> None:
        """Withdraw the source. Nothing is raised: a server that is gone has forgotten it."""
        with contextlib.suppress(ClientError):
            self._way.withdraw()
        self._way.close()

    def __enter__(self) -> PushedSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _way(way: SocketPush | HttpPush) -> SocketPush | HttpPush:
    return way
