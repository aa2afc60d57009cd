"""Opens streams for clients, within the limits that the operator set."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.config import Settings
from app.counted import counted, verb
from app.errors import NotReadyError, OverloadedError, TooFastError
from app.serving.counters.stream_stats import StreamStats
from app.serving.pipelines.named_models import NamedModel
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.client_stream import EventWriter, Stream, StreamCursor
from app.serving.streams.events import StreamOptions
from app.serving.streams.gestures.told import GestureMark
from app.serving.streams.group_events import Encode
from app.serving.streams.reader import Reader

log = logging.getLogger(__name__)

AHEAD_S = 1.0  # another worker, since killed, may have been so far ahead of this one
RETRY_S = 5.0  # after which a caller with too many streams may ask again


# the last window that a returning reader has seen, and what it heard last of gestures
Seen = tuple["int | None", "GestureMark | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who a stream is for, and the way to it.

    `place` is where it was when its connection was cut. `counted`: `StreamOpener.enter` has been called for it.
    """

    place: StreamCursor | None = None
    writer: EventWriter | None = None
    writable: Callable[[], bool] = lambda: True
    caller: str = ""
    counted: bool = False

    def hearing(self, gestures: bool) -> Client:
        """Return the same, without what it heard of gestures where it asks for none now."""
        if gestures or self.place is None:
            return self
        return replace(self, place=self.place._replace(gesture=None))


ANYBODY = Client()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpener:
    """`run` gives what names this start of the server: a client that was cut off goes on in the same run only.

    `leaving` says why the worker takes no streams any more, None while it does; `why_leaving` is what the last event
    of the open ones says then.
    """

    settings: Callable[[], Settings]
    stats: StreamStats
    pipelines: SourcePipelines
    encode: Encode
    run: Callable[[], str]
    leaving: Callable[[], str | None]
    why_leaving: Callable[[], str]

    def open(
        self,
        pipeline: SourcePipeline,
        options: StreamOptions,
        duration_s: float | None,
        client: Client = ANYBODY,
        *,
        named: NamedModel | None = None,
    ) -> tuple[Stream, Callable[[], None]]:
        """Return a stream and what closes it.

        `named` is the model that it names, held by the caller; None: it follows the source's.

        Raises:
            DataError: no such rate of frames.
            OverloadedError: EMG_MAX_STREAMS are open, or EMG_MAX_GROUPS, and it would be in another.
            TooFastError: EMG_MAX_STREAMS_PER_KEY are open for the caller.
            NotReadyError: the server is shutting down.
        """
        broadcast = pipeline.broadcast if named is None else named.broadcast
        client = client.hearing(options.events)

        def joined() -> Reader:
            self.expect_group(broadcast, options)
            return self._reader(broadcast, options, client.place)

        speed = getattr(pipeline.source, "speed", 1.0)
        return self._opened(pipeline.name, joined, options.fps, duration_s, client, speed, named is not None)

    def open_elsewhere(
        self,
        source: str,
        join: Callable[[Callable[[int], Seen]], Reader],
        fps: float,
        duration_s: float | None,
        client: Client,
        *,
        named: bool = False,
    ) -> tuple[Stream, Callable[[], None]]:
        """Return the same of a source that another worker reads; `join` is given what `RemoteStreams.join` needs.

        Raises:
            MyostreamError: as `open` and `join`.
        """

        def seen(reached: int) -> Seen:
            return self._seen(client.place, reached + fps * AHEAD_S if reached >= 0 else math.inf)

        return self._opened(source, lambda: join(seen), fps, duration_s, client, 1.0, named)

    def _opened(
        self,
        source: str,
        join: Callable[[], Reader],
        fps: float,
        duration_s: float | None,
        client: Client,
        speed: float | None,
        named: bool,
    ) -> tuple[Stream, Callable[[], None]]:
        caller, counted, place = client.caller, client.counted, client.place
        if not counted:
            self.enter(caller)
        try:
            reader = join()
        except BaseException:
            if not counted:
                self.leave(caller)
            raise
        stream = Stream(
            reader,
            fps,
            duration_s,
            run=self.run(),
            stats=self.stats,
            stopping=lambda: self.leaving() is not None,
            why_stopping=self.why_leaving,
            speed=speed,
            place=place,
            greeting=None if place is None or named else self._greeting(reader, duration_s),
            writer=client.writer,
            writable=client.writable,
        )
        log.debug("stream %s of %s opened", stream.name, source)

        def close() -> None:
            reader.close()
            if not counted:
                self.leave(caller)
            ended = "stream %s of %s ended: %d frames, %d dropped"
            log.info(ended, stream.name, source, stream.frames, stream.dropped)

        return stream, close

    def enter(self, caller: str) -> None:
        """See that one more may open, and count it, until `leave`.

        Raises:
            OverloadedError, TooFastError, NotReadyError: as `open`.
        """
        reason = self.leaving()
        if reason is not None:
            raise NotReadyError(reason)
        if self.stats.active_streams >= self.settings().max_streams:
            raise OverloadedError(f"{_streams(self.settings().max_streams)} open, as many as EMG_MAX_STREAMS")
        most = self.settings().max_streams_per_key
        if not self.stats.stream_opened(caller, most):  # counted before anything waits: others ask meanwhile
            raise TooFastError(
                f"{_streams(most or 0, ' of yours')} open, as many as EMG_MAX_STREAMS_PER_KEY", RETRY_S
            )

    def leave(self, caller: str) -> None:
        """Count one less."""
        self.stats.stream_closed(caller)

    def _greeting(self, reader: Reader, duration_s: float | None) -> bytes | None:
        """Return what one who comes back is told of the model: it may have been changed meanwhile."""
        event = reader.model(replays=duration_s is not None)
        if event is None or (event.model is None and not event.from_sample):
            return None  # it is always that one, or there never was any
        return self.encode(event)

    def _reader(self, broadcast: Broadcast, options: StreamOptions, place: StreamCursor | None) -> Reader:
        most = broadcast.reached(options) + options.fps * AHEAD_S
        return broadcast.join(options, *self._seen(place, most))

    def _seen(self, place: StreamCursor | None, most: float) -> Seen:
        """Return how far that client is, where its place is one of this run; `most` is how far it can be."""
        known = place is not None and place.run == self.run() and place.k <= most
        return (place.k, place.gesture) if place is not None and known else (None, None)

    def expect_group(self, broadcast: Broadcast, options: StreamOptions) -> None:
        """See that there is a group of those options, or room for one more.

        Raises:
            OverloadedError: there is not.
        """
        most = self.settings().max_groups
        if options in broadcast.running:
            return
        if sum(1 for one in self.pipelines for _ in one.groups()) >= most:
            raise OverloadedError(
                f"{most} groups of streams with different options are open, as many as EMG_MAX_GROUPS: "
                "ask for what others ask for, or try again"
            )


def _streams(number: int, whose: str = "") -> str:
    return f"{counted(number, 'stream')}{whose} {verb(number, 'is', 'are')}"
